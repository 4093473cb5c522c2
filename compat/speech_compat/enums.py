"""The enumerations of the legacy interface.

Names and values are those of azure-cognitiveservices-speech 1.28.0, 1.43.0 and
1.53.0, which agree wherever a member exists in more than one of them.
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "AudioStreamContainerFormat",
    "AudioStreamWaveFormat",
    "CancellationErrorCode",
    "CancellationReason",
    "NoMatchReason",
    "OutputFormat",
    "ProfanityOption",
    "ResultReason",
    "ServicePropertyChannel",
    "Transcription",
]


class ResultReason(Enum):
    """Why a result was made; transcriptions use the first four."""

    NoMatch = 0
    Canceled = 1
    RecognizingSpeech = 2
    RecognizedSpeech = 3
    RecognizingIntent = 4
    RecognizedIntent = 5
    TranslatingSpeech = 6
    TranslatedSpeech = 7
    SynthesizingAudio = 8
    SynthesizingAudioCompleted = 9
    RecognizingKeyword = 10
    RecognizedKeyword = 11
    SynthesizingAudioStarted = 12
    TranslatingParticipantSpeech = 13
    TranslatedParticipantSpeech = 14
    TranslatedInstantMessage = 15
    TranslatedParticipantInstantMessage = 16
    EnrollingVoiceProfile = 17
    EnrolledVoiceProfile = 18
    RecognizedSpeakers = 19
    RecognizedSpeaker = 20
    ResetVoiceProfile = 21
    DeletedVoiceProfile = 22
    VoicesListRetrieved = 23


class CancellationReason(Enum):
    """Why a transcription was canceled; ``EndOfStream`` is its normal end."""

    Error = 1
    EndOfStream = 2
    CancelledByUser = 3


class CancellationErrorCode(Enum):
    """What kind of error canceled a transcription."""

    NoError = 0
    AuthenticationFailure = 1
    BadRequest = 2
    TooManyRequests = 3
    Forbidden = 4
    ConnectionFailure = 5
    ServiceTimeout = 6
    ServiceError = 7
    ServiceUnavailable = 8
    RuntimeError = 9
    ServiceRedirectTemporary = 10
    ServiceRedirectPermanent = 11
    EmbeddedModelError = 12


class NoMatchReason(Enum):
    """Why nothing was recognised."""

    NotRecognized = 1
    InitialSilenceTimeout = 2
    InitialBabbleTimeout = 3
    KeywordNotRecognized = 4
    EndSilenceTimeout = 5


class OutputFormat(Enum):
    """How detailed results are."""

    Simple = 0
    Detailed = 1


class ProfanityOption(Enum):
    """What is done with profanity."""

    Masked = 0
    Removed = 1
    Raw = 2


class ServicePropertyChannel(Enum):
    """How a service property travels."""

    UriQueryParameter = 0
    HttpHeader = 1


class AudioStreamContainerFormat(Enum):
    """Containers of compressed audio."""

    OGG_OPUS = 257
    MP3 = 258
    FLAC = 259
    ALAW = 260
    MULAW = 261
    AMRNB = 262
    AMRWB = 263
    ANY = 264


class AudioStreamWaveFormat(Enum):
    """How samples are encoded."""

    PCM = 1
    ALAW = 6
    MULAW = 7
    G722 = 655


class Transcription:
    """Holds one enumeration, as in the real package."""

    class ParticipantChangedReason(Enum):
        """Why a participant changed."""

        JoinedConversation = 0
        LeftConversation = 1
        Updated = 2
