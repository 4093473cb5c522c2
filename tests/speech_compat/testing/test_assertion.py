from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from double.replay import write_script
from double.scripted_backend import said
from speech_adapters.contract import Recognized
from speech_adapters.export import render
from speech_adapters.transcript import Provenance, Transcript
from speech_compat.testing import TranscriptLine, assert_transcript

FIRST, SECOND = said("Good morning.", 1.0, 2.0, 0), said("How are you?", 3.0, 4.0, 1)
TRANSCRIPT = Transcript("m", (FIRST, SECOND), 50_000_000, Provenance("local", "7"))
LINES = [("Guest-1", "Good morning.", 1.0, 2.0), ("Guest-2", "How are you?", 3.0, 4.0)]


def report(actual: Any, expected: Any, **more: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_transcript(actual, expected, **more)
    return str(caught.value)


def result(label: str, text: str, start: float, name: str = "user_id") -> SimpleNamespace:
    ticks = round(start * 10_000_000)
    own = SimpleNamespace(text=text, offset=ticks, duration=10_000_000, **{name: label})
    return SimpleNamespace(result=own)


@pytest.mark.parametrize(
    "other",
    [
        TRANSCRIPT,
        TRANSCRIPT.utterances,
        LINES,
        [line[:3] for line in LINES],
        [line[:2] for line in LINES],
        [(0, "Good morning."), (1, "How  are you?")],
        [("Guest_0", "Good morning."), ("Guest_1", "How are you?")],
        [("1", "Good morning."), ("2", "How are you?")],
        [TranscriptLine(0, "Good morning."), TranscriptLine("Guest_1", "How are you?")],
        [result("Guest_0", "Good morning.", 1.0), result("Guest_1", "How are you?", 3.0)],
        [
            result("Guest-1", "Good morning.", 1.0, "speaker_id").result,
            result("Guest-2", "How are you?", 3.0, "speaker_id").result,
        ],
    ],
)
def test_equal_transcripts(other: Any) -> None:
    assert_transcript(TRANSCRIPT, other)
    assert_transcript(other, TRANSCRIPT)


def test_files(tmp_path: Path) -> None:
    script = write_script(tmp_path / "s.jsonl", [Recognized(FIRST), Recognized(SECOND)])
    document = tmp_path / "m.json"
    document.write_text(render(TRANSCRIPT, "json"))
    for path in (script, document, str(document)):
        assert_transcript(LINES, path)
    data = json.loads(document.read_text())
    data["utterances"][0]["text"] = "Good evening."
    document.write_text(json.dumps(data))
    assert "Good [-evening.-] {+morning.+}" in report(LINES, document)


def test_another_word() -> None:
    changed = [("Guest-1", "Good old evening.", 1.0, 2.0), LINES[1]]
    assert report(changed, TRANSCRIPT) == (
        "The transcript differs in 1 of 2 utterances (tolerance 0.5 s):\n"
        "\n"
        "expected  [1.00 s] Guest-1: Good morning.\n"
        "received  [1.00 s] Guest-1: Good old evening.\n"
        "  words: Good [-morning.-] {+old evening.+}"
    )


def test_another_speaker() -> None:
    text = report([LINES[0], ("Unidentified", *LINES[1][1:])], TRANSCRIPT)
    assert text.endswith("  speaker: Guest-2 -> Unknown")
    assert "1 of 2" in text
    assert_transcript([(None, *line[1:]) for line in LINES], TRANSCRIPT, speakers=False)


def test_a_participant_is_compared_by_id() -> None:
    named = [attrs.evolve(FIRST, participant="katie"), SECOND]
    assert_transcript(named, [("katie", "Good morning."), LINES[1]])
    assert "speaker: Guest-1 -> katie" in report(named, TRANSCRIPT)


@pytest.mark.parametrize(("shift", "fails"), [(0.5, False), (-0.5, False), (0.6, True)])
def test_the_tolerance(shift: float, fails: bool) -> None:
    moved = [(who, text, start + shift, end) for who, text, start, end in LINES]
    if fails:
        text = report(moved, TRANSCRIPT)
        assert "  start: 1.00 s -> 1.60 s (+0.60 s)" in text
        assert "2 of 2" in text
        assert "  end" not in text
    else:
        assert_transcript(moved, TRANSCRIPT)
    assert_transcript(moved, TRANSCRIPT, tolerance_seconds=1.0)


def test_the_end_is_compared() -> None:
    moved = [(who, text, start, end - 0.7) for who, text, start, end in LINES]
    assert "  end: 2.00 s -> 1.30 s (-0.70 s)" in report(moved, TRANSCRIPT)


def test_a_missing_and_an_unexpected_utterance() -> None:
    text = report([LINES[1]], TRANSCRIPT)
    assert "received  (nothing)\n  the utterance is missing" in text
    assert "1 of 2" in text
    text = report([*LINES, ("Guest-1", "Fine.", 5.0)], TRANSCRIPT)
    assert "received  [5.00 s] Guest-1: Fine.\n  the utterance was not expected" in text
    assert "1 of 3" in text


@pytest.mark.parametrize("swap", [False, True])
def test_a_changed_utterance_beside_another_one(swap: bool) -> None:
    longer = [("Guest-1", "Hm."), ("Guest-1", "Good evening."), ("Guest-2", "So long.")]
    shorter = [("Guest-1", "Good morning."), ("Guest-2", "So long.")]
    text = report(shorter, longer) if swap else report(longer, shorter)
    assert "2 of 3" in text
    assert "Hm." in text
    assert "words: Good " in text


@pytest.mark.parametrize("wrong", [7, [7], [("only text",)]])
def test_what_is_no_transcript(wrong: Any) -> None:
    with pytest.raises(TypeError):
        assert_transcript(wrong, TRANSCRIPT)


def test_both_empty() -> None:
    assert_transcript([], attrs.evolve(TRANSCRIPT, utterances=()))
