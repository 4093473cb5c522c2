from __future__ import annotations

import json

import attrs
import pytest

from speech_adapters.transcript import (
    LabelStyle,
    Provenance,
    Transcript,
    Utterance,
    Word,
    seconds,
    ticks,
)


def test_ticks_are_whole_100_ns_and_read_back_as_seconds() -> None:
    assert ticks(1.5) == 15_000_000
    assert ticks(0.1) == 1_000_000  # 0.1 is no binary fraction: rounded, not cut
    assert seconds(ticks(2.25)) == 2.25


@pytest.mark.parametrize(
    ("style", "speaker", "label"),
    [
        (LabelStyle.MEETING, 0, "Guest_0"),
        (LabelStyle.MEETING, 11, "Guest_11"),
        (LabelStyle.MEETING, None, "Unidentified"),
        (LabelStyle.DIARIZATION, 0, "Guest-1"),
        (LabelStyle.DIARIZATION, None, "Unknown"),
        (LabelStyle.BATCH, 0, "1"),
        (LabelStyle.BATCH, None, ""),
    ],
)
def test_one_table_writes_and_reads_labels(
    style: LabelStyle, speaker: int | None, label: str
) -> None:
    assert style.label(speaker) == label
    assert style.speaker(label) == speaker


@pytest.mark.parametrize(
    "label", ["Guest_", "Guest_x", "guest_1", "Guest_1 ", "katie@x", "Guest-0"]
)
def test_a_label_of_another_style_is_no_speaker(label: str) -> None:
    assert LabelStyle.MEETING.speaker(label) is None
    assert LabelStyle.DIARIZATION.speaker("Guest-0") is None


@pytest.mark.parametrize("style", LabelStyle)
def test_an_identified_speaker_has_the_id_of_the_participant_as_label(style: LabelStyle) -> None:
    katie = Utterance("a" * 32, "Hi", 0, 1, 2, participant="katie@example.com")
    assert style.label_of(katie) == "katie@example.com"
    assert style.label_of(attrs.evolve(katie, participant=None)) == style.label(2)
    assert style.label_of(attrs.evolve(katie, speaker=None)) == "katie@example.com"
    assert "katie" not in repr(katie)


def test_a_transcript_survives_json() -> None:
    word = Word("Hi", 10, 5, confidence=0.5)
    utterances = (
        Utterance(
            *("a" * 32, "Hi ☃", 10, 5),
            speaker=1,
            channel=0,
            language="en",
            words=(word,),
            participant="katie",
        ),
        Utterance("b" * 32, "", 20, 0),
    )
    origin = Provenance("local", "1", emulated=("x",), notes=("y",))
    transcript = Transcript("id/'\"☃", utterances, 100, origin)
    assert Transcript.from_dict(json.loads(json.dumps(transcript.to_dict()))) == transcript
    assert transcript.speakers == (1,)
    assert utterances[0].end == 15


def speakers(*numbers: int | None) -> Transcript:
    utterances = tuple(
        Utterance(f"{n:032x}", "Hi.", n, 1, speaker=speaker) for n, speaker in enumerate(numbers)
    )
    return Transcript("m", utterances, 100, Provenance("local", "1"))


def test_speakers_are_numbered_by_first_appearance_without_gaps() -> None:
    numbered = speakers(None, 4, 1, 4, None, 3).numbered()
    assert [u.speaker for u in numbered.utterances] == [None, 0, 1, 0, None, 2]
    assert [u.id for u in numbered.utterances] == [u.id for u in speakers(*range(6)).utterances]


def test_a_numbered_transcript_is_not_copied() -> None:
    already = speakers(None, 0, 1, 0, 2)
    assert already.numbered() is already
