"""The JSON format of a transcript, version 1.

``docs/schema/transcript.schema.json`` and the tables of ``docs/json-format.md`` are made from the
types and docstrings of this module by ``make matrix``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypedDict

from speech_adapters.transcript import (
    TICKS_PER_SECOND,
    AnyTranscript,
    LabelStyle,
    Provenance,
    Utterance,
    Word,
)

__all__ = [
    "FORMAT",
    "JSON_VERSION",
    "ProvenanceDocument",
    "TranscriptDocument",
    "UtteranceDocument",
    "WordDocument",
    "document_of",
    "utterance_of",
]

FORMAT: Final = "speech-compat transcript"
# A new field does not change it: readers ignore what they do not know.
JSON_VERSION: Final = 1


class WordDocument(TypedDict):
    """A word of an utterance.

    Attributes:
        text: the word.
        offset: start, in ticks from the start of the recording.
        duration: length in ticks.
        confidence: from 0 to 1, or null if it is unknown.
    """

    text: str
    offset: int
    duration: int
    confidence: float | None


class UtteranceDocument(TypedDict):
    """Continuous speech of one speaker.

    Attributes:
        id: 32 hexadecimal digits.
        speaker: label of the speaker, or the id of a participant.
        speaker_number: number of the speaker from 0, or null if it is unknown.
        participant: id of the participant whose voice signature matched, or null.
        offset: start, in ticks from the start of the recording.
        duration: length in ticks.
        text: what was spoken.
        language: BCP-47 tag, or null if the backend does not report it.
        channel: number of the audio channel from 0, or null after a downmix.
        words: words with times; empty if the backend has none.
    """

    id: str
    speaker: str
    speaker_number: int | None
    participant: str | None
    offset: int
    duration: int
    text: str
    language: str | None
    channel: int | None
    words: list[WordDocument]


class ProvenanceDocument(TypedDict):
    """The origin of a transcript.

    Attributes:
        backend: name of the backend.
        version: version of the engine or service.
        emulated: what was estimated or imitated, one sentence each.
        notes: faults of the recording, one sentence each.
    """

    backend: str
    version: str
    emulated: list[str]
    notes: list[str]


class TranscriptDocument(TypedDict):
    """A transcript.

    Attributes:
        format: names the format.
        version: version of the format.
        meeting_id: id of the meeting, or name of the file.
        ticks_per_second: unit of offsets and durations: a tick has 100 ns.
        duration: length of the audio in ticks.
        speakers: labels that occur, in the order of their numbers.
        utterances: all utterances, by offset.
        provenance: origin of the transcript.
    """

    format: Literal["speech-compat transcript"]
    version: Literal[1]
    meeting_id: str
    ticks_per_second: Literal[10_000_000]
    duration: int
    speakers: list[str]
    utterances: list[UtteranceDocument]
    provenance: ProvenanceDocument


def document_of(
    transcript: AnyTranscript, style: LabelStyle, utterances: Iterable[Utterance]
) -> TranscriptDocument:
    """Return a transcript as JSON-ready data, with the ``utterances`` of it that are named."""
    return {
        "format": FORMAT,
        "version": JSON_VERSION,
        "meeting_id": transcript.meeting_id,
        "ticks_per_second": TICKS_PER_SECOND,
        "duration": transcript.duration,
        "speakers": _labels(transcript, style),
        "utterances": [utterance_of(utterance, style) for utterance in utterances],
        "provenance": _provenance(transcript.provenance),
    }


def _labels(transcript: AnyTranscript, style: LabelStyle) -> list[str]:
    """Return the label of each speaker, in the order of their numbers."""
    labels = {u.speaker: style.label_of(u) for u in transcript.utterances}
    return [labels[speaker] for speaker in sorted(s for s in labels if s is not None)]


def utterance_of(utterance: Utterance, style: LabelStyle) -> UtteranceDocument:
    """Return an utterance as JSON-ready data."""
    return {
        "id": utterance.id,
        "speaker": style.label_of(utterance),
        "speaker_number": utterance.speaker,
        "participant": utterance.participant,
        "offset": utterance.offset,
        "duration": utterance.duration,
        "text": utterance.text,
        "language": utterance.language,
        "channel": utterance.channel,
        "words": [_word(word) for word in utterance.words],
    }


def _word(word: Word) -> WordDocument:
    return {
        "text": word.text,
        "offset": word.offset,
        "duration": word.duration,
        "confidence": word.confidence,
    }


def _provenance(provenance: Provenance) -> ProvenanceDocument:
    return {
        "backend": provenance.backend,
        "version": provenance.version,
        "emulated": list(provenance.emulated),
        "notes": list(provenance.notes),
    }
