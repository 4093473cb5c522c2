"""Where stored meetings are processed: by this process, or by workers on several machines.

Without an executor, each process that queries a meeting runs its steps itself; engines run in
processes of this machine, limited by slots (:mod:`speech_adapters.recording.slots`).  An executor
receives the ids of recordings instead, and its workers run the same steps.  The meeting store
has everything else, so a recording that an executor loses is only submitted again.
"""

from __future__ import annotations

from typing import Final, Protocol

from speech_adapters.config import Settings
from speech_adapters.store import Recording

__all__ = ["QUEUED", "Executor", "create_executor"]

# The step of a recording that no worker has begun yet.
QUEUED: Final = "waiting for a worker of the cluster"


class Executor(Protocol):
    """Has recordings processed elsewhere."""

    def check(self) -> None:
        """Check settings and packages; connects to nothing.  Blocks.

        Raises:
            MissingExtraError: a package is not installed.
            ConfigurationError: a setting is missing or wrong.
        """
        ...

    async def submit(self, recording: Recording) -> None:
        """Have a recording processed by one step, unless it waits or is processed already.

        Returns when the executor has accepted it.  A worker may process it at any later time,
        also after the end of this process.

        Raises:
            UnreachableError: the executor cannot be reached.
            ConfigurationError: it cannot be used with these settings.
            SpeechError: the attempt before failed on its worker; the next call tries again.
        """
        ...

    async def aclose(self) -> None:
        """Release all resources, in bounded time; what was submitted goes on.  Idempotent."""
        ...


def create_executor(settings: Settings) -> Executor | None:
    """Return the executor of the settings; ``None`` for processes of this machine.

    Nothing is connected, and no package of an extra is imported.
    """
    if settings.executor == "dask":
        from speech_adapters.execution.dask import DaskExecutor

        return DaskExecutor(settings.dask)
    return None
