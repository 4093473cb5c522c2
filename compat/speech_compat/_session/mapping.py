"""Where legacy calls become contract calls, and what comes back becomes legacy results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee, Gap, MeetingRequest, Mode
from speech_adapters.errors import (
    AudioError,
    AuthenticationError,
    ConfigurationError,
    RefusedError,
    ServiceFailedError,
    SpeechError,
    ThrottledError,
    TimedOutError,
    UnavailableError,
    UnreachableError,
    UnsupportedError,
)
from speech_adapters.transcript import LabelStyle, Transcript, Utterance
from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.meeting import Gathering
from speech_compat._sdk.results import ResultRecord
from speech_compat.enums import CancellationErrorCode, CancellationReason, ResultReason
from speech_compat.properties import PropertyId

if TYPE_CHECKING:
    from speech_adapters.config import Settings

__all__ = [
    "DIARIZATION",
    "MEETING",
    "Labels",
    "Plan",
    "attendees",
    "canceled",
    "code_of",
    "error_result",
    "mode_of",
    "recognized",
    "remote_document",
    "remote_records",
    "settings_of",
    "tell_gaps",
]

_PREFIX: Final = "speech-compat."
_MODES: Final = {"async": Mode.STORED, "realtimeandasync": Mode.BOTH}
_CODES: Final = (
    (AuthenticationError, CancellationErrorCode.AuthenticationFailure),
    (ThrottledError, CancellationErrorCode.TooManyRequests),
    (UnreachableError, CancellationErrorCode.ConnectionFailure),
    (TimedOutError, CancellationErrorCode.ServiceTimeout),
    (ServiceFailedError, CancellationErrorCode.ServiceError),
    (UnavailableError, CancellationErrorCode.ServiceUnavailable),
    (RefusedError, CancellationErrorCode.BadRequest),
    (AudioError, CancellationErrorCode.BadRequest),
    (ConfigurationError, CancellationErrorCode.BadRequest),
    (UnsupportedError, CancellationErrorCode.BadRequest),
)
# What can be set, by the names it has in the contract.
_SETTINGS: Final = {
    PropertyId.SpeechServiceConnection_EndpointId: "endpoint_id",
    PropertyId.SpeechServiceConnection_EnableAudioLogging: "audio_logging",
    PropertyId.SpeechServiceConnection_ProxyHostName: "proxy",
    PropertyId.SpeechServiceConnection_RecoMode: "dictation",
    PropertyId.SpeechServiceConnection_InitialSilenceTimeoutMs: "initial_silence_ms",
    PropertyId.SpeechServiceConnection_EndSilenceTimeoutMs: "end_silence_ms",
    PropertyId.SpeechServiceResponse_DiarizeIntermediateResults: "diarize_hypotheses",
    PropertyId.SpeechServiceResponse_PostProcessingOption: "post_processing",
    PropertyId.SpeechServiceResponse_ProfanityOption: "profanity",
    PropertyId.SpeechServiceResponse_RequestDetailedResultTrueFalse: "detailed",
    PropertyId.Speech_SegmentationMaximumTimeMs: "segmentation_max_ms",
    PropertyId.Speech_SegmentationSilenceTimeoutMs: "segmentation_silence_ms",
    PropertyId.Speech_SegmentationStrategy: "segmentation_strategy",
}
_OFF: Final = ("", "false")
_logger = logging.getLogger("speech_compat")
_told: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Labels:
    """How an era names speakers and utterances.

    ``corrects``: whether an utterance is sent again when its speaker turns out to be
    another, with a different ``UtteranceId`` (docs/protocol/legacy-interface.md, 3.5).
    """

    style: LabelStyle
    corrects: bool


MEETING: Final = Labels(LabelStyle.MEETING, corrects=True)
DIARIZATION: Final = Labels(LabelStyle.DIARIZATION, corrects=False)


@dataclass(frozen=True)
class Plan:
    """A meeting as the program asked for it; the audio's format comes with the audio."""

    config: SpeechConfig
    meeting_id: str
    mode: Mode
    language: str
    differentiate: bool
    attendees: tuple[Attendee, ...]
    phrases: tuple[str, ...]
    languages: tuple[tuple[str, str], ...] = ()
    custom_model: str = ""
    token: Callable[[], str] | None = None

    def request(self, audio: PcmFormat, notes: tuple[str, ...] = ()) -> MeetingRequest:
        """Give the request for audio of that format; ``notes`` say what is wrong with it."""
        words = PropertyId.SpeechServiceResponse_RequestWordLevelTimestamps
        return MeetingRequest(
            meeting_id=self.meeting_id,
            audio=audio,
            mode=self.mode,
            language=self.language,
            differentiate_speakers=self.differentiate,
            attendees=self.attendees,
            phrases=self.phrases,
            word_timestamps=self.config.get_property(words) == "true",
            notes=notes,
            languages=self.languages,
            settings={
                **_settings_asked(self.config),
                **({"endpoint_id": self.custom_model} if self.custom_model else {}),
            },
        )


def attendees(gathering: Gathering | None) -> tuple[Attendee, ...]:
    """Give who was added to a meeting."""
    people = gathering._participants.values() if gathering is not None else ()
    return tuple(
        Attendee(p.participant_id, p._preferred_language, bool(p._voice_signature)) for p in people
    )


def settings_of(config: SpeechConfig, token: Callable[[], str] | None = None) -> Settings:
    """Gather the settings; properties that begin with ``speech-compat.`` come first.

    Args:
        config: what the program set.
        token: gives the token that is valid now, where the program signs in with one.

    Raises:
        ConfigurationError: one is wrong.
    """
    from speech_adapters.config import load_settings

    items = config._properties._items()
    given = {k.removeprefix(_PREFIX): v for k, v in items if k.startswith(_PREFIX)}
    own = token or (lambda: config.authorization_token)
    return load_settings({**_service_of(config, own), **given})


