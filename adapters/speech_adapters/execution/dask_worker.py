"""What a worker of a Dask cluster does: it processes recordings of the store that it shares.

A worker has one meeting service, opened by its first task and closed with the worker.  It runs on
the worker's own event loop, because Dask awaits tasks that are coroutines there and counts them
as threads, and the service never blocks the loop.  So a worker that ends cancels its tasks.

The scheduler imports this module too, since it decodes the tasks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import anyio
from distributed import Worker, WorkerPlugin, get_worker

from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingNotFoundError, SpeechError, StoreError
from speech_adapters.execution import QUEUED
from speech_adapters.store import Recording, Store
from speech_adapters.store.recovery import is_locked

if TYPE_CHECKING:
    from speech_adapters.meetings import MeetingService

__all__ = ["describe", "process_recording"]

_NAME: Final = "speech-compat"
_AGAIN: Final = "to be tried again: "
# How much longer than a lock is valid a worker waits for it, and how often it tries.
_MARGIN_SECONDS: Final = 3.0
_POLL_SECONDS: Final = 0.5
_logger = logging.getLogger("speech_adapters")


class _ServicePlugin(WorkerPlugin):
    """Keeps the meeting service of a worker, and closes it with the worker."""

    def __init__(self, service: MeetingService) -> None:
        self.service = service

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Close the service, also if this call is canceled meanwhile.

        A worker without a nanny that is stopped cancels everything that it does.
        """
        closing = asyncio.ensure_future(self.service.aclose())
        while not closing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([closing])
        closing.result()


async def process_recording(recording_id: str) -> tuple[str, str] | None:
    """Process a recording as far as is possible now; the task of the cluster.

    Args:
        recording_id: the recording, in the store that the settings of this worker name.

    Returns:
        ``None``, or the class and the message of the error.  It is not raised, because Dask
        would write it to its log with the texts of all errors before it.
    """
    worker = get_worker()
    place = f"On the worker {worker.address}: "
    try:
        await _process(await _service(worker), recording_id)
    except SpeechError as error:
        return type(error).__name__, f"{place}{error}"
    except Exception as error:
        # Without its text, which may quote what was said.
        reason = f"an unexpected {type(error).__name__}; please report it."
        _logger.error("Recording %s could not be processed: %s", recording_id, reason)
        return "BackendError", f"{place}{reason}"
    return None


async def _service(worker: Worker) -> MeetingService:
    """Return the meeting service of a worker.

    Raises:
        ConfigurationError: the settings of this worker are wrong.
    """
    plugin = worker.plugins.get(_NAME)
    if not isinstance(plugin, _ServicePlugin):
        # Imported here, since the scheduler needs nothing of it.
        from speech_adapters.config import load_settings
        from speech_adapters.meetings import MeetingService

        # In one piece, without a change to another task, which would open a second one.
        plugin = _ServicePlugin(MeetingService(load_settings(), in_worker=True))
        await worker.plugin_add(plugin, name=_NAME)
    return plugin.service


async def _process(service: MeetingService, recording_id: str) -> None:
    recording = await _find(service, recording_id)
    if recording.state is not JobState.PROCESSING:
        return
    await _wait_for_lock(service, recording)
    if recording.step == QUEUED or recording.step.startswith(_AGAIN):
        await service.store.run(Store.report, recording_id, step="")
    try:
        await service.process(recording_id)
    except SpeechError as error:
        # The program that submitted it may have ended: who asks later finds the reason here.
        await service.store.run(Store.report, recording_id, step=f"{_AGAIN}{error}")
        raise


async def _find(service: MeetingService, recording_id: str) -> Recording:
    try:
        return await service.store.run(Store.get, recording_id)
    except MeetingNotFoundError:
        raise StoreError(
            f"the recording {recording_id} is not in the meeting store of this worker"
            f" ({service.store.directory}), so that is not the store of the program that submitted"
            ' it. Set the same "state_dir" on one machine, or the same store.url and'
            " store.audio_dir on several."
        ) from None


async def _wait_for_lock(service: MeetingService, recording: Recording) -> None:
    """Wait until the lock expires that a worker on another machine left when it died.

    Only locks of PostgreSQL do.  Without this the task would end at once, with nothing done, and
    the recording would wait for the next status query or sweep.
    """
    options = service.store.options
    if not options.url.get_secret_value():
        return
    deadline = time.monotonic() + options.lease_seconds + _MARGIN_SECONDS
    while await service.store.run(is_locked, recording) and time.monotonic() < deadline:
        await anyio.sleep(_POLL_SECONDS)


async def describe(recording_id: str, dask_worker: Worker) -> tuple[str, str]:
    """Return the version of speech-compat in a worker, and what is wrong with its settings.

    Args:
        recording_id: a recording that its store must have; empty for none.
        dask_worker: the worker, which Dask passes by this name.
    """
    try:
        service = await _service(dask_worker)
        if recording_id:
            await _find(service, recording_id)
    except SpeechError as error:
        return version("speech-compat"), str(error)
    return version("speech-compat"), ""
