"""What the transcribers of all eras of the interface share."""

from __future__ import annotations

# First imported after the main thread has ended, it would fail; a transcription that starts
# in another thread then needs it.
import concurrent.futures.thread  # noqa: F401
import threading
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from speech_adapters.gap import GapWarning
from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.events import EventSignal, ResultFuture, future
from speech_compat._sdk.interop import checked
from speech_compat._sdk.meeting import MeetingBase
from speech_compat._sdk.recognizer import Recognizer
from speech_compat._sdk.results import RecognitionEventArgs, ResultEventArgs, SessionEventArgs
from speech_compat.audio import AudioConfig
from speech_compat.languageconfig import AutoDetectSourceLanguageConfig, SourceLanguageConfig
from speech_compat.properties import PropertyId

# Imported in functions at run time, so that importing the package loads no asyncio or anyio.
if TYPE_CHECKING:
    from speech_compat._sdk.event_stream import EventStream
    from speech_compat._session.mapping.requests import Plan
    from speech_compat._session.records import EventRecord
    from speech_compat._session.session import TranscriptionSession

__all__ = ["Transcriber", "TranscriberVariant", "languages_of"]

_DEFAULT_LANGUAGE = "en-US"
_MEETING = "a Meeting or Conversation of speech_compat.transcription"
_LANGUAGE = "a speech_compat.languageconfig.SourceLanguageConfig"
_LANGUAGES = "a speech_compat.languageconfig.AutoDetectSourceLanguageConfig"
# The real package's text (docs/protocol/legacy-interface.md, 4.2).
_NOT_JOINED = "Did you forget to call JoinConversationAsync before calling StartTranscribingAsync?"


@dataclass(frozen=True)
class TranscriberVariant:
    """What differs between the eras of the interface.

    Attributes:
        result_event: class of ``transcribing`` and ``transcribed`` events.
        canceled_event: class of ``canceled`` events.
        joins: whether the program joins a meeting or conversation before the start.  If
            so, results have a ``user_id``, and a transcript can be stored.
    """

    result_event: type[ResultEventArgs[Any]]
    canceled_event: type[ResultEventArgs[Any]]
    joins: bool


