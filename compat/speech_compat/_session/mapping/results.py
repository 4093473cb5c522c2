"""From utterances, transcripts and errors of a backend to legacy result records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from speech_adapters.contract import NoMatch
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
from speech_compat._session.records import ResultRecord
from speech_compat.enums import (
    CancellationErrorCode,
    CancellationReason,
    NoMatchReason,
    ResultReason,
)

__all__ = [
    "DIARIZATION",
    "MEETING",
    "LabelRules",
    "end_of_stream_record",
    "error_code",
    "error_record",
    "no_match_record",
    "remote_document",
    "remote_item",
    "remote_records",
    "utterance_record",
]

# Subclasses come before their base class: the first match counts.
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
# Where the service's name differs from that of the SDK.
_STATUS: Final = {
    NoMatchReason.NotRecognized: "NoMatch",
    NoMatchReason.InitialBabbleTimeout: "BabbleTimeout",
}
# "Completed" in the retired service's answers (docs/protocol/legacy-interface.md, 2.5).
_COMPLETED: Final = 2


@dataclass(frozen=True)
class LabelRules:
    """How an era of the interface labels speakers and utterances.

    Attributes:
        style: the spelling of speakers.
        sends_corrections: whether an utterance is sent again when its speaker turns out
            to be another.  Its ``UtteranceId`` then differs, by which programs recognize
            a correction (docs/protocol/legacy-interface.md, 3.5).
    """

    style: LabelStyle
    sends_corrections: bool


MEETING: Final = LabelRules(LabelStyle.MEETING, sends_corrections=True)
DIARIZATION: Final = LabelRules(LabelStyle.DIARIZATION, sends_corrections=False)


def utterance_record(
    utterance: Utterance, rules: LabelRules, index: int, reason: ResultReason
) -> ResultRecord:
    """Return the record of a hypothesis or final result.

    Args:
        utterance: what was recognized.
        rules: how speakers are labeled.
        index: number of the final result, from 0; part of the utterance id.
        reason: ``RecognizingSpeech`` for a hypothesis, else ``RecognizedSpeech``.
    """
    speaker = rules.style.label_of(utterance)
    utterance_id = f"{index}_{speaker}_{utterance.offset}"
    final = reason is ResultReason.RecognizedSpeech
    # The keys and their order are those of the service's JSON, which programs parse.
    document: dict[str, object] = {
        "Id": utterance.id,
        **({"RecognitionStatus": "Success", "DisplayText": utterance.text} if final else {}),
        **({} if final else {"Text": utterance.text}),
        "Offset": utterance.offset,
        "Duration": utterance.duration,
        "SpeakerId": speaker,
        **({"UtteranceId": utterance_id} if rules.sends_corrections else {}),
    }
    return ResultRecord(
        result_id=utterance.id,
        reason=reason,
        text=utterance.text,
        offset=utterance.offset,
        duration=utterance.duration,
        speaker=speaker,
        utterance_id=utterance_id,
        meeting_era=rules.sends_corrections,
        document=document,
    )


def no_match_record(event: NoMatch, rules: LabelRules, result_id: str) -> ResultRecord:
    """Return the record of audio that was not understood: a result without text and speaker."""
    reason = NoMatchReason.__members__.get(event.reason, NoMatchReason.NotRecognized)
    document: dict[str, object] = {
        "Id": result_id,
        "RecognitionStatus": _STATUS.get(reason, reason.name),
        "Offset": event.offset,
        "Duration": event.duration,
    }
    return ResultRecord(
        result_id=result_id,
        reason=ResultReason.NoMatch,
        offset=event.offset,
        duration=event.duration,
        meeting_era=rules.sends_corrections,
        document=document,
        no_match=reason,
    )


def end_of_stream_record(result_id: str, rules: LabelRules) -> ResultRecord:
    """Return the record of the normal end of the audio."""
    return ResultRecord(result_id, ResultReason.Canceled, meeting_era=rules.sends_corrections)


def error_record(result_id: str, rules: LabelRules, error: SpeechError) -> ResultRecord:
    """Return the record of an error that ended the transcription."""
    return ResultRecord(
        result_id,
        ResultReason.Canceled,
        meeting_era=rules.sends_corrections,
        cancellation=CancellationReason.Error,
        code=error_code(error),
        error=str(error),
    )


def error_code(error: SpeechError) -> CancellationErrorCode:
    """Return the legacy code of an error; ``RuntimeError`` if no other code fits."""
    codes = (code for kind, code in _CODES if isinstance(error, kind))
    return next(codes, CancellationErrorCode.RuntimeError)


def remote_records(transcript: Transcript) -> list[ResultRecord]:
    """Return the records of a stored transcript; as in C#, they have no utterance id."""
    found = (
        utterance_record(utterance, MEETING, index, ResultReason.RecognizedSpeech)
        for index, utterance in enumerate(transcript.utterances)
    )
    return [replace(record, utterance_id="", document=_item(record)) for record in found]


def remote_document(transcript: Transcript) -> dict[str, object]:
    """Return a transcript as the retired service answered.

    The shape is that of docs/protocol/legacy-interface.md, 2.5.
    """
    return {
        "id": transcript.meeting_id,
        "processingStatus": _COMPLETED,
        "transcriptions": [record.document for record in remote_records(transcript)],
    }


def remote_item(utterance: Utterance) -> dict[str, object]:
    """Return one utterance as :func:`remote_document` has it."""
    return _item(utterance_record(utterance, MEETING, 0, ResultReason.RecognizedSpeech))


def _item(record: ResultRecord) -> dict[str, object]:
    return {
        "userId": record.speaker,
        "resultId": record.result_id,
        "reason": record.reason.name,
        "text": record.text,
        "durationInTicks": record.duration,
        "offsetInTicks": record.offset,
    }
