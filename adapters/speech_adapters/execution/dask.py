"""The executor of Dask: each recording is a task of a cluster, with its id as the key.

::

    submit ──▶ waits for a worker ──▶ one step runs ──▶ the scheduler forgets the task
                   ▲        a worker dies │                     │ not final yet, or an error
                   └──────────────────────┘                     ▼
                                           submitted again by the next status query or sweep

The key keeps a recording from having two tasks at a time, whichever programs submit it.  A task
holds the recording's id only: a worker reads its own settings, so no secret passes through the
scheduler.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import anyio

from speech_adapters import threads
from speech_adapters.config import DaskOptions
from speech_adapters.errors import (
    BackendError,
    ConfigurationError,
    SpeechError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.extras import need_packages
from speech_adapters.isolated import error_of
from speech_adapters.store import Recording

if TYPE_CHECKING:
    from distributed import Client, Future, Security

__all__ = ["DaskExecutor", "check_options", "close", "connect"]

# After a failed connection, calls fail at once for so long: each attempt waits for a time, and a
# sweep makes many.
_PAUSE_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 5.0
_LOST: Final = "scheduler-connection-lost"


def check_options(options: DaskOptions) -> None:
    """Check that the package is installed and the options are complete.  Blocks.

    Raises:
        MissingExtraError: the package is not installed.
        ConfigurationError: an option is missing, or a file does not exist.
    """
    need_packages("dask", "distributed")
    if not options.scheduler:
        raise ConfigurationError(
            'The executor "dask" needs the address of the scheduler: set dask.scheduler to'
            " tcp://HOST:8786, or leave out the setting executor."
        )
    for name in ("tls_ca_file", "tls_cert", "tls_key"):
        path = getattr(options, name)
        if path is not None and not path.is_file():
            raise ConfigurationError(f"There is no file {path}: correct dask.{name}.")


async def connect(options: DaskOptions) -> Client:
    """Return a connection to the scheduler, on the running loop; the caller closes it.

    Raises:
        MissingExtraError, ConfigurationError: as :func:`check_options`.
        UnreachableError: the scheduler cannot be reached.
    """
    await threads.COMPUTE.run(_prepare, options)
    from distributed import Client

    client = Client(
        options.scheduler,
        asynchronous=True,
        # A program may use Dask for its own purposes too.
        set_as_default=False,
        timeout=options.connect_seconds,
        security=_security(options),
        name="speech-compat",
    )
    try:
        # Its own limit does not count the handshake: another program may listen at the address.
        with anyio.fail_after(2 * options.connect_seconds):
            await client
    # Of all kinds: errors of sockets, of TLS, and of answers that are none of a scheduler.
    except Exception as error:
        await close(client)
        reason = f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".: ")
        raise UnreachableError(
            f"The scheduler of Dask at {options.scheduler} cannot be reached in"
            f" {options.connect_seconds:g} s ({reason}). The meeting is stored, and nothing of it"
            " is lost. Start the scheduler with the command dask scheduler, or correct"
            " dask.scheduler."
        ) from error
    except BaseException:
        await close(client)
        raise
    return client


def _prepare(options: DaskOptions) -> None:
    check_options(options)
    # Here, because the import takes a second.
    import speech_adapters.execution.dask_worker  # noqa: F401


def _security(options: DaskOptions) -> Security | None:
    if not options.scheduler.startswith("tls:"):
        return None
    from distributed import Security

    files = {
        "tls_ca_file": options.tls_ca_file,
        "tls_client_cert": options.tls_cert,
        "tls_client_key": options.tls_key,
    }
    named = {name: str(path) for name, path in files.items() if path is not None}
    return Security(require_encryption=True, **named)


async def close(client: Client) -> None:
    """Close a connection, in bounded time."""
    with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
        closing: Any = client.close()  # awaitable, because the client is asynchronous
        await closing


class DaskExecutor:
    """Has recordings processed by the workers of a Dask cluster; see :class:`.Executor`.

    To be used on one event loop.

    Args:
        options: the address of the scheduler, and what workers must have.
    """

    def __init__(self, options: DaskOptions) -> None:
        self._options = options
        # Held while the connection is made, so that there is one.
        self._connecting = anyio.Lock()
        self._client: Client | None = None
        # Why the last connection failed, and until when no other one is tried.
        self._failure: tuple[str, float] = "", 0.0
        # The tasks that wait for the outcome, by the recording's id.
        self._watchers: dict[str, asyncio.Task[None]] = {}
        # The errors of attempts that no call has raised yet, by the recording's id.
        self._errors: dict[str, SpeechError] = {}

    def check(self) -> None:
        """Check package and options."""
        check_options(self._options)

    async def submit(self, recording: Recording) -> None:
        """Submit the recording, unless this executor has, or raise why that failed."""
        error = self._errors.pop(recording.id, None)
        if error is not None:
            raise error
        client = await self._connected()
        # After the connection, which may take seconds: another call may have been faster.
        if recording.id in self._watchers:
            return
        from distributed import fire_and_forget

        from speech_adapters.execution.dask_worker import process_recording

        future = client.submit(
            process_recording,
            recording.id,
            key=f"speech-compat-{recording.id}",
            resources=self._options.resources.get(recording.backend),
            pure=False,
        )
        # The scheduler keeps the task when this program ends.
        fire_and_forget(future)
        self._watchers[recording.id] = asyncio.create_task(self._watch(recording.id, future))

    async def aclose(self) -> None:
        """Close the connection; the scheduler keeps the tasks."""
        watchers = list(self._watchers.values())
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await self._disconnect()

    async def _connected(self) -> Client:
        async with self._connecting:
            # A client that lost its connection would keep what it is sent until it has another.
            if self._client is not None and self._client.status == "running":
                return self._client
            reason, until = self._failure
            if time.monotonic() < until:
                raise UnreachableError(reason)
            await self._disconnect()
            try:
                self._client = await connect(self._options)
            except UnreachableError as error:
                self._failure = str(error), time.monotonic() + _PAUSE_SECONDS
                raise
            return self._client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await close(client)

    async def _watch(self, recording_id: str, future: Future[Any]) -> None:
        """Wait for the outcome of a task, and let the scheduler forget it.

        While a program holds the future, the scheduler would answer another submission with the
        outcome of this one.
        """
        error: SpeechError | None
        try:
            outcome: tuple[str, str] | None = await future
            error = None if outcome is None else error_of(*outcome)
        except Exception as failure:
            error = _error_of(failure)
        finally:
            self._watchers.pop(recording_id, None)
            future.release()
        if error is not None:
            self._errors[recording_id] = error


def _error_of(failure: Exception) -> SpeechError | None:
    """Return the error for a task that did not return; ``None`` if it was lost."""
    # Without its text, which may quote anything.
    kind = type(failure).__name__
    if kind == "FutureCancelledError":
        # The next call connects again, and submits the recording to the scheduler that it finds.
        if getattr(failure, "reason", "") == _LOST:
            return None
        return UnavailableError("The task of the recording was canceled in the cluster.")
    if kind == "KilledWorker":
        return UnavailableError(
            "The workers of the cluster died on the recording several times: read their logs, and"
            " check their memory."
        )
    return BackendError(
        f"The task of the recording failed in the cluster ({kind}): install the same version of"
        " speech-compat and Dask where the scheduler and the workers run, and read their logs."
    )
