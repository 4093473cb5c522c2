"""The audio thread of a transcription: from the program's audio into the backend's session.

Each block of audio wakes the thread, and one for a live meeting also the event loop.  That costs
more than all the rest, so a program with many meetings has its small chunks joined: by about a
thousand blocks a second in all, and within a limit of time for each chunk.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from speech_adapters.contract import BlockingSession
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

# How long a chunk waits at most: well below the half second after which it is on disk, and
# below what a reader of live results notices.
_STORED_PATIENCE: Final = 0.2
_LIVE_PATIENCE: Final = 0.04
# Each running meeting adds so much to the wait of all.  So the audio of a few meetings does not
# wait at all, as joining would save little there.
_PATIENCE_PER_MEETING: Final = 0.001
_LEAST_PATIENCE: Final = 0.01
_logger = logging.getLogger("speech_compat")
# Those that read audio at present.
_running: set[AudioThread] = set()


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
        if isinstance(session, BlockingSession):
            push = session.push_blocking
        else:
            push = partial(event_loop.call, session.push)
        try:
            _running.add(self)
            block = first
            while block:
                push(block)
                self._backlog.add(len(block) / source.pcm.bytes_per_second)
                source.patience = self._patience()
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
            _running.discard(self)
            self.finished.set()

    def _patience(self) -> float:
        """Return the seconds that small chunks may wait at present."""
        limit = _LIVE_PATIENCE if self._plan.mode.live else _STORED_PATIENCE
        wait = min(len(_running) * _PATIENCE_PER_MEETING, limit)
        return wait if wait >= _LEAST_PATIENCE else 0.0

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


@event_loop.after_fork
def _forget_parent() -> object:
    of_parent = tuple(_running)
    _running.clear()
    return of_parent


def unexpected_error(error: Exception) -> BackendError:
    """Return the error of the package for one that it does not expect."""
    return BackendError(f"Unexpected {type(error).__name__}: {error}.")
