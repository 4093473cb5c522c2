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
import math
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from speech_adapters.contract import Session, SessionEvent
from speech_adapters.errors import BackendError, SpeechError
from speech_compat._session import event_loop, services
from speech_compat._session.backlog import Backlog
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

    from speech_adapters.contract import MeetingRequest
    from speech_adapters.meetings import MeetingService
    from speech_compat._session.sources import AudioSource

__all__ = ["TranscriptionSession"]

# Time for a stopped live meeting to recognize the audio that it has received.
_DRAIN_SECONDS: Final = 10.0
# A stopped meeting whose results are kept, or whose audio the program has ended itself, may
# drain for longer, as long as events arrive.
_IDLE_SECONDS: Final = 30.0
_CHECK_SECONDS: Final = 0.5
# Time for the stored meetings of an exiting program to be written to disk.
_EXIT_SECONDS: Final = 60.0
# A callback of the program that runs for longer is not waited for.
_CALLBACK_SECONDS: Final = 10.0
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
        # The audio that is not recognized yet; detects a service that stalls.
        self._backlog = Backlog()
        # Set once opening the meeting has succeeded or failed.
        self._opened = threading.Event()
        # Set once session_started was emitted.
        self._started = threading.Event()
        # Set once the audio thread has pushed everything, so that it is stored.
        self._audio_pushed = threading.Event()
        # Set once the callbacks of session_stopped have returned.
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
            self._audio_pushed.wait(_remaining(deadline))
        self._close_early()
        self._done.wait(_CLOSE_SECONDS)

    def _end_live(self, source: AudioSource | None, deadline: float) -> None:
        """Stop a live meeting; what the program has sent completely is still recognized."""
        complete = source is not None and source.complete
        self.stop()
        if complete and not self._wait_while_active(deadline):
            self._log_rest("The program has ended", "the rest is lost")

    def _enforce_stop(self) -> None:
        """Limit how long a stopped live meeting is waited for, as programs wait for it."""
        source, stored = self._source, self._plan.mode.stored
        # Results that are kept may come unless the service stalls; so may those for which the
        # program waits after it has sent all of its audio.
        if stored or (source is not None and source.complete):
            limit, ended = _IDLE_SECONDS, self._wait_while_active()
        else:
            limit, ended = _DRAIN_SECONDS, self._done.wait(_DRAIN_SECONDS)
        if not ended:
            reason = f"not all audio was recognized within {limit:g} s"
            consequence = (
                "fetch the rest later by the meeting's id" if stored else "the rest is lost"
            )
            self._log_rest(f"The transcription was stopped, but {reason}", consequence)
            self._close_early()

    def _wait_while_active(self, deadline: float = math.inf) -> bool:
        """Wait for the end while there is progress; return whether it came."""
        while not self._done.wait(_CHECK_SECONDS):
            now = time.monotonic()
            if now > deadline or now - self._backlog.active_at > _IDLE_SECONDS:
                return False
        return True

    def _log_rest(self, event: str, consequence: str) -> None:
        rest = self._backlog.seconds
        _logger.warning("%s: %s (%.1f seconds of audio).", event, consequence, rest)

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
            _active.discard(self)
            with self._lock:
                self._state = State.ENDED
            # All of them, whatever failed: a waiting program must never hang.
            self._opened.set()
            self._started.set()
            self._audio_pushed.set()
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
            return error_record(result_id, self._rules, _unexpected(error))
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
                session = self._reopen_session(session, request)
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

    def _open_session(self, request: MeetingRequest) -> Session:
        settings = settings_of(self._plan.config, self._plan.token)
        if not settings.corrections:
            self._dispatcher.omit_corrections()
        self._service = service = services.acquire(settings)
        self._check(service, request)
        for note in request.notes:
            _logger.warning("Meeting %r: %s", self._plan.meeting_id, note)
        return self._keep_session(service.open_session, request)

    def _reopen_session(self, session: Session, request: MeetingRequest) -> Session:
        """Replace the session, which has received no audio, by one for another format."""
        service = self._service
        assert service is not None
        self._check(service, request)
        return self._keep_session(service.reopen_session, session, request)

    def _check(self, service: MeetingService, request: MeetingRequest) -> None:
        backend, gaps = event_loop.call(service.choose, request)
        log_gaps(backend.name, gaps)

    def _keep_session(self, open_session: Callable[..., Awaitable[Session]], *args: Any) -> Session:
        async def keep() -> Session:
            # On the loop, so that no end of the program comes between.
            self._session = session = await open_session(*args)
            return session

        session = event_loop.call(keep)
        # It was closed early while there was nothing to close yet.
        if self._state.closed:
            self._close_session()
        return session

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
                self._backlog.note(event)
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
                self._backlog.add(len(block) / source.pcm.bytes_per_second)
                block = source.read()
            self._finishing = event_loop.submit(session.finish)
            self._finishing.result()
        except SpeechError as error:
            self._fail(error)
        except event_loop.ProgramEndingError:
            pass  # the session was closed
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
            try:
                self._close_session()
            except SpeechError as second:
                # The same cause again, like a full disk: one report of it is enough.
                _logger.warning(
                    "The recording of meeting %r stays open until its next status query: %s",
                    self._plan.meeting_id,
                    second,
                )

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


def _remaining(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


@event_loop.after_fork
def _forget_all() -> object:
    of_parent = tuple(_active)
    for session in of_parent:
        session.forget()
    _active.clear()
    return of_parent
