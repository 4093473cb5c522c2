"""The one place that knows the Speech SDK.

The SDK's ``ConversationTranscriber`` of 1.31 and later, fed by a push stream of mono
audio; what it says comes on its own threads.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import azure.cognitiveservices.speech as sdk

from speech_adapters.backends.realtime.messages import (
    Broken,
    Guess,
    Said,
    SpeechEdge,
    Stopped,
)
from speech_adapters.backends.realtime.messages import (
    Final as FinalResult,
)
from speech_adapters.backends.realtime.options import Access
from speech_adapters.backends.realtime.signin import SignIn
from speech_adapters.contract import MeetingRequest
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    RefusedError,
    ServiceFailedError,
    SpeechError,
    ThrottledError,
    TimedOutError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.transcript import Word

__all__ = ["Recogniser", "connect"]

_LEAVE_SECONDS: Final = 3.0
_logger = logging.getLogger("speech_adapters")
_Code: Final = sdk.CancellationErrorCode
_ERRORS: Final[dict[Any, type[SpeechError]]] = {
    _Code.AuthenticationFailure: AuthenticationError,
    _Code.Forbidden: AuthenticationError,
    _Code.BadRequest: RefusedError,
    _Code.TooManyRequests: ThrottledError,
    _Code.ConnectionFailure: UnreachableError,
    _Code.ServiceTimeout: TimedOutError,
    _Code.ServiceError: ServiceFailedError,
    _Code.ServiceUnavailable: UnavailableError,
}
_ADVICE: Final[dict[type[SpeechError], str]] = {
    AuthenticationError: "Check key, token, region and roles.",
    RefusedError: "Check language, custom model and the audio's format.",
    ThrottledError: "Ask again later, or for a higher quota.",
    UnreachableError: "Check the network, the region and the endpoint.",
}
_Id: Final = sdk.PropertyId
# Settings of the contract that are one property of the SDK each.
_PROPERTIES: Final = {
    "audio_logging": _Id.SpeechServiceConnection_EnableAudioLogging,
    "diarize_hypotheses": _Id.SpeechServiceResponse_DiarizeIntermediateResults,
    "end_silence_ms": _Id.SpeechServiceConnection_EndSilenceTimeoutMs,
    "endpoint_id": _Id.SpeechServiceConnection_EndpointId,
    "initial_silence_ms": _Id.SpeechServiceConnection_InitialSilenceTimeoutMs,
    "post_processing": _Id.SpeechServiceResponse_PostProcessingOption,
    "profanity": _Id.SpeechServiceResponse_ProfanityOption,
    "segmentation_max_ms": _Id.Speech_SegmentationMaximumTimeMs,
    "segmentation_silence_ms": _Id.Speech_SegmentationSilenceTimeoutMs,
    "segmentation_strategy": _Id.Speech_SegmentationStrategy,
}
# A property without an id (docs/protocol/speech-websocket.md, 3).
_THROTTLE: Final = "SPEECH-AudioThrottleAsPercentageOfRealTime"


class Recogniser:
    """One transcriber of the SDK.

    Args:
        request: what is asked for.
        access: whom to connect to.
        pace: how much faster than real time audio may be sent.
        told: called with what is said, on threads of the SDK.
    """

    def __init__(
        self, request: MeetingRequest, access: Access, pace: float, told: Callable[[Said], None]
    ) -> None:
        self._told = told
        self._sign_in = SignIn(access)
        self._ended = threading.Event()  # it said so
        self._stopped = threading.Event()  # and it is so
        self._stopping = threading.Thread(target=self._stop, name="speech-compat-stop", daemon=True)
        self._token = self._sign_in.token()
        config = _config(request, access, self._token)
        config.set_property_by_name(_THROTTLE, str(round(pace * 100)))
        form = sdk.audio.AudioStreamFormat(request.audio.sample_rate, 16, 1)
        self._stream = sdk.audio.PushAudioInputStream(form)
        audio = sdk.audio.AudioConfig(stream=self._stream)
        self._transcriber = sdk.transcription.ConversationTranscriber(
            config, audio, **_languages(request)
        )
        if request.phrases:
            grammar = sdk.PhraseListGrammar.from_recognizer(self._transcriber)
            for phrase in request.phrases:
                grammar.addPhrase(phrase)
        self._connect()

    def start(self) -> None:
        """Begin; what goes wrong is told.

        Raises:
            BackendError: the SDK itself refuses.
        """
        try:
            self._transcriber.start_transcribing_async().get()
        except RuntimeError as error:
            raise BackendError(f"The Speech SDK does not start: {_short(str(error))}") from None

    def write(self, pcm: bytes) -> None:
        """Give mono audio; it is copied, and sent in the SDK's own time."""
        self._stream.write(pcm)

    def end(self) -> None:
        """Say that no more audio will come."""
        self._stream.close()

    def refresh(self) -> None:
        """Give the SDK the token that is valid now: it does not renew one by itself.

        In 1.53 a credential given to it is asked once, before the first connection.
        """
        try:
            token = self._sign_in.token()
        except Exception as error:  # whatever a credential may raise
            # The one there is may do until the end; if not, the service will say so.
            _logger.warning("The token cannot be renewed just now (%s).", type(error).__name__)
            return
        if token != self._token:
            self._token = token
            # The transcriber's own setter is broken in 1.53; its base class has it right.
            renew = sdk.Recognizer.authorization_token.fset
            assert renew is not None
            renew(self._transcriber, token)

    def stop(self) -> None:
        """Begin to stop and to release everything; nothing is told any more."""
        self._stopping.start()

    def wait_stopped(self, seconds: float) -> None:
        """Wait until that is done: where the service is silent, the SDK takes ten seconds."""
        self._stopping.join(seconds)

    def _stop(self) -> None:
        """Stop, unless it has ended by itself: then the SDK would wait ten seconds for nothing."""
        transcriber = self._transcriber
        ended = self._ended.is_set() and self._stopped.wait(_LEAVE_SECONDS)
        for signal in (*self._signals(), transcriber.session_stopped):
            signal.disconnect_all()
        if not ended:
            with suppress(RuntimeError):  # it is gone one way or the other
                transcriber.stop_transcribing_async().get()
        self._stream.close()

    def _connect(self) -> None:
        for signal, read in self._signals().items():
            signal.connect(partial(self._tell, read))
        self._transcriber.session_stopped.connect(lambda _: self._stopped.set())

    def _signals(self) -> dict[Any, Callable[[Any], Said]]:
        """Give the signals that say something, and how that is read."""
        transcriber = self._transcriber
        return {
            transcriber.transcribing: lambda event: _guess(event.result),
            transcriber.transcribed: lambda event: _final(event.result),
            transcriber.canceled: _ending,
            transcriber.speech_start_detected: lambda event: SpeechEdge(True, event.offset),
            transcriber.speech_end_detected: lambda event: SpeechEdge(False, event.offset),
        }

    def _tell(self, read: Callable[[Any], Said], event: Any) -> None:
        """Tell an event; on the SDK's threads nobody would see an error."""
        try:
            said = read(event)
        except (ValueError, TypeError, AttributeError) as error:
            name = type(error).__name__
            said = Broken(BackendError(f"The service's answer cannot be read ({name})."))
        if isinstance(said, Stopped | Broken):
            self._ended.set()
        self._told(said)


