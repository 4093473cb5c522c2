"""The names of the SDK's module ``speech``."""

from __future__ import annotations

from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.events import EventSignal, ResultFuture
from speech_compat._sdk.passthrough import passthrough
from speech_compat._sdk.recognizer import Connection, PhraseListGrammar, Recognizer
from speech_compat._sdk.results import (
    CancellationDetails,
    ConnectionEventArgs,
    NoMatchDetails,
    RecognitionEventArgs,
    RecognitionResult,
    SessionEventArgs,
    SpeechRecognitionCanceledEventArgs,
    SpeechRecognitionEventArgs,
    SpeechRecognitionResult,
)
from speech_compat.audio import AudioConfig
from speech_compat.enums import (
    CancellationErrorCode,
    CancellationReason,
    NoMatchReason,
    OutputFormat,
    ProfanityOption,
    ResultReason,
    ServicePropertyChannel,
)
from speech_compat.languageconfig import AutoDetectSourceLanguageConfig, SourceLanguageConfig
from speech_compat.properties import PropertyCollection, PropertyId

__all__ = [
    "AudioConfig",
    "AutoDetectSourceLanguageConfig",
    "CancellationDetails",
    "CancellationErrorCode",
    "CancellationReason",
    "Connection",
    "ConnectionEventArgs",
    "EventSignal",
    "NoMatchDetails",
    "NoMatchReason",
    "OutputFormat",
    "PhraseListGrammar",
    "ProfanityOption",
    "PropertyCollection",
    "PropertyId",
    "RecognitionEventArgs",
    "RecognitionResult",
    "Recognizer",
    "ResultFuture",
    "ResultReason",
    "ServicePropertyChannel",
    "SessionEventArgs",
    "SourceLanguageConfig",
    "SpeechConfig",
    "SpeechRecognitionCanceledEventArgs",
    "SpeechRecognitionEventArgs",
    "SpeechRecognitionResult",
]

__getattr__ = passthrough(__name__)
