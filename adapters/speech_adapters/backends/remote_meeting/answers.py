"""Reads the answers of ``offlinetask``: the state of a meeting and its transcript.

What the retired service sent is known from its clients only
(docs/protocol/legacy-interface.md, 2.5): states and reasons may be numbers or names, and fields
may be missing.  A value of no known meaning is an error: the first state has the number 0, so a
client that guesses would wait for ever.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.azure.http_errors import quoted
from speech_adapters.contract import JobState
from speech_adapters.errors import BackendError
from speech_adapters.speech_sdk.speakers import MeetingSpeakers
from speech_adapters.transcript import Provenance, Transcript, Utterance, replace_surrogates

__all__ = [
    "CANCELED",
    "UNKNOWN_LENGTH",
    "AnswerFile",
    "TaskStatus",
    "read_status",
    "read_transcript",
]

CANCELED: Final = "The service canceled the recognition of {} part(s), which have no text."
UNKNOWN_LENGTH: Final = (
    "The service does not state the length of the recording: it is the end of the last utterance."
)
# In the order of the service's numbers, as those of the reasons below.
_STATES: Final = tuple(JobState)
_REASONS: Final = ("NoMatch", "Canceled", "RecognizingSpeech", "RecognizedSpeech")
# Larger numbers do not fit into the meeting store.
_MOST_TICKS: Final = 2**62


@attrs.frozen
class AnswerFile:
    """An answer in a file, and what its transcript has beside it.

    Attributes:
        path: the file.
        meeting_id: the meeting's id.
        provenance: the origin of the transcript.
        separate: whether speakers are separated.
        language: the language of the utterances, or ``None`` if it is unknown.
        duration: length of the recording in ticks, or ``None`` if it is unknown.
    """

    path: str
    meeting_id: str
    provenance: Provenance
    separate: bool = True
    language: str | None = None
    duration: int | None = None


@attrs.frozen
class TaskStatus:
    """What the service states about a meeting.

    Attributes:
        state: its state.
        reason: why it failed, as far as the service states it: the gateway of this project does,
            the retired service did not.
    """

    state: JobState
    reason: str = ""


def read_status(path: Path) -> TaskStatus:
    """Read the state in an answer, and why the meeting failed.  Blocks.

    Raises:
        BackendError: the answer has no state, or one that is unknown.
    """
    document = _document(path)
    state = _state(document)
    reason = document.get("failureReason")
    if state is not JobState.FAILED:
        return TaskStatus(state)
    return TaskStatus(state, quoted(reason) if isinstance(reason, str) else "")


def read_transcript(file: AnswerFile) -> Transcript:
    """Read the transcript in an answer.  Blocks.

    Raises:
        BackendError: it cannot be read, or is none.
    """
    items = _document(Path(file.path)).get("transcriptions") or []
    if not isinstance(items, list):
        raise _unreadable("its transcriptions are no list")
    parts = [_Part.of(item) for item in items]
    # The service's order is not documented.  Offsets may be equal, so the order is kept then.
    spoken = sorted((part for part in parts if part.is_speech), key=lambda part: part.offset)
    speakers = MeetingSpeakers(file.separate)
    utterances = tuple(_utterance(part, file, speakers, n) for n, part in enumerate(spoken))
    notes = file.provenance.notes
    canceled = sum(part.reason == "Canceled" for part in parts)
    if canceled:
        notes = (*notes, CANCELED.format(canceled))
    if file.duration is None:
        notes = (*notes, UNKNOWN_LENGTH)
    duration = file.duration or max((utterance.end for utterance in utterances), default=0)
    provenance = attrs.evolve(file.provenance, notes=notes)
    return Transcript(file.meeting_id, utterances, duration, provenance)


@attrs.frozen
class _Part:
    """One item of ``transcriptions``."""

    id: str
    label: str
    text: str
    offset: int
    duration: int
    reason: str

    @classmethod
    def of(cls, item: Any) -> _Part:
        if not isinstance(item, dict):
            raise _unreadable("one of its transcriptions is no object")
        return cls(
            _text(item, "resultId"),
            _text(item, "userId"),
            _text(item, "text"),
            _ticks(item, "offsetInTicks"),
            _ticks(item, "durationInTicks"),
            _reason(item.get("reason")),
        )

    @property
    def is_speech(self) -> bool:
        return self.reason == "RecognizedSpeech" and bool(self.text)


def _utterance(part: _Part, file: AnswerFile, speakers: MeetingSpeakers, number: int) -> Utterance:
    speaker, participant = speakers.resolve(part.label)
    return Utterance(
        id=part.id or _own_id(file.meeting_id, number),
        text=part.text,
        offset=part.offset,
        duration=part.duration,
        speaker=speaker,
        language=file.language,
        participant=participant,
    )


def _own_id(meeting_id: str, number: int) -> str:
    return hashlib.md5(f"{meeting_id}:{number}".encode(), usedforsecurity=False).hexdigest()


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        # Its own text would quote the answer, which may be a transcript.
        raise _unreadable("it is no JSON") from None
    if not isinstance(found, dict):
        raise _unreadable("it is no JSON object")
    return found


def _state(document: dict[str, Any]) -> JobState:
    value = document.get("processingStatus")
    if value is None:
        raise _unreadable("it has no processingStatus")
    names = [state.value for state in _STATES]
    number = _index(value, names)
    if number is None:
        raise _unreadable("its processingStatus is unknown")
    return _STATES[number]


def _reason(value: Any) -> str:
    # A client that reads the reason as text takes both (docs/protocol/legacy-interface.md, 2.5).
    if value is None:
        return "RecognizedSpeech"
    number = _index(value, _REASONS)
    if number is None:
        raise _unreadable("the reason of one of its transcriptions is unknown")
    return _REASONS[number]


def _index(value: Any, names: Any) -> int | None:
    """Return the number that is meant by a number, its digits or its name; ``None`` for none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip().lower()
    lower = [name.lower() for name in names]
    if text in lower:
        return lower.index(text)
    # Not int(): it accepts digits of other scripts, and signs.
    return next((number for number in range(len(lower)) if text == str(number)), None)


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unreadable(f"the {name} of one of its transcriptions is no text")
    return replace_surrogates(value)


def _ticks(item: dict[str, Any], name: str) -> int:
    value = item.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST_TICKS:
        raise _unreadable(f"the {name} of one of its transcriptions is no time")
    return value


def _unreadable(reason: str) -> BackendError:
    return BackendError(
        f"The service's answer about the meeting cannot be used: {reason}. Check the endpoint, and"
        " the version of the service."
    )