class Transcriber(Recognizer):
    """Base class of the transcribers.

    Raises:
        TypeError: ``audio_config`` is not an AudioConfig.
    """

    def __init__(self, variant: TranscriberVariant, audio_config: AudioConfig | None) -> None:
        if audio_config is not None:
            checked(audio_config, AudioConfig, "audio_config", "a speech_compat.audio.AudioConfig")
        super().__init__(None)
        # Which era of the interface the program uses.
        self._variant = variant
        # The source of the audio; opened when the transcription starts.
        self._audio_config = audio_config
        # Set when the program joins, or by the constructor where it joins nothing.
        self._config: SpeechConfig | None = None
        # The meeting that was joined; None again after leaving, which silences results.
        self._meeting: MeetingBase | None = None
        # A language given to the constructor; overrides that of the configuration.
        self._language: str | None = None
        # Candidates for language detection; empty where there is only one language.
        self._languages: tuple[tuple[str, str], ...] = ()
        # Id of the custom model that belongs to the one language.
        self._custom_model = ""
        # Returns the valid token; one function, so that all starts share a service.
        self._token: Callable[[], str] | None = None
        # Two threads that start at the same time must not create two sessions.
        self._lock = threading.Lock()
        # The current or last session; each start creates a new one.
        self._session: TranscriptionSession | None = None
        # The stream of `async with`, until events() returns it.
        self._stream: EventStream | None = None
        # Signals of results; the other signals belong to Recognizer.
        self._transcribing = EventSignal(None, None)
        self._transcribed = EventSignal(None, None)

    @property
    def transcribing(self) -> EventSignal:
        """Signals a hypothesis, whose text and speaker may still change."""
        return self._transcribing

    @property
    def transcribed(self) -> EventSignal:
        """Signals a final result."""
        return self._transcribed

    def events(self) -> EventStream:
        """Return the events of results, to be read with ``async for``.

        They are the events of ``transcribing``, ``transcribed`` and ``canceled``;
        ``event.result.reason`` differs.  The iteration ends with the session.  Events are
        collected from this call on, so call it before the start, or in ``async with``.
        """
        stream, self._stream = self._stream, None
        return stream or self._new_stream()

    def __del__(self) -> None:
        # As in the real package, a transcriber that is dropped ends without a stop.  A
        # constructor that raised has left no session.
        session = getattr(self, "_session", None)
        if session is not None:
            session.abandon_soon()

    async def __aenter__(self) -> Self:
        """Start; all events from now on are kept for :meth:`events`."""
        self._stream = self._new_stream()
        await self.start_transcribing_async()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and wait until the session has stopped."""
        await self.stop_transcribing_async()
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    def start_transcribing_async(self) -> ResultFuture[None]:
        """Start; ``get`` waits for ``session_started``.

        The transcription has begun when this call returns.  Later errors are signaled by
        ``canceled`` with the reason ``Error``.

        Raises:
            RuntimeError: no meeting or conversation was joined.
            GapWarning: nothing separates the speakers of the meeting, and a filter of the
                program makes warnings errors.
        """
        with self._lock:
            if self._session is None or self._session.ended:
                self._session = self._new_session()
                self._session.start()
            return future(self._session.wait_started)

    def stop_transcribing_async(self) -> ResultFuture[None]:
        """Stop after the audio received so far; ``get`` waits for ``session_stopped``."""
        session = self._session
        if session is None:
            return future(lambda: None)
        session.stop()
        return future(session.wait_stopped)

    def _new_stream(self) -> EventStream:
        from speech_compat._sdk.event_stream import EventStream

        results = (self._transcribing, self._transcribed, self._canceled)
        return EventStream(results, self._session_stopped, self)

    def _join(self, meeting: MeetingBase) -> None:
        """Transcribe ``meeting`` from the next start on.

        Raises:
            TypeError: ``meeting`` is no meeting or conversation of this package.
            RuntimeError: one was joined already, the audio file cannot be used, or the backend
                cannot be created with its settings.
        """
        checked(meeting, MeetingBase, "meeting", _MEETING)
        if self._config is not None:
            raise RuntimeError("0x2 (SPXERR_ALREADY_INITIALIZED): join was called already.")
        self._configure(meeting._config)
        self._meeting = meeting

    def _leave(self) -> None:
        """Stop delivering results; the final events still come."""
        self._meeting = None

    def _configure(self, config: SpeechConfig) -> None:
        _check_file(self._audio_config)
        for name, value in config._properties._items():
            self._properties.set_property_by_name(name, value)
        token = _token_of(weakref.ref(self), config)
        _check_backend(config, token, stored=self._variant.joins)
        self._config = config
        self._token = token

    def _new_session(self) -> TranscriptionSession:
        if self._config is None:
            raise RuntimeError(_NOT_JOINED)
        from speech_compat._session.mapping.results import DIARIZATION, MEETING
        from speech_compat._session.session import TranscriptionSession
        from speech_compat._session.sources import open_source

        audio = self._audio_config
        return TranscriptionSession(
            self._plan(self._config),
            MEETING if self._variant.joins else DIARIZATION,
            lambda: open_source(audio),
            _EventEmitter(self),
            self._session,
        )

    def _plan(self, config: SpeechConfig) -> Plan:
        from speech_compat._session.call_site import call_site
        from speech_compat._session.mapping.requests import (
            DIFFERENTIATE,
            UNIDENTIFIED,
            Plan,
            attendees,
            differentiates,
            mode_of,
        )

        meeting = self._meeting
        people = attendees(meeting)
        differentiate = differentiates(config.get_property_by_name(DIFFERENTIATE), people)
        site = call_site()
        if self._variant.joins and differentiate is None:
            site.warn(GapWarning(UNIDENTIFIED))
        return Plan(
            config=config,
            meeting_id=meeting._id if meeting is not None else uuid.uuid4().hex,
            mode=mode_of(config, stored=self._variant.joins),
            language=self._language or config.speech_recognition_language or _DEFAULT_LANGUAGE,
            # Without a meeting, diarization is the purpose of the class.
            differentiate=not self._variant.joins or bool(differentiate),
            attendees=people,
            phrases=tuple(self._phrases),
            languages=self._languages,
            custom_model=self._custom_model,
            token=self._token,
            present_attendees=lambda: attendees(meeting),
            site=site,
        )


def _token_of(reference: weakref.ref[Transcriber], config: SpeechConfig) -> Callable[[], str]:
    """Return a function that returns the valid token, and does not keep the transcriber."""
    first = config.authorization_token

    def token() -> str:
        # Programs renew the token in any of three objects.  All three begin with the first
        # token, so a different one was set later.
        transcriber = reference()
        meeting = transcriber._meeting if transcriber is not None else None
        holders = (transcriber, meeting, config)
        tokens = [holder.authorization_token for holder in holders if holder is not None]
        return next((found for found in tokens if found != first), tokens[0])

    return token


class _EventEmitter:
    """Wraps records in the variant's event classes and signals them.

    It does not keep the transcriber, so that one can be dropped without a stop.
    """

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = weakref.ref(transcriber)

    def session(self, name: str, event: EventRecord) -> None:
        transcriber = self._transcriber()
        if transcriber is not None:
            session_id = PropertyId.Speech_SessionId
            transcriber._properties.set_property(session_id, event.session_id)
            _signal(transcriber, name).signal(SessionEventArgs(event))

    def speech(self, name: str, event: EventRecord) -> None:
        transcriber = self._transcriber()
        if transcriber is not None:
            _signal(transcriber, name).signal(RecognitionEventArgs(event))

    def result(self, name: str, event: EventRecord) -> None:
        transcriber = self._transcriber()
        if transcriber is None:
            return
        variant = transcriber._variant
        if name == "canceled":
            _signal(transcriber, name).signal(variant.canceled_event(event))
        # After leaving, results are suppressed but canceled is not, as in the real package
        # (docs/protocol/legacy-interface.md, 4.7).
        elif not variant.joins or transcriber._meeting is not None:
            _signal(transcriber, name).signal(variant.result_event(event))


def _signal(transcriber: Transcriber, name: str) -> EventSignal:
    signal: EventSignal = getattr(transcriber, name)
    return signal


def languages_of(
    language: str | None,
    source_language_config: SourceLanguageConfig | None,
    auto_detect_source_language_config: AutoDetectSourceLanguageConfig | None,
) -> tuple[tuple[str, str], ...]:
    """Return the languages that one of three arguments names, each with its custom model.

    Raises:
        ValueError: more than one argument is passed, or the language is empty (texts
            as in the real package).
        TypeError: an argument is of another class.
    """
    passed = (language, source_language_config, auto_detect_source_language_config)
    if sum(value is not None for value in passed) > 1:
        raise ValueError(
            "cannot construct ConversationTranscriber with more than one language configurations,"
            " please only specify one of these three parameters: language,"
            " source_language_config or auto_detect_source_language_config"
        )
    if language == "":
        raise ValueError("language cannot be an empty string")
    if source_language_config is not None:
        checked(source_language_config, SourceLanguageConfig, "source_language_config", _LANGUAGE)
        return ((source_language_config._language, source_language_config._endpoint_id),)
    if auto_detect_source_language_config is not None:
        name, kind = "auto_detect_source_language_config", AutoDetectSourceLanguageConfig
        checked(auto_detect_source_language_config, kind, name, _LANGUAGES)
        return auto_detect_source_language_config._languages
    return ((language, ""),) if language is not None else ()


def _check_file(audio_config: AudioConfig | None) -> None:
    from speech_adapters.errors import AudioError, MissingExtraError
    from speech_compat._session.sources import check_file

    try:
        check_file(audio_config)
    except (AudioError, MissingExtraError) as error:
        raise RuntimeError(str(error)) from error


def _check_backend(config: SpeechConfig, token: Callable[[], str], *, stored: bool) -> None:
    """Raise what is wrong with the settings; the start, when they may have changed, repeats it."""
    from speech_adapters.errors import ConfigurationError
    from speech_compat._session.mapping.requests import mode_of
    from speech_compat._session.services import check_backend

    try:
        check_backend(config, token, mode_of(config, stored=stored))
    except ConfigurationError as error:
        raise RuntimeError(str(error)) from error