def connect(
    request: MeetingRequest, access: Access, pace: float, told: Callable[[Said], None]
) -> Recogniser:
    """Make a recogniser.

    Raises:
        AuthenticationError: the credential gives no token.
        BackendError: the SDK does not take what it is given, or cannot run here.
    """
    try:
        return Recogniser(request, access, pace, told)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise BackendError(f"The Speech SDK refuses: {_short(str(error))}") from None
    except Exception as error:
        # A credential may fail in ways of its own; its text may hold no secret, but might.
        raise AuthenticationError(
            f"The credential gives no token ({type(error).__name__}): sign in again."
        ) from error


def _config(request: MeetingRequest, access: Access, token: str) -> sdk.SpeechConfig:
    if access.endpoint:
        config = _with_endpoint(access)
        if token:
            config.authorization_token = token
    elif access.key:
        config = sdk.SpeechConfig(subscription=access.key, region=access.region)
    else:
        config = sdk.SpeechConfig(auth_token=token, region=access.region)
    config.speech_recognition_language = request.language
    if request.word_timestamps:
        config.request_word_level_timestamps()
    _apply(config, request)
    return config


def _with_endpoint(access: Access) -> sdk.SpeechConfig:
    if access.key:
        return sdk.SpeechConfig(subscription=access.key, endpoint=access.endpoint)
    return sdk.SpeechConfig(endpoint=access.endpoint)


