"""The names of properties whose name differs from that of their id.

Observed in azure-cognitiveservices-speech 1.53.0: each value was set by id and read by name.
The last three ids exist only up to 1.43.0 and were observed there.  ``tests/oracle`` compares
the table with the installed package.
"""

from __future__ import annotations

from typing import Final

from speech_compat.enums import PropertyId

__all__ = ["NAMES"]

NAMES: Final = {
    PropertyId.SpeechServiceConnection_Key: "SPEECH-SubscriptionKey",
    PropertyId.SpeechServiceConnection_Endpoint: "SPEECH-Endpoint",
    PropertyId.SpeechServiceConnection_Host: "SPEECH-Host",
    PropertyId.SpeechServiceConnection_Region: "SPEECH-Region",
    PropertyId.SpeechServiceConnection_EndpointId: "SPEECH-ModelId",
    PropertyId.SpeechServiceConnection_ProxyHostName: "SPEECH-ProxyHostName",
    PropertyId.SpeechServiceConnection_ProxyPort: "SPEECH-ProxyPort",
    PropertyId.SpeechServiceConnection_ProxyUserName: "SPEECH-ProxyUserName",
    PropertyId.SpeechServiceConnection_ProxyPassword: "SPEECH-ProxyPassword",
    PropertyId.SpeechServiceConnection_Url: "SPEECH-ConnectionUrl",
    PropertyId.SpeechServiceConnection_ProxyHostBypass: "SPEECH-ProxyHostBypass",
    PropertyId.SpeechServiceConnection_TranslationToLanguages: "TRANSLATION-ToLanguages",
    PropertyId.SpeechServiceConnection_TranslationCategoryId: "TRANSLATION-CategoryId",
    PropertyId.SpeechServiceConnection_TranslationVoice: "TRANSLATION-Voice",
    PropertyId.SpeechServiceConnection_TranslationFeatures: "TRANSLATION-Features",
    PropertyId.SpeechServiceConnection_RecoMode: "SPEECH-RecoMode",
    PropertyId.SpeechServiceConnection_RecoLanguage: "SPEECH-RecoLanguage",
    PropertyId.SpeechServiceConnection_RecoBackend: "SPEECH-RecoBackend",
    PropertyId.SpeechServiceConnection_RecoModelName: "SPEECH-RecoModelName",
    PropertyId.SpeechServiceConnection_RecoModelKey: "SPEECH-RecoModelKey",
    PropertyId.SpeechServiceConnection_RecoModelIniFile: "SPEECH-RecoModelIniFile",
    PropertyId.SpeechServiceConnection_SynthLanguage: "SPEECH-SynthLanguage",
    PropertyId.SpeechServiceConnection_SynthVoice: "SPEECH-SynthVoice",
    PropertyId.SpeechServiceConnection_SynthOutputFormat: "SPEECH-SynthOutputFormat",
    PropertyId.SpeechServiceConnection_SynthEnableCompressedAudioTransmission: "SPEECH-SynthEnableCompressedAudioTransmission",
    PropertyId.SpeechServiceConnection_SynthBackend: "SPEECH-SynthesisBackend",
    PropertyId.SpeechServiceConnection_SynthOfflineDataPath: "SPEECH-SynthesisOfflineDataPath",
    PropertyId.SpeechServiceConnection_SynthOfflineVoice: "SPEECH-SynthesisOfflineVoice",
    PropertyId.SpeechServiceConnection_SynthModelKey: "SPEECH-SynthesisModelKey",
    PropertyId.SpeechServiceConnection_VoicesListEndpoint: "SPEECH-VoicesListEndpoint",
    PropertyId.SpeechServiceConnection_UserDefinedQueryParameters: "SPEECH-UserDefinedQueryParameters",
    PropertyId.SpeechServiceConnection_InitialSilenceTimeoutMs: "SPEECH-InitialSilenceTimeoutMs",
    PropertyId.SpeechServiceConnection_EndSilenceTimeoutMs: "SPEECH-EndSilenceTimeoutMs",
    PropertyId.SpeechServiceConnection_EnableAudioLogging: "SPEECH-EnableAudioLogging",
    PropertyId.SpeechServiceConnection_AutoDetectSourceLanguages: "Auto-Detect-Source-Languages",
    PropertyId.SpeechServiceConnection_AutoDetectSourceLanguageResult: "Auto-Detect-Source-Language-Result",
    PropertyId.SpeechServiceConnection_LanguageIdMode: "SPEECH-LanguageIdMode",
    PropertyId.SpeechServiceAuthorization_Token: "SPEECH-AuthToken",
    PropertyId.Speech_SessionId: "SessionId",
    PropertyId.SpeechServiceResponse_JsonResult: "RESULT-Json",
    PropertyId.SpeechServiceResponse_JsonErrorDetails: "RESULT-ErrorDetails",
    PropertyId.SpeechServiceResponse_RecognitionLatencyMs: "RESULT-RecognitionLatencyMs",
    PropertyId.SpeechServiceResponse_RecognitionBackend: "RESULT-RecognitionBackend",
    PropertyId.SpeechServiceResponse_RequestId: "RESULT-RequestId",
    PropertyId.SpeechServiceResponse_SynthesisFirstByteLatencyMs: "RESULT-SynthesisFirstByteLatencyMs",
    PropertyId.SpeechServiceResponse_SynthesisFinishLatencyMs: "RESULT-SynthesisFinishLatencyMs",
    PropertyId.SpeechServiceResponse_SynthesisUnderrunTimeMs: "RESULT-SynthesisUnderrunTimeMs",
    PropertyId.SpeechServiceResponse_SynthesisConnectionLatencyMs: "RESULT-SynthesisConnectionLatencyMs",
    PropertyId.SpeechServiceResponse_SynthesisNetworkLatencyMs: "RESULT-SynthesisNetworkLatencyMs",
    PropertyId.SpeechServiceResponse_SynthesisServiceLatencyMs: "RESULT-SynthesisServiceLatencyMs",
    PropertyId.SpeechServiceResponse_SynthesisBackend: "RESULT-SynthesisBackend",
    PropertyId.Speech_LogFilename: "SPEECH-LogFilename",
    PropertyId.Speech_SegmentationSilenceTimeoutMs: "SPEECH-SegmentationSilenceTimeoutMs",
    PropertyId.Speech_SegmentationMaximumTimeMs: "SPEECH-SegmentationMaximumTimeMs",
    PropertyId.Speech_SegmentationStrategy: "SPEECH-SegmentationStrategy",
    PropertyId.Speech_StartEventSensitivity: "SPEECH-StartEventSensitivity",
    PropertyId.Speech_EnableMultiChannelProcessing: "SPEECH-EnableMultiChannelProcessing",
    PropertyId.Conversation_ApplicationId: "DIALOG-ApplicationId",
    PropertyId.Conversation_DialogType: "DIALOG-DialogType",
    PropertyId.Conversation_Initial_Silence_Timeout: "DIALOG-InitialSilenceTimeout",
    PropertyId.Conversation_From_Id: "DIALOG-FromId",
    PropertyId.Conversation_Conversation_Id: "DIALOG-ConversationId",
    PropertyId.Conversation_Custom_Voice_Deployment_Ids: "DIALOG-CustomVoiceDeploymentIds",
    PropertyId.Conversation_Speech_Activity_Template: "DIALOG-SpeechActivityTemplate",
    PropertyId.Conversation_Request_Bot_Status_Messages: "DIALOG-RequestBotStatusMessages",
    PropertyId.Conversation_Connection_Id: "DIALOG-ConnectionId",
    PropertyId.SpeechServiceConnection_EnableIpv6: "SPEECH-EnableIpv6",
    PropertyId.SpeechServiceConnection_IntentRegion: "INTENT-region",
    PropertyId.LanguageUnderstandingServiceResponse_JsonResult: "RESULT-LanguageUnderstandingJson",
    PropertyId.Conversation_ParticipantId: "CONVERSATION-ParticipantId",
}
