"""The meeting of a transcription at its service, used from the threads of the program."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech_adapters.contract import Session, SessionEvent
from speech_adapters.gap import Gap
from speech_compat._session import event_loop, services
from speech_compat._session.call_site import CallSite, call_site
from speech_compat._session.mapping.requests import warn_gaps

if TYPE_CHECKING:
    from speech_adapters.config import Settings
    from speech_adapters.contract import MeetingRequest
    from speech_adapters.meetings import MeetingService

__all__ = ["MeetingConnection"]

_logger = logging.getLogger("speech_compat")


class MeetingConnection:
    """Opens, replaces and closes the session of one meeting: one thread opens, any closes."""

    def __init__(self, site: CallSite | None = None) -> None:
        # The line of the program that is warned of losses; by default the calling one.
        self._site = site or call_site()
        # The gaps that the program was warned of; a replaced session has most of them again.
        self._warned: set[Gap] = set()
        # The notes that were logged: of compressed audio, most are known only at its end.
        self._noted: set[str] = set()
        # The service that owns the meeting; None until it was acquired.
        self._service: MeetingService | None = None
        # The meeting's session; None until it was opened, and from its closing on.  It changes
        # only on the loop, so a session that replaces another one is never overlooked.
        self._session: Session | None = None
        # Serializes closing: a second caller returns only when the session is closed.
        self._closing = threading.Lock()

    def open(self, settings: Settings, request: MeetingRequest) -> Session:
        """Open the meeting's session; the program is warned of what will be lost.

        Raises:
            UnsupportedError: a filter of the program makes such a warning an error.
            SpeechError: as ``MeetingService.choose`` and ``open_session``.
        """
        self._service = service = services.acquire(settings)
        self._check(service, request)
        self._log_notes(request)
        return self._keep(service.open_session, request)

    def reopen(self, session: Session, request: MeetingRequest) -> Session:
        """Replace the session, which has received no audio, by one for another format.

        Raises:
            SpeechError: as :meth:`open`.
        """
        service = self._service
        assert service is not None
        self._check(service, request)
        return self._keep(service.reopen_session, session, request)

    def replace_attendees(self, request: MeetingRequest) -> None:
        """Store participants who were added or removed while the meeting was recorded.

        Raises:
            StoreError: they cannot be stored.
        """
        if self._service is not None:
            event_loop.call(self._service.replace_attendees, request)

    def add_notes(self, request: MeetingRequest) -> None:
        """Log what is known of the audio at its end only, and keep it with a stored meeting.

        Raises:
            StoreError: it cannot be stored.
        """
        if self._service is not None and self._log_notes(request) and request.mode.stored:
            event_loop.call(self._service.replace_notes, request)

    def keep_original(self, meeting_id: str, file: Path) -> None:
        """Keep the compressed file that all audio of a stored meeting was read from."""
        if self._service is not None:
            event_loop.call(self._service.keep_original, meeting_id, file)

    def _log_notes(self, request: MeetingRequest) -> bool:
        """Log the notes that are new; return whether there are any."""
        new = [note for note in request.notes if note not in self._noted]
        self._noted.update(new)
        for note in new:
            _logger.warning("Meeting %r: %s", request.meeting_id, note)
        return bool(new)

    def events(self, session: Session) -> Generator[SessionEvent]:
        """Yield the events of a session to their end; to be closed."""
        events = session.events()
        try:
            while (event := event_loop.call(anext, events, None)) is not None:
                yield event
        finally:
            event_loop.call(_close_events, events)

    def close(self) -> None:
        """Close the session.  Idempotent."""
        with self._closing:
            # Once: at the end of the program there may be no loop any more for a second call.
            if self._session is not None:
                event_loop.call(self._close_session)

    def release(self) -> None:
        """Close the session, and end the use of its service."""
        if self._service is not None:
            try:
                self.close()
            finally:
                services.release(self._service)

    def _check(self, service: MeetingService, request: MeetingRequest) -> None:
        backend, gaps = event_loop.call(service.choose, request)
        warn_gaps(self._site, backend.name, tuple(gap for gap in gaps if gap not in self._warned))
        self._warned.update(gaps)

    def _keep(self, open_session: Callable[..., Awaitable[Session]], *args: Any) -> Session:
        async def keep() -> Session:
            # On the loop, so that no end of the program comes between.
            self._session = session = await open_session(*args)
            return session

        return event_loop.call(keep)

    async def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.aclose()


async def _close_events(events: AsyncIterator[SessionEvent]) -> None:
    # The contract promises an iterator; only generators hold something to release.
    if isinstance(events, AsyncGenerator):
        await events.aclose()
