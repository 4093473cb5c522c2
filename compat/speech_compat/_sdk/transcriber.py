"""How a transcriber runs: what the transcribers of all eras share."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.events import EventSignal, ResultFuture, future
from speech_compat._sdk.meeting import Gathering
from speech_compat._sdk.recognizer import Recognizer
from speech_compat._sdk.results import (
    EventRecord,
    RecognitionEventArgs,
    RecognitionResult,
    SessionEventArgs,
)
from speech_compat.audio import AudioConfig
from speech_compat.languageconfig import AutoDetectSourceLanguageConfig, SourceLanguageConfig
from speech_compat.properties import PropertyId

if TYPE_CHECKING:
    from speech_compat._sdk.event_stream import EventStream
    from speech_compat._session.mapping import Labels, Plan
    from speech_compat._session.session import Run

__all__ = ["Era", "MeetingResult", "ResultEventArgs", "Transcriber", "languages_of"]

_DEFAULT_LANGUAGE = "en-US"
# The real package's text (docs/protocol/legacy-interface.md, 4.2).
_NOT_JOINED = "Did you forget to call JoinConversationAsync before calling StartTranscribingAsync?"

R = TypeVar("R", bound=RecognitionResult)


class MeetingResult(RecognitionResult):
    """A result with the fields of meetings."""

    @property
    def user_id(self) -> str:
        """Who spoke: a participant's id, ``Guest_0``, ``Guest_1``, ... or ``Unidentified``."""
        return self._record.speaker

    @property
    def utterance_id(self) -> str:
        """``{index}_{UserId}_{Offset}``; a correction of an earlier result differs in it."""
        return self._record.utterance_id

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}(result_id={self.result_id}, user_id={self.user_id},"
            f" utterance_id={self.utterance_id}, text={self.text}, reason={self.reason})"
        )


class ResultEventArgs(RecognitionEventArgs, Generic[R]):
    """An event with a result."""

    _result_class: type[R]

    def __init__(self, handle: EventRecord) -> None:
        super().__init__(handle)
        assert handle.result is not None
        self._result = self._result_class(handle.result)

    @property
    def result(self) -> R:
        """The result."""
        return self._result

    def __str__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id}, result={self.result})"


class Era:
    """The classes of events, and how speakers are named.

    Args:
        result: class of ``transcribing`` and ``transcribed`` events.
        canceled: class of ``canceled`` events.
        joins: whether a meeting or conversation is joined before the start.
    """

    def __init__(
        self,
        result: type[ResultEventArgs[Any]],
        canceled: type[ResultEventArgs[Any]],
        joins: bool,
    ) -> None:
        self.result = result
        self.canceled = canceled
        self.joins = joins

    def labels(self) -> Labels:
        """Give how speakers are named."""
        from speech_compat._session import mapping as _bridge

        return _bridge.MEETING if self.joins else _bridge.DIARIZATION


