"""The audio thread of a transcription: from the program's audio into the backend's session."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from speech_adapters.errors import BackendError, SpeechError
from speech_compat._session import event_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from speech_adapters.contract import Session
    from speech_compat._session.backlog import Backlog
    from speech_compat._session.connection import MeetingConnection
    from speech_compat._session.mapping.requests import Plan
    from speech_compat._session.sources import AudioSource

__all__ = ["AudioThread", "unexpected_error"]

_logger = logging.getLogger("speech_compat")


class AudioThread:
    """Reads audio and pushes it until it ends.

    Args:
        plan: what the program requested.
        is_closed: whether the session was closed early, so that an error of a push is expected.
        connection: closed when the audio fails, which ends the events too.
        backlog: counts the audio that is pushed.

    Attributes:
        failure: the error that ended the audio, which the event thread reports.
        finished: set once everything is pushed, so that a stored meeting is stored, or failed.
    """

    def __init__(
        self,
        plan: Plan,
        is_closed: Callable[[], bool],
        connection: MeetingConnection,
        backlog: Backlog,
    ) -> None:
        self.failure: SpeechError | None = None
        self.finished = threading.Event()
        self._plan = plan
        self._is_closed = is_closed
        self._connection = connection
        self._backlog = backlog
        # The end of the audio, which may be uploading; None until everything was pushed.
        self._finishing: Future[None] | None = None

    def start(self, session: Session, source: AudioSource, first: bytes) -> None:
        """Start the thread; ``first`` is the block that was read already."""
        threading.Thread(
            target=self._push,
            args=(session, source, first),
            name="speech-compat-audio",
            daemon=True,
        ).start()

    def cancel_upload(self) -> None:
        """Cancel what follows the audio; a later status query continues it."""
        if self._finishing is not None:
            self._finishing.cancel()

    def _push(self, session: Session, source: AudioSource, first: bytes) -> None:
        try:
            block = first
            while block:
                event_loop.call(session.push, block)
                self._backlog.add(len(block) / source.pcm.bytes_per_second)
                block = source.read()
            self._update_attendees(source)
            self._note_source(source)
            self._finishing = event_loop.submit(session.finish)
            self._finishing.result()
            # Reported after the results of what came before, unlike an error of the backend.
            self.failure = source.ending_error
        except SpeechError as error:
            self._fail(error)
        except event_loop.ProgramEndingError:
            pass  # the session was closed
        except Exception as error:
            # An upload under way is canceled when the session is closed early: no defect.
            if not self._is_closed():
                _logger.exception("The audio of meeting %r cannot be read.", self._plan.meeting_id)
            self._fail(unexpected_error(error))
        finally:
            self.finished.set()

    def _update_attendees(self, source: AudioSource) -> None:
        plan = self._plan.with_present_attendees() if self._plan.mode.stored else None
        if plan is not None:
            self._connection.replace_attendees(plan.request(source.pcm))

    def _note_source(self, source: AudioSource) -> None:
        """Keep what is known at the end of the audio only."""
        self._connection.add_notes(self._plan.request(source.pcm, source.notes))
        if source.original is not None and self._plan.mode.stored:
            self._connection.keep_original(self._plan.meeting_id, source.original)

    def _fail(self, error: SpeechError) -> None:
        if self._is_closed():
            return
        self.failure = error
        # Ends the events, so that the event thread reports the error.
        try:
            self._connection.close()
        except SpeechError as second:
            # The same cause again, like a full disk: one report of it is enough.
            _logger.warning(
                "The recording of meeting %r stays open until its next status query: %s",
                self._plan.meeting_id,
                second,
            )


def unexpected_error(error: Exception) -> BackendError:
    """Return the error of the package for one that it does not expect."""
    return BackendError(f"Unexpected {type(error).__name__}: {error}.")