def _service_of(config: SpeechConfig, token: Callable[[], str]) -> dict[str, Any]:
    """Give whom the program itself names, and as whom it signs in."""
    host = config.get_property(PropertyId.SpeechServiceConnection_Host)
    found = {
        "service.key": config.subscription_key,
        "service.region": config.region,
        "service.endpoint": config.get_property(PropertyId.SpeechServiceConnection_Endpoint)
        or host,
        "service.credential": config.token_credential,
        # Asked for whenever one is needed: programs renew it while a meeting runs.
        "service.token": token if token() else None,
    }
    return {name: value for name, value in found.items() if value}


def mode_of(config: SpeechConfig, stored: bool) -> Mode:
    """Read the service property ``transcriptionMode``; without an id nothing is ``stored``.

    ``async`` and ``RealTimeAndAsync`` are the documented values
    (docs/protocol/legacy-interface.md, 3.1); anything else is real time, as in the legacy service.
    """
    if not stored:
        return Mode.LIVE
    query = config.get_property(PropertyId.SpeechServiceConnection_UserDefinedQueryParameters)
    values = parse_qs(query).get("transcriptionMode", [""])
    return _MODES.get(values[-1].lower(), Mode.LIVE)


def _settings_asked(config: SpeechConfig) -> dict[str, str]:
    """Give what the program set, by the names of the contract."""
    found = {name: config.get_property(id_) for id_, name in _SETTINGS.items()}
    if found["proxy"]:
        found["proxy"] = _proxy(config)
    return {name: value for name, value in found.items() if value.lower() not in _OFF}


def _proxy(config: SpeechConfig) -> str:
    """Give the proxy as an address: ``http://user:password@host:port``."""
    host, port, user, password = (
        config.get_property(name)
        for name in (
            PropertyId.SpeechServiceConnection_ProxyHostName,
            PropertyId.SpeechServiceConnection_ProxyPort,
            PropertyId.SpeechServiceConnection_ProxyUserName,
            PropertyId.SpeechServiceConnection_ProxyPassword,
        )
    )
    owner = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    return f"http://{owner}{host}:{port}"


def tell_gaps(backend: str, gaps: tuple[Gap, ...]) -> None:
    """Log what will be lost, each once in a process."""
    for gap in gaps:
        if (backend, gap.id) not in _told:
            _told.add((backend, gap.id))
            _logger.warning("Backend %r [%s]: %s; %s.", backend, gap.id, gap.reason, gap.way_out)


def code_of(error: SpeechError) -> CancellationErrorCode:
    """Give the legacy code for an error."""
    codes = (code for kind, code in _CODES if isinstance(error, kind))
    return next(codes, CancellationErrorCode.RuntimeError)


def recognized(
    utterance: Utterance, labels: Labels, index: int, reason: ResultReason
) -> ResultRecord:
    """Make the result of an utterance or hypothesis; ``index`` counts final results from 0."""
    speaker = labels.style.label(utterance.speaker)
    utterance_id = f"{index}_{speaker}_{utterance.offset}"
    final = reason is ResultReason.RecognizedSpeech
    document: dict[str, object] = {
        "Id": utterance.id,
        **({"RecognitionStatus": "Success", "DisplayText": utterance.text} if final else {}),
        **({} if final else {"Text": utterance.text}),
        "Offset": utterance.offset,
        "Duration": utterance.duration,
        "SpeakerId": speaker,
        **({"UtteranceId": utterance_id} if labels.corrects else {}),
    }
    return ResultRecord(
        result_id=utterance.id,
        reason=reason,
        text=utterance.text,
        offset=utterance.offset,
        duration=utterance.duration,
        speaker=speaker,
        utterance_id=utterance_id,
        of_meeting=labels.corrects,
        document=document,
    )


def canceled(result_id: str, labels: Labels) -> ResultRecord:
    """Make the result of the normal end of the audio."""
    return ResultRecord(result_id, ResultReason.Canceled, of_meeting=labels.corrects)


def error_result(result_id: str, labels: Labels, error: SpeechError) -> ResultRecord:
    """Make the result of an error."""
    return ResultRecord(
        result_id,
        ResultReason.Canceled,
        of_meeting=labels.corrects,
        cancellation=CancellationReason.Error,
        code=code_of(error),
        error=str(error),
    )


def remote_records(transcript: Transcript) -> list[ResultRecord]:
    """Make the results of a stored transcript; as in C#, they have no utterance id."""
    found = (
        recognized(utterance, MEETING, index, ResultReason.RecognizedSpeech)
        for index, utterance in enumerate(transcript.utterances)
    )
    return [replace(record, utterance_id="", document=_item(record)) for record in found]


def remote_document(transcript: Transcript) -> dict[str, object]:
    """Return the retired service's answer (docs/protocol/legacy-interface.md, 2.5)."""
    return {
        "id": transcript.meeting_id,
        "processingStatus": 2,
        "transcriptions": [record.document for record in remote_records(transcript)],
    }


def _item(record: ResultRecord) -> dict[str, object]:
    """Return an item of the retired service's answer (docs/protocol/legacy-interface.md, 2.5)."""
    return {
        "userId": record.speaker,
        "resultId": record.result_id,
        "reason": record.reason.name,
        "text": record.text,
        "durationInTicks": record.duration,
        "offsetInTicks": record.offset,
    }
