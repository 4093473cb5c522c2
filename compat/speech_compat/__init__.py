"""Drop-in replacement for the SDK names of Azure's retired meeting transcription.

Programs write ``import speech_compat as speechsdk`` instead of
``import azure.cognitiveservices.speech as speechsdk``.  The submodules keep the SDK's names.
The import starts no thread and loads no backend.
"""

from __future__ import annotations

from speech_adapters.gap import GapWarning
from speech_adapters.masking import mask_logger
from speech_compat import audio, enums, languageconfig, properties, speech, transcription
from speech_compat._sdk.passthrough import passthrough
from speech_compat.enrollment import create_voice_signature
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

# A literal, although it repeats speech.__all__: type checkers would not export the names else.
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
    "GapWarning",
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
    "create_voice_signature",
    "enums",
    "languageconfig",
    "properties",
    "speech",
    "transcription",
]

__getattr__ = passthrough(__name__)

mask_logger(__name__)