class Transcriber(Recognizer):
    """Base of the transcribers."""

    def __init__(self, era: Era, audio_config: AudioConfig | None) -> None:
        if audio_config is not None and not isinstance(audio_config, AudioConfig):
            raise TypeError(
                f"audio_config must be an AudioConfig, not {type(audio_config).__name__}"
            )
        super().__init__(None)
        self._era = era
        self._audio_config = audio_config
        self._config: SpeechConfig | None = None
        self._gathering: Gathering | None = None
        self._language: str | None = None
        self._languages: tuple[tuple[str, str], ...] = ()
        self._custom_model = ""
        self._first_token = ""
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._stream: EventStream | None = None
        self._transcribing = EventSignal(None, None)
        self._transcribed = EventSignal(None, None)

    @property
    def transcribing(self) -> EventSignal:
        """Signals an event with a hypothesis: text and speaker may still change."""
        return self._transcribing

    @property
    def transcribed(self) -> EventSignal:
        """Signals an event with a final result."""
        return self._transcribed

    def events(self) -> EventStream:
        """Give the events of results, to be read with ``async for``.

        They are those of ``transcribing``, ``transcribed`` and ``canceled``, told apart
        by ``event.result.reason``; the iteration ends with the session.  Listens from
        this call on, so call it before the start, or inside ``async with``.
        """
        stream, self._stream = self._stream, None
        return stream or self._listen()

    async def __aenter__(self) -> Self:
        """Start; what happens from now on is kept for :meth:`events`."""
        self._stream = self._listen()
        await self.start_transcribing_async()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and wait until the session has stopped."""
        await self.stop_transcribing_async()
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    def start_transcribing_async(self) -> ResultFuture[None]:
        """Start; it has begun when this returns, and ``get`` waits for ``session_started``.

        What goes wrong from then on comes as ``canceled`` with the reason ``Error``.

        Raises:
            RuntimeError: no meeting or conversation was joined.
        """
        with self._lock:
            if self._run is None or self._run.ended:
                self._run = self._new_run()
                self._run.start()
            return future(self._run.wait_started)

    def stop_transcribing_async(self) -> ResultFuture[None]:
        """Stop after the audio that was given; ``get`` waits for ``session_stopped``."""
        run = self._run
        if run is None:
            return future(_nothing)
        run.stop()
        return future(run.wait_stopped)

    def _listen(self) -> EventStream:
        from speech_compat._sdk.event_stream import EventStream

        results = (self._transcribing, self._transcribed, self._canceled)
        return EventStream(results, self._session_stopped)

    def _join(self, gathering: Gathering) -> None:
        """Make ``gathering`` the one transcribed.

        Raises:
            RuntimeError: one was joined already, or the audio file cannot be used.
        """
        if self._config is not None:
            raise RuntimeError("0x2 (SPXERR_ALREADY_INITIALIZED): join was called already.")
        self._configure(gathering._config)
        self._gathering = gathering

    def _leave(self) -> None:
        """Be told nothing of the meeting any more but its end."""
        self._gathering = None

    def _configure(self, config: SpeechConfig) -> None:
        _check_file(self._audio_config)
        for name, value in config._properties._items():
            self._properties.set_property_by_name(name, value)
        self._config = config
        self._first_token = config.authorization_token

    def _token(self) -> str:
        """Give the token that is valid now: programs renew it in any of three places."""
        assert self._config is not None
        holders = (self, self._gathering, self._config)
        tokens = [holder.authorization_token for holder in holders if holder is not None]
        return next((token for token in tokens if token != self._first_token), tokens[0])

    def _new_run(self) -> Run:
        if self._config is None:
            raise RuntimeError(_NOT_JOINED)
        from speech_compat._session.session import Run
        from speech_compat._session.sources import open_source

        audio = self._audio_config
        labels = self._era.labels()
        return Run(self._plan(self._config), labels, lambda: open_source(audio), _Signals(self))

    def _plan(self, config: SpeechConfig) -> Plan:
        from speech_compat._session import mapping as _bridge

        gathering = self._gathering
        language = config.speech_recognition_language or _DEFAULT_LANGUAGE
        return _bridge.Plan(
            config=config,
            meeting_id=gathering._id if gathering is not None else uuid.uuid4().hex,
            mode=_bridge.mode_of(config, stored=self._era.joins),
            language=self._language or language,
            differentiate=not self._era.joins or _differentiates(config),
            attendees=_bridge.attendees(gathering),
            phrases=tuple(self._phrases),
            languages=self._languages,
            custom_model=self._custom_model,
            token=self._token,
        )


class _Signals:
    """Turns records into events of the era; the session calls it."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._of = transcriber
        self._joined = transcriber._era.joins

    def session(self, name: str, event: EventRecord) -> None:
        self._of._properties.set_property(PropertyId.Speech_SessionId, event.session_id)
        _signal(self._of, name).signal(SessionEventArgs(event))

    def speech(self, name: str, event: EventRecord) -> None:
        _signal(self._of, name).signal(RecognitionEventArgs(event))

    def result(self, name: str, event: EventRecord) -> None:
        era = self._of._era
        if name == "canceled":
            self._of.canceled.signal(era.canceled(event))
        elif not self._joined or self._of._gathering is not None:
            _signal(self._of, name).signal(era.result(event))


def languages_of(
    language: str | None,
    source_language_config: SourceLanguageConfig | None,
    auto_detect_source_language_config: AutoDetectSourceLanguageConfig | None,
) -> tuple[tuple[str, str], ...]:
    """Give the languages that one of three arguments names, each with its custom model.

    Raises:
        ValueError: more than one argument is given, or the language is empty (texts
            as in the real package).
    """
    given = (language, source_language_config, auto_detect_source_language_config)
    if sum(value is not None for value in given) > 1:
        raise ValueError(
            "cannot construct ConversationTranscriber with more than one language configurations,"
            " please only specify one of these three parameters: language,"
            " source_language_config or auto_detect_source_language_config"
        )
    if language == "":
        raise ValueError("language cannot be an empty string")
    if source_language_config is not None:
        return ((source_language_config._language, source_language_config._endpoint_id),)
    if auto_detect_source_language_config is not None:
        return auto_detect_source_language_config._languages
    return ((language, ""),) if language is not None else ()


def _signal(transcriber: Transcriber, name: str) -> EventSignal:
    signal: EventSignal = getattr(transcriber, name)
    return signal


def _differentiates(config: SpeechConfig) -> bool:
    return config.get_property_by_name("DifferentiateGuestSpeakers").lower() == "true"


def _check_file(audio_config: AudioConfig | None) -> None:
    from speech_adapters.errors import AudioError
    from speech_compat._session.sources import check_file

    try:
        check_file(audio_config)
    except AudioError as error:
        raise RuntimeError(str(error)) from error


def _nothing() -> None:
    """Do nothing: there is nothing to stop."""
