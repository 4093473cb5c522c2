"""A transcription from start to stop: two threads between the program and a backend.

The audio thread reads the program's audio and pushes it into the backend's session.
The event thread receives the session's events and calls the program's callbacks, in the
order of the real package (docs/protocol/legacy-interface.md, 4.7)::

    session_started, (transcribing | transcribed)*, canceled(EndOfStream), session_stopped
    session_started, ..., canceled(Error), session_stopped          after an error
    session_started, ..., session_stopped                           after a stop
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from speech_adapters.contract import Session, SessionEvent
from speech_adapters.errors import BackendError, SpeechError
from speech_compat._session import event_loop, services
from speech_compat._session.dispatcher import EventDispatcher, Listener
from speech_compat._session.mapping.requests import Plan, log_gaps, settings_of
from speech_compat._session.mapping.results import (
    LabelRules,
    end_of_stream_record,
    error_record,
)
from speech_compat._session.records import ResultRecord
from speech_compat._session.state import State

if TYPE_CHECKING:
    from concurrent.futures import Future

    from speech_adapters.meetings import MeetingService
    from speech_compat._session.sources import AudioSource

__all__ = ["TranscriptionSession"]

# Time for a stopped live meeting to recognize the audio that it has received.
_DRAIN_SECONDS: Final = 10.0
# A stopped meeting that is also stored may drain for longer, as long as events arrive.
_IDLE_SECONDS: Final = 30.0
_CHECK_SECONDS: Final = 0.5
# Time for the stored meetings of an exiting program to be written to disk.
_EXIT_SECONDS: Final = 60.0
# Time for the last events after a session was closed at the program's exit.
_CLOSE_SECONDS: Final = 5.0
_logger = logging.getLogger("speech_compat")
# Sessions that the program's exit must end; a session is in it until session_stopped.
_active: set[TranscriptionSession] = set()


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
    ) -> None:
        # What the program requested; the audio format is added when it is known.
        self._plan = plan
        # How speakers are labeled, in the record of the end too.
        self._rules = rules
        # Called in the event thread, so that a bad source is an event, not an exception.
        self._open_source = open_source
        # Emits the legacy events, always in the event thread.
        self._dispatcher = EventDispatcher(rules, listener)
        # The program's audio; None until the event thread has opened it.
        self._source: AudioSource | None = None
        # The service that owns the meeting; None until it was acquired.
        self._service: MeetingService | None = None
        # The meeting's session; None until it was opened, and from its closing on.
        self._session: Session | None = None
        # The end of the audio, which may be uploading; None until everything was pushed.
        self._finishing: Future[None] | None = None
        # The error of the audio thread, which the event thread reports in its place.
        self._failure: SpeechError | None = None
        # Guards _state and _source: stop() must stop the source that is opened meanwhile.
        self._lock = threading.Lock()
        # Where the transcription is; set under the lock, read without.
        self._state = State.RUNNING
        # Serializes closing: a second caller returns only when the session is closed.
        self._close_lock = threading.Lock()
        # time.monotonic() of the last event or stop; detects a service that stalls.
        self._active_at = 0.0
        # Set once session_started was emitted.
        self._started = threading.Event()
        # Set once the audio thread has pushed everything, so that it is stored.
        self._audio_pushed = threading.Event()
        # Set once session_stopped was emitted.
        self._done = threading.Event()
        # A daemon: an exiting program waits for it in _end_all, within a time limit.
        self._event_thread = threading.Thread(
            target=self._run, name="speech-compat-events", daemon=True
        )

    def start(self) -> None:
        """Start the transcription; returns at once."""
        event_loop.portal()
        event_loop.run_at_exit(_end_all)
        _active.add(self)
        self._event_thread.start()

    @property
    def ended(self) -> bool:
        """Whether ``session_stopped`` was emitted."""
        return self._done.is_set()

    def wait_started(self) -> None:
        """Wait until ``session_started`` was emitted; returns at once in a callback."""
        if threading.current_thread() is not self._event_thread:
            self._started.wait()

    def stop(self) -> None:
        """Stop after the audio received so far; returns at once.  Idempotent."""
        with self._lock:
            first = not (self._state.stopped or self._state is State.ENDED)
            self._state = self._state.on_stop()
            # The time to drain counts from the stop, however long no event came before.
            self._active_at = time.monotonic()
            source = self._source
        if source is not None:
            source.stop()
        if first and self._plan.mode.live:
            threading.Thread(
                target=self._enforce_stop, name="speech-compat-stop", daemon=True
            ).start()

    def wait_stopped(self) -> None:
        """Wait until ``session_stopped`` was emitted; returns at once in a callback."""
        # The event thread runs the callbacks; waiting there would wait for itself.
        if threading.current_thread() is not self._event_thread:
            self._done.wait()

    def end_with_program(self, deadline: float) -> None:
        """End the transcription because the program exits.

        A stored meeting is written to disk first, files to their end; a live one is
        closed at once.

        Args:
            deadline: the latest end of that, in seconds of ``time.monotonic()``.
        """
        with self._lock:
            self._state = self._state.on_exit()
            source = self._source
        if not self._plan.mode.stored:
            self.stop()
        else:
            # A stream would wait for a program that has ended; a file ends by itself.
            if source is not None and source.growing:
                source.stop()
            self._audio_pushed.wait(max(deadline - time.monotonic(), 0.0))
        self._close_early()
        self._done.wait(_CLOSE_SECONDS)

    def _enforce_stop(self) -> None:
        """Limit how long a stopped live meeting is waited for, as programs wait for it."""
        if self._plan.mode.stored:
            # Its results are kept, so it may finish unless the service stalls.
            while not self._done.wait(_CHECK_SECONDS):
                if time.monotonic() - self._active_at > _IDLE_SECONDS:
                    self._abort(_IDLE_SECONDS, "fetch the rest later by the meeting's id")
                    return
        elif not self._done.wait(_DRAIN_SECONDS):
            self._abort(_DRAIN_SECONDS, "the rest is lost")

    def _abort(self, seconds: float, consequence: str) -> None:
        _logger.warning(
            "The transcription was stopped, but not all audio was recognized within %g s: %s.",
            seconds,
            consequence,
        )
        self._close_early()

    def _close_early(self) -> None:
        # The state changes first: the audio thread's next push fails, which is no error then.
        with self._lock:
            self._state = self._state.on_close()
        self._close_session()
        # The audio is stored; a later status query continues an upload that is under way.
        if self._finishing is not None:
            self._finishing.cancel()

    def _run(self) -> None:
        try:
            self._dispatcher.session_started()
            self._started.set()
            ending = self._transcribe_safely()
            if ending is not None:
                self._dispatcher.canceled(ending)
            self._dispatcher.session_stopped()
        finally:
            _active.discard(self)
            with self._lock:
                self._state = State.ENDED
            # All three, whatever failed: a waiting program must never hang.
            self._started.set()
            self._audio_pushed.set()
            self._done.set()

    def _transcribe_safely(self) -> ResultRecord | None:
        """Transcribe; returns the record of ``canceled``, or None after a stop."""
        # A new id: the real package's canceled result belongs to no utterance.
        result_id = uuid.uuid4().hex
        try:
            self._transcribe()
        except SpeechError as error:
            return self._report(result_id, error)
        except Exception as error:
            _logger.exception("The transcription of meeting %r failed.", self._plan.meeting_id)
            return error_record(result_id, self._rules, _unexpected(error))
        finally:
            if self._source is not None:
                self._source.close()
        if self._state.stopped:
            return None
        return end_of_stream_record(result_id, self._rules)

    def _report(self, result_id: str, error: SpeechError) -> ResultRecord | None:
        # Closing a stopped live meeting fails its session; the program asked for that.
        if self._state.stopped and not self._plan.mode.stored:
            return None
        _logger.error("The transcription of meeting %r ended: %s", self._plan.meeting_id, error)
        return error_record(result_id, self._rules, error)

    def _transcribe(self) -> None:
        source = self._attach_source()
        try:
            session, first = self._open_session(source)
            self._dispatch_events(session, source, first)
        finally:
            self._release_service()

    def _attach_source(self) -> AudioSource:
        source = self._open_source()
        with self._lock:
            self._source = source
            # A stop or exit came before there was a source to stop.
            late = self._state.stopped or (self._state.exiting and source.growing)
        if late:
            source.stop()
        return source

    def _open_session(self, source: AudioSource) -> tuple[Session, bytes]:
        """Open the backend's session; returns it and the first block of audio."""
        settings = settings_of(self._plan.config, self._plan.token)
        self._service = service = services.acquire(settings)
        request = self._plan.request(source.pcm, source.notes)
        # Before the first read, which may wait forever: a bad setting is reported at once.
        backend, gaps = event_loop.call(service.choose, request)
        first = source.read()
        if source.pcm != request.audio:  # a WAV header in the stream declared another format
            request = self._plan.request(source.pcm, source.notes)
            backend, gaps = event_loop.call(service.choose, request)
        log_gaps(backend.name, gaps)
        for note in source.notes:
            _logger.warning("Meeting %r: %s", self._plan.meeting_id, note)
        self._session = session = event_loop.call(service.open_session, request)
        return session, first

    def _release_service(self) -> None:
        if self._service is not None:
            try:
                self._close_session()
            finally:
                services.release(self._service)

    def _dispatch_events(self, session: Session, source: AudioSource, first: bytes) -> None:
        """Emit the session's events until they end; pushes the audio meanwhile."""
        threading.Thread(
            target=self._push_audio,
            args=(session, source, first),
            name="speech-compat-audio",
            daemon=True,
        ).start()
        events = session.events()
        try:
            while (event := event_loop.call(anext, events, None)) is not None:
                self._active_at = time.monotonic()
                self._dispatcher.dispatch(event)
        except SpeechError:
            # The audio thread closed the session; its error is the cause of this one.
            if self._failure is None:
                raise
        finally:
            event_loop.call(_close_events, events)
        # A stored meeting has no events; it ends when its audio is stored.
        if self._failure is None and not self._state.stopped:
            self._audio_pushed.wait()
        if self._failure is not None:
            raise self._failure

    def _push_audio(self, session: Session, source: AudioSource, first: bytes) -> None:
        try:
            block = first
            while block:
                event_loop.call(session.push, block)
                block = source.read()
            self._finishing = event_loop.submit(session.finish)
            self._finishing.result()
        except SpeechError as error:
            self._fail(error)
        except Exception as error:
            # An upload under way is canceled when the session is closed early: no defect.
            if not self._state.closed:
                _logger.exception("The audio of meeting %r cannot be read.", self._plan.meeting_id)
            self._fail(_unexpected(error))
        finally:
            self._audio_pushed.set()

    def _fail(self, error: SpeechError) -> None:
        if not self._state.closed:
            self._failure = error
            # Ends the events, so that the event thread reports the error.
            self._close_session()

    def _close_session(self) -> None:
        with self._close_lock:
            # Once: at the end of the program there may be no loop any more for a second call.
            session, self._session = self._session, None
            if session is not None:
                event_loop.call(session.aclose)


def _unexpected(error: Exception) -> BackendError:
    return BackendError(f"Unexpected {type(error).__name__}: {error}.")


async def _close_events(events: AsyncIterator[SessionEvent]) -> None:
    # The contract promises an iterator; only generators hold something to release.
    if isinstance(events, AsyncGenerator):
        await events.aclose()


def _end_all() -> None:
    """End all transcriptions because the program exits; they share one deadline."""
    deadline = time.monotonic() + _EXIT_SECONDS
    for session in tuple(_active):
        session.end_with_program(deadline)
