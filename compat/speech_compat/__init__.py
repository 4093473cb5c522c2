"""Drop-in replacement for the names of Azure's retired meeting transcription.

``import speech_compat as speechsdk`` in place of
``import azure.cognitiveservices.speech as speechsdk``; the submodules have the
legacy names too.  Importing it starts nothing and loads no backend.
"""

from __future__ import annotations

from typing import Any, Final

from speech_compat import audio, enums, languageconfig, properties, speech, transcription
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
    "audio",
    "enums",
    "languageconfig",
    "properties",
    "speech",
    "transcription",
]

# What the real package has and this one leaves out, by the words in its names.
_LEFT_OUT: Final = {
    "Synthes": "speech synthesis was not retired",
    "Voice": "speech synthesis was not retired",
    "AudioDataStream": "speech synthesis was not retired",
    "StreamStatus": "speech synthesis was not retired",
    "Translation": "speech translation was not retired",
    "translation": "speech translation was not retired",
    "dialog": "bots are no part of meeting transcription",
    "Dialog": "bots are no part of meeting transcription",
    "intent": "intent recognition is no part of meeting transcription",
    "Intent": "intent recognition is no part of meeting transcription",
    "Keyword": "keyword recognition is no part of meeting transcription",
    "Pronunciation": "pronunciation assessment is no part of meeting transcription",
    "SyllableLevel": "pronunciation assessment is no part of meeting transcription",
    "SpeechRecogni": "recognition of single speakers was not retired",
    "SourceLanguageRecognizer": "language identification was not retired",
    "AutoDetectSourceLanguageResult": "language identification was not retired",
    "EmbeddedSpeechConfig": "embedded recognition was not retired",
    "GrammarPhrase": "grammars are no part of meeting transcription",
    "LogLevel": "logging goes through Python's own module logging",
    "diagnostics": "logging goes through Python's own module logging",
    "interop": "there is no native library underneath",
}


def __getattr__(name: str) -> Any:
    for word, reason in _LEFT_OUT.items():
        if word in name:
            raise NotImplementedError(
                f"speech_compat leaves out {name!r}: {reason}. Import it from"
                " azure.cognitiveservices.speech beside this package."
            )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