def _apply(config: sdk.SpeechConfig, request: MeetingRequest) -> None:
    for name, value in request.settings.items():
        if name in _PROPERTIES:
            config.set_property(_PROPERTIES[name], value)
        elif name == "detailed":
            config.output_format = sdk.OutputFormat.Detailed
        elif name == "dictation":
            config.enable_dictation()
        elif name == "proxy":
            parts = urlsplit(value)
            config.set_proxy(
                str(parts.hostname),
                parts.port or 80,
                unquote(parts.username or "") or None,
                unquote(parts.password or "") or None,
            )


def _languages(request: MeetingRequest) -> dict[str, Any]:
    """Give the argument that names several languages, where there are several."""
    if not request.languages:
        return {}
    configs = [
        sdk.languageconfig.SourceLanguageConfig(*((tag, model) if model else (tag,)))
        for tag, model in request.languages
    ]
    detect = sdk.languageconfig.AutoDetectSourceLanguageConfig(sourceLanguageConfigs=configs)
    return {"auto_detect_source_language_config": detect}


def _ending(event: Any) -> Said:
    details = event.cancellation_details
    if details.reason == sdk.CancellationReason.EndOfStream:
        return Stopped()
    kind = _ERRORS.get(details.code, BackendError)
    said = _short(details.error_details) or details.code.name
    advice = _ADVICE.get(kind, "")
    return Broken(kind(f"Real-time transcription ended: {said} {advice}".rstrip()))


def _guess(result: Any) -> Guess:
    return Guess(result.text, result.offset, result.duration, result.speaker_id or "")


def _final(result: Any) -> FinalResult:
    understood = result.reason == sdk.ResultReason.RecognizedSpeech
    document = _document(result)
    return FinalResult(
        result.text if understood else "",
        result.offset,
        result.duration,
        result.speaker_id or "",
        str(document.get("PrimaryLanguage", {}).get("Language", "")),
        tuple(_words(document, result.offset)),
    )


def _document(result: Any) -> dict[str, Any]:
    try:
        found = json.loads(result.json or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _words(document: dict[str, Any], offset: int) -> list[Word]:
    """Give the words of the best alternative; their offsets count as the document's own."""
    best: dict[str, Any] = next(iter(document.get("NBest") or ()), {})
    moved = offset - int(document.get("Offset", offset))
    return [
        Word(
            str(word.get("Word", "")),
            int(word.get("Offset", 0)) + moved,
            int(word.get("Duration", 0)),
            word.get("Confidence"),
        )
        for word in best.get("DisplayWords") or best.get("Words") or ()
    ]


def _short(text: str) -> str:
    """Give the first line, without addresses' queries and the SDK's stack of frames."""
    line = text.strip().split("\n", 1)[0].split("[CALL STACK", 1)[0]
    return " ".join(word.split("?")[0] for word in line.split())
