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
from speech_compat._session.pump import joining_seconds, pump
from speech_compat._session.sources import polled

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from speech_adapters.contract import Session
    from speech_compat._session.backlog import Backlog
    from speech_compat._session.connection import MeetingConnection
    from speech_compat._session.mapping.requests import Plan
    from speech_compat._session.pump import PolledSource
    from speech_compat._session.sources import AudioSource

__all__ = ["AudioThread", "unexpected_error"]

# How long a chunk of a stored meeting waits at most: it is on disk within half a second.
_LONGEST_WAIT: Final = 0.2
# Below what a reader of live results notices.
_LONGEST_LIVE_WAIT: Final = 0.04
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
        """Start to push; ``first`` is the block that was read already."""
        polled_source = polled(source)
        if isinstance(session, BlockingSession):
            self._start_thread(
                session, source, lambda: self._push(session.push_blocking, source, first)
            )
        elif polled_source is None:
            push = partial(event_loop.call, session.push)
            self._start_thread(session, source, lambda: self._push(push, source, first))
        else:
            event_loop.submit(self._pump, session, source, polled_source, first)

    def _start_thread(
        self, session: Session, source: AudioSource, push_all: Callable[[], None]
    ) -> None:
        threading.Thread(
            target=self._run,
            args=(session, source, push_all),
            name="speech-compat-audio",
            daemon=True,
        ).start()

    def cancel_upload(self) -> None:
        """Cancel what follows the audio; a later status query continues it."""
        if self._finishing is not None:
            self._finishing.cancel()

    async def _pump(
        self, session: Session, source: AudioSource, polled_source: PolledSource, first: bytes
    ) -> None:
        """Push the audio on the loop; its end needs a thread, because it waits for the loop."""
        failure: list[BaseException] = []

        def push_all() -> None:
            for error in failure:
                raise error

        try:
            await pump(session, polled_source, first, partial(self._pushed, source))
        except Exception as error:
            failure.append(error)
        except BaseException:  # the loop ends
            failure.append(event_loop.ProgramEndingError())
            raise
        finally:
            self._start_thread(session, source, push_all)

    def _push(self, push: Callable[[bytes], object], source: AudioSource, first: bytes) -> None:
        _running.add(self)
        longest = _LONGEST_LIVE_WAIT if self._plan.mode.live else _LONGEST_WAIT
        try:
            block = first
            while block:
                push(block)
                self._pushed(source, block)
                source.patience = joining_seconds(len(_running), longest)
                block = source.read()
        finally:
            _running.discard(self)

    def _pushed(self, source: AudioSource, block: bytes) -> None:
        self._backlog.add(len(block) / source.pcm.bytes_per_second)

    def _run(self, session: Session, source: AudioSource, push_all: Callable[[], None]) -> None:
        try:
            push_all()
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


@event_loop.after_fork
def _forget_parent() -> object:
    of_parent = tuple(_running)
    _running.clear()
    return of_parent


def unexpected_error(error: Exception) -> BackendError:
    """Return the error of the package for one that it does not expect."""
    return BackendError(f"Unexpected {type(error).__name__}: {error}.")
