"""The enumerations of the legacy interface.

Names and values are those of azure-cognitiveservices-speech 1.28.0, 1.43.0 and 1.53.0.
Each enumeration has the members of all three versions, whose common members agree
(docs/protocol/legacy-interface.md, 4.5).  They compare equal to those of the real package.
"""

from __future__ import annotations

from enum import Enum

from speech_compat._sdk.interop import SdkMember
from speech_compat._sdk.passthrough import passthrough

__all__ = [
    "AudioStreamContainerFormat",
    "AudioStreamWaveFormat",
    "CancellationErrorCode",
    "CancellationReason",
    "NoMatchReason",
    "OutputFormat",
    "ProfanityOption",
    "PropertyId",
    "ResultReason",
    "ServicePropertyChannel",
    "Transcription",
]

__getattr__ = passthrough(__name__)


class ResultReason(SdkMember, Enum):
    """The kind of a result; transcriptions use the first four."""

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


class CancellationReason(SdkMember, Enum):
    """Why a transcription was canceled; ``EndOfStream`` is its normal end."""

    Error = 1
    EndOfStream = 2
    CancelledByUser = 3


class CancellationErrorCode(SdkMember, Enum):
    """The kind of error that canceled a transcription."""

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


class NoMatchReason(SdkMember, Enum):
    """Why nothing was recognized."""

    NotRecognized = 1
    InitialSilenceTimeout = 2
    InitialBabbleTimeout = 3
    KeywordNotRecognized = 4
    EndSilenceTimeout = 5


class OutputFormat(SdkMember, Enum):
    """The level of detail of results."""

    Simple = 0
    Detailed = 1


class ProfanityOption(SdkMember, Enum):
    """How profanity is handled."""

    Masked = 0
    Removed = 1
    Raw = 2


class ServicePropertyChannel(SdkMember, Enum):
    """How a service property is sent."""

    UriQueryParameter = 0
    HttpHeader = 1


class AudioStreamContainerFormat(SdkMember, Enum):
    """Containers of compressed audio."""

    OGG_OPUS = 257
    MP3 = 258
    FLAC = 259
    ALAW = 260
    MULAW = 261
    AMRNB = 262
    AMRWB = 263
    ANY = 264


class AudioStreamWaveFormat(SdkMember, Enum):
    """Encodings of samples."""

    PCM = 1
    ALAW = 6
    MULAW = 7
    G722 = 655


class Transcription:
    """Namespace of one enumeration, as in the real package."""

    class ParticipantChangedReason(SdkMember, Enum):
        """Why a participant changed."""

        JoinedConversation = 0
        LeftConversation = 1
        Updated = 2


