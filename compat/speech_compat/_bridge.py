"""Where legacy calls become contract calls, and what comes back becomes legacy results."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee, Gap, MeetingRequest, Mode
from speech_adapters.errors import (
    AudioError,
    AuthenticationError,
    ConfigurationError,
    SpeechError,
    ThrottledError,
    UnavailableError,
    UnsupportedError,
)
from speech_adapters.transcript import LabelStyle, Transcript, Utterance
from speech_compat._config import SpeechConfig
from speech_compat._meeting import Gathering
from speech_compat._results import ResultRecord
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
    "unused_settings",
]

_PREFIX: Final = "speech-compat."
_MODES: Final = {"async": Mode.STORED, "realtimeandasync": Mode.BOTH}
_CODES: Final = (
    (AuthenticationError, CancellationErrorCode.AuthenticationFailure),
    (ThrottledError, CancellationErrorCode.TooManyRequests),
    (UnavailableError, CancellationErrorCode.ServiceUnavailable),
    (AudioError, CancellationErrorCode.BadRequest),
    (ConfigurationError, CancellationErrorCode.BadRequest),
    (UnsupportedError, CancellationErrorCode.BadRequest),
)
# What can be set and no backend is told of yet, with what is lost.
_UNUSED: Final = {
    PropertyId.SpeechServiceConnection_EndpointId: "the custom model is not used",
    PropertyId.SpeechServiceConnection_EnableAudioLogging: "no service keeps the audio",
    PropertyId.SpeechServiceConnection_ProxyHostName: "the proxy is not used",
    PropertyId.SpeechServiceConnection_RecoMode: "dictation is not switched on",
    PropertyId.SpeechServiceConnection_InitialSilenceTimeoutMs: "silence has no such timeout",
    PropertyId.SpeechServiceConnection_EndSilenceTimeoutMs: "silence has no such timeout",
    PropertyId.SpeechServiceResponse_DiarizeIntermediateResults: "hypotheses have no speaker",
    PropertyId.SpeechServiceResponse_PostProcessingOption: "text is not processed that way",
    PropertyId.SpeechServiceResponse_ProfanityOption: "profanity is left as it is",
    PropertyId.SpeechServiceResponse_RequestDetailedResultTrueFalse: "there are no alternatives",
    PropertyId.Speech_SegmentationMaximumTimeMs: "utterances end where the backend ends them",
    PropertyId.Speech_SegmentationSilenceTimeoutMs: "utterances end where the backend ends them",
    PropertyId.Speech_SegmentationStrategy: "utterances end where the backend ends them",
}
_OFF: Final = ("", "false")
_logger = logging.getLogger("speech_compat")
_told: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Labels:
    """How an era names speakers and utterances.

    ``corrects``: whether an utterance is sent again when its speaker turns out to be
    another, with an ``UtteranceId`` that tells so (legacy-interface facts 3.5).
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
    languages: int = 1

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
        )


def attendees(gathering: Gathering | None) -> tuple[Attendee, ...]:
    """Give who was added to a meeting."""
    people = gathering._participants.values() if gathering is not None else ()
    return tuple(
        Attendee(p.participant_id, p._preferred_language, bool(p._voice_signature)) for p in people
    )


def settings_of(config: SpeechConfig) -> Settings:
    """Gather the settings; properties that begin with ``speech-compat.`` come first.

    Raises:
        ConfigurationError: one is wrong.
    """
    from speech_adapters.config import load_settings

    items = config._properties._items()
    given = {k.removeprefix(_PREFIX): v for k, v in items if k.startswith(_PREFIX)}
    return load_settings({**_service_of(config), **given})


def _service_of(config: SpeechConfig) -> dict[str, str]:
    endpoint = config.get_property(PropertyId.SpeechServiceConnection_Endpoint)
    found = {
        "service.key": config.subscription_key,
        "service.region": config.region,
        # Those of the websocket mean nothing to the services used now.
        "service.endpoint": endpoint if endpoint.startswith("https://") else "",
    }
    return {name: value for name, value in found.items() if value}


def mode_of(config: SpeechConfig, stored: bool) -> Mode:
    """Read the service property ``transcriptionMode``; without an id nothing is ``stored``.

    ``async`` and ``RealTimeAndAsync`` are the documented values (legacy-interface
    facts 3.1); anything else is real time, as in the legacy service.
    """
    if not stored:
        return Mode.LIVE
    query = config.get_property(PropertyId.SpeechServiceConnection_UserDefinedQueryParameters)
    values = parse_qs(query).get("transcriptionMode", [""])
    return _MODES.get(values[-1].lower(), Mode.LIVE)


def unused_settings(config: SpeechConfig, languages: int = 1) -> tuple[Gap, ...]:
    """Give what the program set that makes no difference."""
    way_out = "leave it out"
    gaps = tuple(
        Gap(f"setting {name.name}", f"it is set, but {lost}", way_out)
        for name, lost in _UNUSED.items()
        if config.get_property(name).lower() not in _OFF
    )
    if languages > 1:
        lost = f"{languages} languages are given, but only the first is listened for"
        gaps += (Gap("language-detection", lost, "give the one that is spoken"),)
    return gaps


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
    """Give a transcript as the retired service answered (legacy-interface facts 2.5)."""
    return {
        "id": transcript.meeting_id,
        "processingStatus": 2,
        "transcriptions": [record.document for record in remote_records(transcript)],
    }


def _item(record: ResultRecord) -> dict[str, object]:
    """Give an item as the retired service wrote it (legacy-interface facts 2.5)."""
    return {
        "userId": record.speaker,
        "resultId": record.result_id,
        "reason": record.reason.name,
        "text": record.text,
        "durationInTicks": record.duration,
        "offsetInTicks": record.offset,
    }
