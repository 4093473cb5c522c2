"""Meetings whose audio the service fetches from addresses of the program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import Final
from urllib.parse import urlsplit

import anyio

from speech_adapters.closeable import AsyncCloseable
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import AudioError, UnsupportedError
from speech_adapters.recording.session import RecordingOwner

__all__ = ["AddressSession", "check_addresses"]

# The limit of one job (docs/protocol/batch-and-fast-rest.md, 2.5).
_MAX_ADDRESSES: Final = 1000


def check_addresses(addresses: tuple[str, ...]) -> None:
    """Check the form of addresses; only the service can check their content.

    Raises:
        AudioError: one is no web address, or there are too many.
    """
    if len(addresses) > _MAX_ADDRESSES:
        raise AudioError(
            f"{len(addresses)} addresses are too many: the service accepts {_MAX_ADDRESSES}."
        )
    parts = [urlsplit(address) for address in addresses]
    if any(part.scheme not in ("http", "https") or not part.netloc for part in parts):
        raise AudioError("An address of audio must begin with https:// and the name of a host.")
    if len(parts) > 1 and any(part.path.endswith("/") for part in parts):
        raise AudioError(
            "A folder of audio (an address that ends with a slash) must be the only address."
        )


class _State(Enum):
    OPEN = auto()
    FINISHED = auto()
    CLOSED = auto()


class AddressSession(AsyncCloseable):
    """A meeting without pushed audio; see :class:`speech_adapters.contract.Session`.

    ::

        OPEN ──finish──▶ FINISHED ──aclose──▶ CLOSED
          └───────────────aclose────────────────┘

    A session closed before ``finish`` leaves a complete recording in the store, which the
    next status query of the meeting processes.

    Args:
        owner: the owner of the recording, whose audio is closed in the store already.
    """

    def __init__(self, owner: RecordingOwner) -> None:
        self._owner = owner
        self._state = _State.OPEN
        self._handed_over = anyio.Event()
        self._opened()

    async def push(self, audio: bytes) -> None:
        """Accept no audio.

        Raises:
            UnsupportedError: there is audio.
        """
        if audio:
            raise UnsupportedError("This meeting's audio is at addresses: none can be pushed.")

    async def finish(self) -> None:
        """Start the processing."""
        if self._state is not _State.OPEN:
            return
        self._state = _State.FINISHED
        try:
            # No size: the recording has no audio here, which is no failure.
            await self._owner.hand_over(None)
        finally:
            self._handed_over.set()

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Yield nothing; end once the processing has started."""
        await self._handed_over.wait()
        for event in tuple[SessionEvent, ...]():
            yield event

    async def aclose(self) -> None:
        """Close, and release the meeting."""
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        # A task that reads the events must not wait for ever.
        self._handed_over.set()
        # The meeting's lock must be released even if the caller was canceled.
        with anyio.CancelScope(shield=True):
            try:
                await self._owner.release(True)
            finally:
                await super().aclose()
