"""Drop-in replacement for the names of Azure's retired meeting transcription.

``import speech_compat as speechsdk`` in place of
``import azure.cognitiveservices.speech as speechsdk``; the submodules have the
legacy names too.  Importing it starts nothing and loads no backend.
"""

from __future__ import annotations

from speech_compat import audio, enums, languageconfig, properties, speech, transcription
from speech_compat._sdk.unsupported import left_out_of
from speech_compat.enums import AudioStreamContainerFormat, AudioStreamWaveFormat
from speech_compat.remote_conversation import (
    RemoteConversationTranscriptionClient,
    RemoteConversationTranscriptionOperation,
    RemoteConversationTranscriptionResult,
)
from speech_compat.remote_meeting import (
    RemoteMeetingTranscriptionClient,
    RemoteMeetingTranscriptionOperation,
    RemoteMeetingTranscriptionResult,
)
from speech_compat.speech import (
    AudioConfig,
    AutoDetectSourceLanguageConfig,
    CancellationDetails,
    CancellationErrorCode,
    CancellationReason,
    Connection,
    ConnectionEventArgs,
    EventSignal,
    NoMatchDetails,
    NoMatchReason,
    OutputFormat,
    PhraseListGrammar,
    ProfanityOption,
    PropertyCollection,
    PropertyId,
    RecognitionEventArgs,
    RecognitionResult,
    Recognizer,
    ResultFuture,
    ResultReason,
    ServicePropertyChannel,
    SessionEventArgs,
    SourceLanguageConfig,
    SpeechConfig,
    SpeechRecognitionCanceledEventArgs,
    SpeechRecognitionEventArgs,
    SpeechRecognitionResult,
)

__all__ = [
    "AudioConfig",
    "AudioStreamContainerFormat",
    "AudioStreamWaveFormat",
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
    "RemoteConversationTranscriptionClient",
    "RemoteConversationTranscriptionOperation",
    "RemoteConversationTranscriptionResult",
    "RemoteMeetingTranscriptionClient",
    "RemoteMeetingTranscriptionOperation",
    "RemoteMeetingTranscriptionResult",
    "ResultFuture",
    "ResultReason",
    "ServicePropertyChannel",
    "SessionEventArgs",
    "SourceLanguageConfig",
    "SpeechConfig",
    "SpeechRecognitionCanceledEventArgs",
    "SpeechRecognitionEventArgs",
    "SpeechRecognitionResult",
    "audio",
    "enums",
    "languageconfig",
    "properties",
    "speech",
    "transcription",
]

__getattr__ = left_out_of(__name__)
