"""Whether a gateway can record meetings."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.errors import SpeechError, StoreError
from speech_adapters.meetings import MeetingService

__all__ = ["Readiness", "check_backend", "check_store"]

_logger = logging.getLogger("speech_compat.gateway")

# Probes of anyone do not write to the disk more often than this.
_KEPT_SECONDS: Final = 5.0


class Readiness:
    """Whether a gateway can record meetings.

    Args:
        meetings: the meeting service.
    """

    def __init__(self, meetings: MeetingService) -> None:
        self._meetings = meetings
        self._lock = anyio.Lock()
        # The last result and its time.
        self._ready = False
        self._checked: float | None = None

    async def check(self) -> bool:
        """Return whether the store can be written and the backend can be created."""
        async with self._lock:
            now = time.monotonic()
            if self._checked is None or now - self._checked >= _KEPT_SECONDS:
                self._ready, self._checked = await self._check(), now
            return self._ready

    async def _check(self) -> bool:
        try:
            await check_store(self._meetings)
            await check_backend(self._meetings)
        except (SpeechError, OSError) as error:
            # The reason is in the log only: the probe needs no credential.
            _logger.warning("The gateway is not ready: %s", error)
            return False
        return True


async def check_store(meetings: MeetingService) -> None:
    """Check that meetings can be stored.

    Raises:
        StoreError: they cannot, with the reason.
    """
    read_only = await meetings.store.run(lambda store: store.read_only)
    if read_only:
        raise StoreError(f"The folder {meetings.store.directory} cannot be written.")
    await threads.STORE.run(_write, meetings.store.directory)


async def check_backend(meetings: MeetingService) -> None:
    """Check that the configured backend can be created.

    Raises:
        SpeechError: it cannot, with the reason.
    """
    await threads.COMPUTE.run(meetings.backend)


def _write(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4_096))  # a full disk accepts an empty file
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be written: {error.strerror or error}."
        ) from error
