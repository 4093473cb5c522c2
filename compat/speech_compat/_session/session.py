"""A transcription from start to stop: two threads between the program and a backend.

The audio thread reads the program's audio and pushes it into the backend's session.
The event thread receives the session's events and calls the program's callbacks, in the
order of the real package (docs/protocol/legacy-interface.md, 4.7)::

    session_started, (transcribing | transcribed)*, canceled(EndOfStream), session_stopped
    session_started, ..., canceled(Error), session_stopped          after an error
    session_started, ..., session_stopped                           after a stop

The backend's session is opened before ``session_started``: when the start call returns, a
stored meeting is in the store, and no audio that is written from then on is lost.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Final

from speech_adapters.contract import Session
from speech_adapters.errors import SpeechError
from speech_compat._session import active, event_loop
from speech_compat._session.audio_thread import AudioThread, unexpected_error
from speech_compat._session.backlog import IDLE_SECONDS, Backlog
from speech_compat._session.connection import MeetingConnection
from speech_compat._session.dispatcher import EventDispatcher, Listener
from speech_compat._session.mapping.requests import Plan, settings_of
from speech_compat._session.mapping.results import (
    LabelRules,
    end_of_stream_record,
    error_record,
)
from speech_compat._session.records import ResultRecord
from speech_compat._session.state import State

if TYPE_CHECKING:
    from speech_adapters.contract import MeetingRequest
    from speech_compat._session.sources import AudioSource

__all__ = ["TranscriptionSession"]

# Time for a stopped live meeting to recognize the audio that it has received.
_DRAIN_SECONDS: Final = 10.0
# A callback of the program that runs for longer is not waited for.
_CALLBACK_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 0.5
# Time for the last events after a session was closed at the program's exit.
_CLOSE_SECONDS: Final = 5.0
_logger = logging.getLogger("speech_compat")


class TranscriptionSession:
    """One transcription, from :meth:`start` until its audio ends or :meth:`stop`.

    :class:`~speech_compat._session.state.State` has the diagram of its states.
    """

    def __init__(
        self,
        plan: Plan,
        rules: LabelRules,
        open_source: Callable[[], AudioSource],
        listener: Listener,
        previous: TranscriptionSession | None = None,
    ) -> None:
        # What the program requested; the audio format is added when it is known.
        self._plan = plan
        # How speakers are labeled, in the record of the end too.
        self._rules = rules
        # Called in the event thread, so that a bad source is an event, not an exception.
        self._open_source = open_source
        # Emits the legacy events, always in the event thread.
        self._dispatcher = EventDispatcher(rules, listener)
        # The transcriber's session before: its last callback returns before our first.
        self._previous = previous
        # The program's audio; None until the event thread has opened it.
        self._source: AudioSource | None = None
        # The meeting at its service; closing it ends the audio and the events.
        self._connection = MeetingConnection(plan.site)
        # Guards _state and _source: stop() must stop the source that is opened meanwhile.
        self._lock = threading.Lock()
        # Where the transcription is; set under the lock, read without.
        self._state = State.RUNNING
        # The audio that is not recognized yet; detects a service that stalls.
        self._backlog = Backlog()
        # Pushes the program's audio.
        self._audio = AudioThread(plan, lambda: self._state.closed, self._connection, self._backlog)
        # Set once opening the meeting has succeeded or failed.
        self._opened = threading.Event()
        # Set once session_started was emitted.
        self._started = threading.Event()
        # Set once the callbacks of session_stopped have returned.
        self._done = threading.Event()
        # A daemon: an exiting program waits for it within a time limit.
        self._event_thread = threading.Thread(
            target=self._run, name="speech-compat-events", daemon=True
        )

    def start(self) -> None:
        """Start the transcription; returns at once."""
        event_loop.portal()
        active.add(self)
        try:
            self._event_thread.start()
        except RuntimeError:  # the system has no thread left
            active.remove(self)
            raise

    @property
    def ended(self) -> bool:
        """Whether ``session_stopped`` is being emitted or was, so that a new start is due."""
        return self._state is State.ENDED

    def wait_started(self) -> None:
        """Wait until ``session_started`` was emitted; returns at once in a callback."""
        if not self._in_callback():
            self._started.wait()

    def stop(self) -> None:
        """Stop after the audio received so far; returns at once.  Idempotent."""
        with self._lock:
            first = not (self._state.stopped or self._state is State.ENDED)
            self._state = self._state.on_stop()
            # The time to drain counts from the stop, however long no event came before.
            self._backlog.restart_clock()
            source = self._source
        if source is not None:
            source.stop()
        if first and self._plan.mode.live:
            threading.Thread(
                target=self._enforce_stop, name="speech-compat-stop", daemon=True
            ).start()

    def wait_stopped(self) -> None:
        """Wait until ``session_stopped`` was emitted; returns at once in a callback.

        Returns also, with a warning, when a callback of the program does not return.
        """
        if self._in_callback():
            return
        since = time.monotonic()
        while not self._done.wait(_CHECK_SECONDS):
            busy = self._dispatcher.busy_since
            if busy is not None and time.monotonic() - max(busy, since) > _CALLBACK_SECONDS:
                _logger.warning(
                    "A callback has not returned within %g s: the transcription is not waited"
                    " for any more. Do long work in another thread.",
                    _CALLBACK_SECONDS,
                )
                return

    def abandon(self) -> None:
        """End the transcription because the program has dropped its transcriber."""
        self.stop()
        if not self._plan.mode.stored:
            self._close_early()

    def abandon_soon(self) -> None:
        """Call :meth:`abandon` in another thread; from finalizers, never blocks."""
        if not self.ended:
            event_loop.start_soon(self._start_abandoning)

    async def _start_abandoning(self) -> None:
        threading.Thread(target=self.abandon, name="speech-compat-stop", daemon=True).start()

    def forget(self) -> None:
        """End the parent's transcription in a forked process, where its threads are missing."""
        # New, because a thread of the parent may have held the old ones in that moment.
        self._lock = threading.Lock()
        self._started, self._done = threading.Event(), threading.Event()
        self._state = State.ENDED
        self._started.set()
        self._done.set()

    def _in_callback(self) -> bool:
        """Whether the present thread runs our callbacks, or those that ours wait for."""
        previous = self._previous  # read once: the event thread clears it
        present = threading.current_thread()
        return present is self._event_thread or (
            previous is not None and present is previous._event_thread
        )

    def end_with_program(self, deadline: float) -> None:
        """End the transcription because the program exits.

        A stored meeting is written to disk first, files to their end; a live one is
        closed at once.

        Args:
            deadline: the latest end of that, in seconds of ``time.monotonic()``.
        """
        # To be closed, a session must be open; imports may take long on a busy machine.
        self._opened.wait(_remaining(deadline))
        with self._lock:
            self._state = self._state.on_exit()
            source = self._source
        if not self._plan.mode.stored:
            self._end_live(source, deadline)
        else:
            # A stream would wait for a program that has ended; a file ends by itself.
            if source is not None and source.growing:
                source.stop()
            self._audio.finished.wait(_remaining(deadline))
        self._close_early()
        self._done.wait(_CLOSE_SECONDS)

    def _end_live(self, source: AudioSource | None, deadline: float) -> None:
        """Stop a live meeting; what the program has sent completely is still recognized."""
        complete = source is not None and source.complete
        self.stop()
        if complete and not self._backlog.wait_while_active(self._done, deadline):
            self._log_rest("The program has ended", "the rest is lost")

    def _enforce_stop(self) -> None:
        """Limit how long a stopped live meeting is waited for, as programs wait for it."""
        source, stored = self._source, self._plan.mode.stored
        # Results that are kept may come unless the service stalls; so may those for which the
        # program waits after it has sent all of its audio.
        if stored or (source is not None and source.complete):
            limit, ended = IDLE_SECONDS, self._backlog.wait_while_active(self._done)
        else:
            limit, ended = _DRAIN_SECONDS, self._done.wait(_DRAIN_SECONDS)
        if not ended:
            reason = f"not all audio was recognized within {limit:g} s"
            consequence = (
                "fetch the rest later by the meeting's id" if stored else "the rest is lost"
            )
            self._log_rest(f"The transcription was stopped, but {reason}", consequence)
            self._close_early()

    def _log_rest(self, event: str, consequence: str) -> None:
        rest = self._backlog.seconds
        _logger.warning("%s: %s (%.1f seconds of audio).", event, consequence, rest)

    def _close_early(self) -> None:
        # The state changes first: the audio thread's next push fails, which is no error then.
        with self._lock:
            self._state = self._state.on_close()
        self._connection.close()
        # The audio is stored; a later status query continues an upload that is under way.
        self._audio.cancel_upload()

    def _run(self) -> None:
        try:
            ending = self._transcribe_safely()
            # Also after an error, as in the real package.
            self._signal_started()
            if ending is not None:
                self._dispatcher.canceled(ending)
            # Before the event: its callback may start the transcriber again.
            with self._lock:
                self._state = State.ENDED
            self._dispatcher.session_stopped()
        finally:
            active.remove(self)
            with self._lock:
                self._state = State.ENDED
            # All of them, whatever failed: a waiting program must never hang.
            self._opened.set()
            self._started.set()
            self._audio.finished.set()
            self._done.set()

    def _signal_started(self) -> None:
        self._opened.set()
        if self._started.is_set():
            return
        if self._previous is not None:
            self._previous._done.wait(_CALLBACK_SECONDS)
        self._previous = None
        self._dispatcher.session_started()
        self._started.set()

    def _transcribe_safely(self) -> ResultRecord | None:
        """Transcribe; returns the record of ``canceled``, or None after a stop."""
        # A new id: the real package's canceled result belongs to no utterance.
        result_id = uuid.uuid4().hex
        try:
            self._transcribe()
        except SpeechError as error:
            return self._report(result_id, error)
        except event_loop.ProgramEndingError:
            return None  # the meeting is closed; ending a program is no error
        except Exception as error:
            _logger.exception("The transcription of meeting %r failed.", self._plan.meeting_id)
            return error_record(result_id, self._rules, unexpected_error(error))
        finally:
            if self._source is not None:
                self._source.close()
        if self._state.stopped:
            return None
        return end_of_stream_record(result_id, self._rules)

    def _report(self, result_id: str, error: SpeechError) -> ResultRecord | None:
        # Closing a stopped live meeting fails its session; the program requested that.
        if self._state.stopped and not self._plan.mode.stored:
            return None
        _logger.error("The transcription of meeting %r ended: %s", self._plan.meeting_id, error)
        return error_record(result_id, self._rules, error)

    def _transcribe(self) -> None:
        source = self._attach_source()
        try:
            request = self._plan.request(source.pcm, source.notes)
            session = self._open_session(request)
            self._signal_started()
            first = source.read()
            if source.pcm != request.audio:  # a WAV header in the stream declared another format
                request = self._plan.request(source.pcm, source.notes)
                session = self._kept(self._connection.reopen(session, request))
            self._dispatch_events(session, source, first)
        finally:
            self._connection.release()

    def _attach_source(self) -> AudioSource:
        source = self._open_source()
        with self._lock:
            self._source = source
            # A stop or exit came before there was a source to stop.
            late = self._state.stopped or (self._state.exiting and source.growing)
        if late:
            source.stop()
        return source

    def _open_session(self, request: MeetingRequest) -> Session:
        settings = settings_of(self._plan.config, self._plan.token)
        if not settings.corrections:
            self._dispatcher.omit_corrections()
        return self._kept(self._connection.open(settings, request))

    def _kept(self, session: Session) -> Session:
        # It was closed early while there was nothing to close yet.
        if self._state.closed:
            self._connection.close()
        return session

    def _dispatch_events(self, session: Session, source: AudioSource, first: bytes) -> None:
        """Emit the session's events until they end; pushes the audio meanwhile."""
        self._audio.start(session, source, first)
        try:
            with closing(self._connection.events(session)) as events:
                for event in events:
                    self._backlog.note(event)
                    self._dispatcher.dispatch(event)
        except SpeechError:
            # The audio thread closed the session; its error is the cause of this one.
            if self._audio.failure is None:
                raise
        # A stored meeting has no events; it ends when its audio is stored.
        if self._audio.failure is None and not self._state.stopped:
            self._audio.finished.wait()
        if self._audio.failure is not None:
            raise self._audio.failure


def _remaining(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
