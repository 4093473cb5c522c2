"""Meetings whose audio the service fetches from addresses that the program has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

import anyio
from anyio.to_thread import run_sync

from speech_adapters.contract import SessionEvent
from speech_adapters.errors import AudioError, UnsupportedError
from speech_adapters.recording.session import StoreKeeper

__all__ = ["AddressSession", "check_addresses"]

# The limit of one job (docs/protocol/batch-and-fast-rest.md, 2.5).
_MOST: Final = 1000


def check_addresses(addresses: tuple[str, ...]) -> None:
    """Check what can be checked from here; what is there is for the service to see.

    Raises:
        AudioError: one is no web address, or there are too many.
    """
    if len(addresses) > _MOST:
        raise AudioError(f"{len(addresses)} addresses are too many: the service takes {_MOST}.")
    parts = [urlsplit(address) for address in addresses]
    if any(part.scheme not in ("http", "https") or not part.netloc for part in parts):
        raise AudioError("An address of audio must begin with https:// and a host's name.")
    if len(parts) > 1 and any(part.path.endswith("/") for part in parts):
        raise AudioError("A folder of audio (an address that ends with a slash) must be alone.")


class AddressSession:
    """A meeting without audio of its own; see :class:`speech_adapters.contract.Session`."""

    def __init__(self, keeper: StoreKeeper) -> None:
        self._keeper = keeper
        self._handed_over = anyio.Event()
        self._ended = False
        self._closed = False

    async def push(self, audio: bytes) -> None:
        """Take none.

        Raises:
            UnsupportedError: there is some.
        """
        if audio:
            raise UnsupportedError("This meeting's audio is at addresses: none can be pushed.")

    async def finish(self) -> None:
        """Hand it over."""
        if not self._ended:
            self._ended = True
            try:
                await run_sync(self._keeper.proceed)
            finally:
                self._handed_over.set()

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Give nothing, until it is handed over."""
        await self._handed_over.wait()
        for event in tuple[SessionEvent, ...]():
            yield event

    async def aclose(self) -> None:
        """Close; one not finished is handed over when somebody asks for it."""
        if not self._closed:
            self._closed = True
            self._handed_over.set()
            with anyio.CancelScope(shield=True):
                await run_sync(self._keeper.release, True)
