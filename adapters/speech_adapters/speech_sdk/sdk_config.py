"""Configures the Speech SDK for a request: endpoint, credentials, settings, languages."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import azure.cognitiveservices.speech as sdk

from speech_adapters.azure.user_agent import user_agent
from speech_adapters.request import MeetingRequest, Mode
from speech_adapters.speech_sdk.options import Access

__all__ = ["language_arguments", "meeting_config", "speech_config"]

_Id: Final = sdk.PropertyId
_PACKAGE: Final = "azure-cognitiveservices-speech"
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
# Without this property the SDK creates no meeting, and without the next one all speakers that
# have no voice signature are one (docs/protocol/legacy-interface.md, 3.1).
_MEETING: Final = "ConversationTranscriptionInRoomAndOnline"
_SEPARATE: Final = "DifferentiateGuestSpeakers"
_MODES: Final = {Mode.STORED: "async", Mode.BOTH: "RealTimeAndAsync"}


def speech_config(
    request: MeetingRequest, access: Access, token: str, pace: float
) -> sdk.SpeechConfig:
    """Return the configuration of a transcriber.

    Args:
        request: what the program requested.
        access: endpoint and credentials of the Speech resource.
        token: the token that is valid now; empty for a key.
        pace: largest speed of sending audio, in multiples of real time.
    """
    if access.endpoint:
        config = _with_endpoint(access)
        if token:
            config.authorization_token = token
    elif access.key:
        config = sdk.SpeechConfig(subscription=access.key, region=access.region)
    else:
        config = sdk.SpeechConfig(auth_token=token, region=access.region)
    # With another spelling of the name, the SDK would send a second header beside its own.
    config.set_service_property(
        "User-agent",
        f"{user_agent()} SpeechSDK-Python/{version(_PACKAGE)}",
        sdk.ServicePropertyChannel.HttpHeader,
    )
    config.speech_recognition_language = request.language
    if request.word_timestamps:
        config.request_word_level_timestamps()
    config.set_property_by_name(_THROTTLE, str(round(pace * 100)))
    _apply(config, request)
    return config


def meeting_config(
    request: MeetingRequest, access: Access, token: str, pace: float
) -> sdk.SpeechConfig:
    """Return the configuration of a meeting; see :func:`speech_config` for the arguments."""
    config = speech_config(request, access, token, pace)
    config.set_property_by_name(_MEETING, "true")
    if request.differentiate_speakers:
        config.set_property_by_name(_SEPARATE, "true")
    if request.mode in _MODES:
        config.set_service_property(
            "transcriptionMode",
            _MODES[request.mode],
            sdk.ServicePropertyChannel.UriQueryParameter,
        )
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


def language_arguments(request: MeetingRequest) -> dict[str, Any]:
    """Return the arguments of a transcriber that detects languages, if it has to."""
    if not request.languages:
        return {}
    configs = [
        sdk.languageconfig.SourceLanguageConfig(*((tag, model) if model else (tag,)))
        for tag, model in request.languages
    ]
    detect = sdk.languageconfig.AutoDetectSourceLanguageConfig(sourceLanguageConfigs=configs)
    return {"auto_detect_source_language_config": detect}
