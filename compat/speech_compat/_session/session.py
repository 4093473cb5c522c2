"""A transcription from start to stop: two threads between the program and a backend.

The pump thread reads the program's audio and pushes it into the session.  The
event thread takes what the session gives and calls the program's callbacks, in the
order of the real package (docs/protocol/legacy-interface.md, 4.7)::

    session_started, (transcribing | transcribed)*, canceled(EndOfStream), session_stopped
    session_started, ..., canceled(Error), session_stopped          on an error
    session_started, ..., session_stopped                           when told to stop
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from speech_adapters.contract import (
    Hypothesis,
    Recognized,
    Session,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import BackendError, SpeechError
from speech_compat._sdk.results import EventRecord, ResultRecord
from speech_compat._session import event_loop as _runtime
from speech_compat._session import mapping as _bridge
from speech_compat.enums import ResultReason

if TYPE_CHECKING:
    from speech_compat._session.sources import AudioSource

__all__ = ["Listener", "Run"]

# How long a stopped live meeting may still recognise what it has heard.
_DRAIN_SECONDS: Final = 10.0
# How long a stopped meeting that is stored too may stand still.
_IDLE_SECONDS: Final = 30.0
_GLANCE_SECONDS: Final = 0.5
# How long a program that ends waits for its stored meetings to be on disk.
_EXIT_SECONDS: Final = 60.0
_LEAVE_SECONDS: Final = 5.0
_logger = logging.getLogger("speech_compat")
_active: set[Run] = set()


class Listener(Protocol):
    """Who is told; each method makes one event of the era."""

    def session(self, name: str, event: EventRecord) -> None:
        """Signal ``session_started`` or ``session_stopped``."""
        ...

    def speech(self, name: str, event: EventRecord) -> None:
        """Signal ``speech_start_detected`` or ``speech_end_detected``."""
        ...

    def result(self, name: str, event: EventRecord) -> None:
        """Signal ``transcribing``, ``transcribed`` or ``canceled``."""
        ...


class Run:
    """One transcription; begun by :meth:`start`, ended by its audio or :meth:`stop`."""

    def __init__(
        self,
        plan: _bridge.Plan,
        labels: _bridge.Labels,
        open_source: Callable[[], AudioSource],
        listener: Listener,
    ) -> None:
        self._plan = plan
        self._labels = labels
        self._open_source = open_source
        self._listener = listener
        self.session_id = uuid.uuid4().hex
        self._source: AudioSource | None = None
        self._session: Session | None = None
        self._failure: SpeechError | None = None
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        self._stopping = False
        self._program_ended = False
        self._cut = False
        self._heard_at = 0.0
        self._told = 0
        self._indexes: dict[str, int] = {}
        self._started = threading.Event()
        self._pumped = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="speech-compat-events", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        _runtime.portal()
        _runtime.before_exit(_finish_all)
        _active.add(self)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether ``session_stopped`` was signalled."""
        return self._done.is_set()

    def wait_started(self) -> None:
        """Wait until ``session_started`` was signalled."""
        if threading.current_thread() is not self._thread:
            self._started.wait()

    def stop(self) -> None:
        """End after the audio that is there now; returns at once.  Idempotent."""
        with self._lock:
            first, self._stopping = not self._stopping, True
            self._heard_at = time.monotonic()
            source = self._source
        if source is not None:
            source.stop()
        if first and self._plan.mode.live:
            threading.Thread(target=self._cut_off, name="speech-compat-stop", daemon=True).start()

    def wait_stopped(self) -> None:
        """Wait until ``session_stopped`` was signalled; not from a callback, which it follows."""
        if threading.current_thread() is not self._thread:
            self._done.wait()

    def end_with_program(self, deadline: float) -> None:
        """Let a stored meeting get to disk, a file whole; close a live one."""
        with self._lock:
            self._program_ended = True
            source = self._source
        if not self._plan.mode.stored:
            self.stop()
        else:
            if source is not None and source.growing:
                source.stop()
            self._pumped.wait(max(deadline - time.monotonic(), 0.0))
        self._cut = True
        self._close_session()
        self._done.wait(_LEAVE_SECONDS)

    def _cut_off(self) -> None:
        """Do not wait for ever for a live meeting's backlog, nor for one that stands still."""
        if self._plan.mode.stored:
            while not self._done.wait(_GLANCE_SECONDS):
                if time.monotonic() - self._heard_at > _IDLE_SECONDS:
                    self._drop(_IDLE_SECONDS, "goes on without live results: ask by its id")
                    return
        elif not self._done.wait(_DRAIN_SECONDS):
            self._drop(_DRAIN_SECONDS, "is dropped")

    def _drop(self, seconds: float, what: str) -> None:
        _logger.warning(
            "The transcription was stopped; what was not recognised within %g s %s.", seconds, what
        )
        self._cut = True
        self._close_session()

    def _run(self) -> None:
        try:
            self._signal_session("session_started")
            self._started.set()
            ending = self._transcribe_safely()
            if ending is not None:
                self._listener.result("canceled", self._event(0, ending))
            self._signal_session("session_stopped")
        finally:
            _active.discard(self)
            self._started.set()
            self._pumped.set()
            self._done.set()

    def _transcribe_safely(self) -> ResultRecord | None:
        result_id = uuid.uuid4().hex
        try:
            self._transcribe()
        except SpeechError as error:
            return self._error(result_id, error)
        except Exception as error:
            _logger.exception("The transcription of meeting %r failed.", self._plan.meeting_id)
            unexpected = BackendError(f"Unexpected {type(error).__name__}: {error}.")
            return _bridge.error_result(result_id, self._labels, unexpected)
        finally:
            self._close()
        return None if self._stopping else _bridge.canceled(result_id, self._labels)

    def _error(self, result_id: str, error: SpeechError) -> ResultRecord | None:
        if self._stopping and not self._plan.mode.stored:
            return None  # cut off because the program stopped it
        _logger.error("The transcription of meeting %r ended: %s", self._plan.meeting_id, error)
        return _bridge.error_result(result_id, self._labels, error)

    def _transcribe(self) -> None:
        from speech_adapters.registry import choose_backend

        source = self._open()
        settings = _bridge.settings_of(self._plan.config, self._plan.token)
        request = self._plan.request(source.pcm, source.notes)
        backend, gaps = choose_backend(request, settings)  # complains before the audio
        first = source.read()
        if source.pcm != request.audio:  # a header in the audio told another format
            request = self._plan.request(source.pcm, source.notes)
            backend, gaps = choose_backend(request, settings)
        _bridge.tell_gaps(backend.name, gaps)
        for note in source.notes:
            _logger.warning("Meeting %r: %s", self._plan.meeting_id, note)
        try:
            self._session = _runtime.call(backend.open_session, request)
            self._follow(source, first)
        finally:
            self._close_session()
            _runtime.call(backend.aclose)

    def _open(self) -> AudioSource:
        source = self._open_source()
        with self._lock:
            self._source = source
            ending = self._stopping or (self._program_ended and source.growing)
        if ending:
            source.stop()
        return source

    def _follow(self, source: AudioSource, first: bytes) -> None:
        pump = threading.Thread(
            target=self._pump, args=(source, first), name="speech-compat-audio", daemon=True
        )
        pump.start()
        assert self._session is not None
        events = self._session.events()
        try:
            while (event := _runtime.call(anext, events, None)) is not None:
                self._tell(event)
        except SpeechError:
            if self._failure is None:
                raise
        finally:
            _runtime.call(_end, events)
        if self._failure is None and not self._stopping:
            self._pumped.wait()
        if self._failure is not None:
            raise self._failure

    def _pump(self, source: AudioSource, first: bytes) -> None:
        session = self._session
        assert session is not None
        try:
            block = first
            while block:
                _runtime.call(session.push, block)
                block = source.read()
            _runtime.call(session.finish)
        except SpeechError as error:
            self._fail(error)
        except Exception as error:
            _logger.exception("The audio of meeting %r cannot be read.", self._plan.meeting_id)
            self._fail(BackendError(f"Unexpected {type(error).__name__}: {error}."))
        finally:
            self._pumped.set()

    def _fail(self, error: SpeechError) -> None:
        if not self._cut and not self._done.is_set():
            self._failure = error
            self._close_session()

    def _tell(self, event: SessionEvent) -> None:
        self._heard_at = time.monotonic()
        match event:
            case SpeechStarted(offset):
                self._listener.speech("speech_start_detected", self._event(offset))
            case SpeechEnded(offset):
                self._listener.speech("speech_end_detected", self._event(offset))
            case Hypothesis(utterance):
                self._tell_result("transcribing", utterance, ResultReason.RecognizingSpeech)
            case Recognized(utterance, correction):
                if not correction or self._labels.corrects:
                    self._tell_result("transcribed", utterance, ResultReason.RecognizedSpeech)
            case _:
                pass

    def _tell_result(self, name: str, utterance: Any, reason: ResultReason) -> None:
        # A correction keeps the index of the result that it corrects.
        index = self._indexes.get(utterance.id, self._told)
        record = _bridge.recognized(utterance, self._labels, index, reason)
        if name == "transcribed" and utterance.id not in self._indexes:
            self._indexes[utterance.id] = index
            self._told += 1
        self._listener.result(name, self._event(record.offset, record))

    def _event(self, offset: int, result: ResultRecord | None = None) -> EventRecord:
        return EventRecord(self.session_id, offset, result)

    def _signal_session(self, name: str) -> None:
        self._listener.session(name, self._event(0))

    def _close_session(self) -> None:
        session = self._session
        if session is not None:
            with self._closing:  # whoever comes second goes on when it is closed, not before
                _runtime.call(session.aclose)

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()


async def _end(events: AsyncIterator[SessionEvent]) -> None:
    if isinstance(events, AsyncGenerator):
        await events.aclose()


def _finish_all() -> None:
    """The program ends: let stored meetings get to disk, drop the others."""
    deadline = time.monotonic() + _EXIT_SECONDS
    for run in tuple(_active):
        run.end_with_program(deadline)