class PropertyId(SdkMember, Enum):
    """Ids of properties."""

    SpeechServiceConnection_Key = 1000
    SpeechServiceConnection_Endpoint = 1001
    SpeechServiceConnection_Region = 1002
    SpeechServiceAuthorization_Token = 1003
    SpeechServiceAuthorization_Type = 1004
    SpeechServiceConnection_EndpointId = 1005
    SpeechServiceConnection_Host = 1006
    SpeechServiceConnection_ProxyHostName = 1100
    SpeechServiceConnection_ProxyPort = 1101
    SpeechServiceConnection_ProxyUserName = 1102
    SpeechServiceConnection_ProxyPassword = 1103
    SpeechServiceConnection_Url = 1104
    SpeechServiceConnection_ProxyHostBypass = 1105
    SpeechServiceConnection_EnableIpv6 = 1106
    SpeechServiceConnection_TranslationToLanguages = 2000
    SpeechServiceConnection_TranslationVoice = 2001
    SpeechServiceConnection_TranslationFeatures = 2002
    SpeechServiceConnection_IntentRegion = 2003
    SpeechServiceConnection_RecoMode = 3000
    SpeechServiceConnection_RecoLanguage = 3001
    Speech_SessionId = 3002
    SpeechServiceConnection_UserDefinedQueryParameters = 3003
    SpeechServiceConnection_RecoBackend = 3004
    SpeechServiceConnection_RecoModelName = 3005
    SpeechServiceConnection_RecoModelKey = 3006
    SpeechServiceConnection_RecoModelIniFile = 3007
    SpeechServiceConnection_SynthLanguage = 3100
    SpeechServiceConnection_SynthVoice = 3101
    SpeechServiceConnection_SynthOutputFormat = 3102
    SpeechServiceConnection_SynthEnableCompressedAudioTransmission = 3103
    SpeechServiceConnection_SynthBackend = 3110
    SpeechServiceConnection_SynthOfflineDataPath = 3112
    SpeechServiceConnection_SynthOfflineVoice = 3113
    SpeechServiceConnection_SynthModelKey = 3114
    SpeechServiceConnection_VoicesListEndpoint = 3130
    SpeechServiceConnection_InitialSilenceTimeoutMs = 3200
    SpeechServiceConnection_EndSilenceTimeoutMs = 3201
    SpeechServiceConnection_EnableAudioLogging = 3202
    SpeechServiceConnection_LanguageIdMode = 3205
    SpeechServiceConnection_TranslationCategoryId = 3206
    SpeechServiceConnection_AutoDetectSourceLanguages = 3300
    SpeechServiceConnection_AutoDetectSourceLanguageResult = 3301
    SpeechServiceResponse_RequestDetailedResultTrueFalse = 4000
    SpeechServiceResponse_RequestProfanityFilterTrueFalse = 4001
    SpeechServiceResponse_ProfanityOption = 4002
    SpeechServiceResponse_PostProcessingOption = 4003
    SpeechServiceResponse_RequestWordLevelTimestamps = 4004
    SpeechServiceResponse_StablePartialResultThreshold = 4005
    SpeechServiceResponse_OutputFormatOption = 4006
    SpeechServiceResponse_RequestSnr = 4007
    SpeechServiceResponse_TranslationRequestStablePartialResult = 4100
    SpeechServiceResponse_RequestWordBoundary = 4200
    SpeechServiceResponse_RequestPunctuationBoundary = 4201
    SpeechServiceResponse_RequestSentenceBoundary = 4202
    SpeechServiceResponse_SynthesisEventsSyncToAudio = 4210
    SpeechServiceResponse_JsonResult = 5000
    SpeechServiceResponse_JsonErrorDetails = 5001
    SpeechServiceResponse_RecognitionLatencyMs = 5002
    SpeechServiceResponse_RecognitionBackend = 5003
    SpeechServiceResponse_RequestId = 5004
    SpeechServiceResponse_SynthesisFirstByteLatencyMs = 5010
    SpeechServiceResponse_SynthesisFinishLatencyMs = 5011
    SpeechServiceResponse_SynthesisUnderrunTimeMs = 5012
    SpeechServiceResponse_SynthesisConnectionLatencyMs = 5013
    SpeechServiceResponse_SynthesisNetworkLatencyMs = 5014
    SpeechServiceResponse_SynthesisServiceLatencyMs = 5015
    SpeechServiceResponse_SynthesisBackend = 5020
    SpeechServiceResponse_DiarizeIntermediateResults = 5025
    CancellationDetails_Reason = 6000
    CancellationDetails_ReasonText = 6001
    CancellationDetails_ReasonDetailedText = 6002
    LanguageUnderstandingServiceResponse_JsonResult = 7000
    AudioConfig_DeviceNameForCapture = 8000
    AudioConfig_NumberOfChannelsForCapture = 8001
    AudioConfig_SampleRateForCapture = 8002
    AudioConfig_BitsPerSampleForCapture = 8003
    AudioConfig_AudioSource = 8004
    AudioConfig_DeviceNameForRender = 8005
    AudioConfig_PlaybackBufferLengthInMs = 8006
    AudioConfig_AudioProcessingOptions = 8007
    Speech_LogFilename = 9001
    Speech_SegmentationSilenceTimeoutMs = 9002
    Speech_SegmentationMaximumTimeMs = 9003
    Speech_SegmentationStrategy = 9004
    Speech_StartEventSensitivity = 9010
    Speech_EnableMultiChannelProcessing = 9020
    Conversation_ApplicationId = 10000
    Conversation_DialogType = 10001
    Conversation_Initial_Silence_Timeout = 10002
    Conversation_From_Id = 10003
    Conversation_Conversation_Id = 10004
    Conversation_Custom_Voice_Deployment_Ids = 10005
    Conversation_Speech_Activity_Template = 10006
    Conversation_ParticipantId = 10007
    Conversation_Request_Bot_Status_Messages = 10008
    Conversation_Connection_Id = 10009
    DataBuffer_TimeStamp = 11001
    DataBuffer_UserId = 11002
    PronunciationAssessment_ReferenceText = 12001
    PronunciationAssessment_GradingSystem = 12002
    PronunciationAssessment_Granularity = 12003
    PronunciationAssessment_EnableMiscue = 12005
    PronunciationAssessment_PhonemeAlphabet = 12006
    PronunciationAssessment_NBestPhonemeCount = 12007
    PronunciationAssessment_EnableProsodyAssessment = 12008
    PronunciationAssessment_Json = 12009
    PronunciationAssessment_Params = 12010
    PronunciationAssessment_ContentTopic = 12020
    SpeakerRecognition_Api_Version = 13001
    SpeechTranslation_ModelName = 13100
    KeywordRecognition_ModelName = 13200
    SpeechSynthesisRequest_Pitch = 14001
    SpeechSynthesisRequest_Rate = 14002
    SpeechSynthesisRequest_Volume = 14003
    SpeechSynthesisRequest_Style = 14004
    SpeechSynthesisRequest_Temperature = 14005
    SpeechSynthesisRequest_CustomLexiconUrl = 14006
    SpeechSynthesisRequest_PreferLocales = 14007
    SpeechSynthesis_FrameTimeoutInterval = 14101
    SpeechSynthesis_RtfTimeoutThreshold = 14102
