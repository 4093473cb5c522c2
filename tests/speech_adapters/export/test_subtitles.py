from __future__ import annotations

import re
from itertools import pairwise

import pytest

from speech_adapters.export import render
from speech_adapters.export.subtitles import LINE_CHARACTERS, LINES
from speech_adapters.transcript import Provenance, Transcript, Utterance, Word, ticks

ORIGIN = Provenance("local", "1")
LONG = (
    "It is the new feature that transcribes our discussion and returns who spoke when,"
    " so that nobody has to write the minutes of a meeting again."
)
WORDS = LONG.split()


def transcript(*utterances: Utterance) -> Transcript:
    return Transcript("m", utterances, ticks(60), ORIGIN)


def utterance(text: str, start: float, length: float, speaker: int = 0) -> Utterance:
    return Utterance("a" * 32, text, ticks(start), ticks(length), speaker)


def cues(document: str) -> list[tuple[float, float, list[str]]]:
    """Return begin, end and lines of each subtitle of either format."""
    found = []
    for block in document.split("\n\n"):
        lines = block.strip("\n").splitlines()
        at = next((i for i, line in enumerate(lines) if " --> " in line), None)
        if at is not None:
            start, end = (_seconds(time) for time in lines[at].split(" --> "))
            found.append((start, end, lines[at + 1 :]))
    return found


def _seconds(time: str) -> float:
    hours, minutes, rest = time.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_a_long_utterance_is_several_subtitles_of_two_short_lines(form: str) -> None:
    found = cues(render(transcript(utterance(LONG, 2, 9)), form))
    assert len(found) >= 2
    texts = []
    for _, _, lines in found:
        shown = [re.sub("<v [^>]*>", "", line) for line in lines]
        assert 1 <= len(shown) <= LINES
        assert max(map(len, shown)) <= LINE_CHARACTERS
        texts.append(" ".join(shown).removeprefix("Guest-1: "))
        assert lines[0].startswith("Guest-1: " if form == "srt" else "<v Guest-1>")
    assert " ".join(texts) == LONG
    assert (found[0][0], found[-1][1]) == (2, 11)
    assert all(before[1] == after[0] for before, after in pairwise(found))


def test_the_words_of_a_subtitle_are_there_when_they_are_spoken() -> None:
    # All but the last word in the first second, so the text's length would be misleading.
    times = [(index * 0.04, 0.04) for index in range(len(WORDS) - 1)] + [(8.0, 1.0)]
    words = tuple(
        Word(word, ticks(start), ticks(length))
        for word, (start, length) in zip(WORDS, times, strict=True)
    )
    talk = Utterance("a" * 32, LONG, 0, ticks(9), 0, words=words)
    first, second, *_ = cues(render(transcript(talk), "vtt"))
    spoken_before = len(" ".join(first[2]).removeprefix("<v Guest-1>").split())
    assert second[0] == pytest.approx(spoken_before * 0.04)


def test_the_subtitles_of_an_utterance_have_about_the_same_length() -> None:
    text = (
        "It produces no result until the whole audio has been transcribed, so it is late to get it"
    )
    found = cues(render(transcript(utterance(text, 0, 6)), "vtt"))
    sizes = [len(" ".join(lines).removeprefix("<v Guest-1>")) for _, _, lines in found]
    assert len(sizes) == 2
    assert min(sizes) > len(text) / 3


def test_a_text_without_spaces_is_split_within_its_word() -> None:
    text = "".join(chr(0x4E00 + index) for index in range(100))
    found = cues(render(transcript(utterance(text, 0, 10)), "srt"))
    shown = ["".join(lines).removeprefix("Guest-1: ") for _, _, lines in found]
    assert "".join(shown) == text
    assert all(len(line) <= LINE_CHARACTERS for _, _, lines in found for line in lines)
    assert found[1][0] == pytest.approx(10 * len(shown[0]) / 100, abs=0.001)


def test_the_label_leaves_room_for_the_text() -> None:
    talk = Utterance("a" * 32, LONG, 0, ticks(9), 0, participant="n" * 60)
    for _, _, lines in cues(render(transcript(talk), "srt")):
        assert lines[0].startswith("n" * 19 + "\N{HORIZONTAL ELLIPSIS}: ")
        assert max(map(len, lines)) <= LINE_CHARACTERS


@pytest.mark.parametrize("form", ["srt", "vtt"])
@pytest.mark.parametrize(
    "talk",
    [
        [(0, 5), (3, 4)],
        [(0, 10), (2, 1), (2.5, 1), (8, 4)],
        [(1, 2), (1, 2), (1, 2), (1.2, 3)],
        [(4, 2), (1, 9)],
        [(0, 0), (0, 0), (0, 0.0001)],
    ],
)
def test_subtitles_never_overlap(form: str, talk: list[tuple[float, float]]) -> None:
    spoken = [utterance(f"Number {n}.", *times, n) for n, times in enumerate(talk)]
    found = cues(render(transcript(*spoken), form))
    assert len(found) == len(talk)
    assert all(start < end for start, end, _ in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))


def test_a_subtitle_stays_long_enough_to_be_read() -> None:
    talk = [utterance("One.", 1, 2), utterance("Two.", 1.1, 2, 1)]
    assert [found[:2] for found in cues(render(transcript(*talk), "srt"))] == [
        (1, 1.7),
        (1.7, 3.1),
    ]


@pytest.mark.parametrize("form", ["vtt", "srt"])
def test_subtitles_of_an_interruption_are_in_the_order_of_time(form: str) -> None:
    """A short utterance begins while a long one, of several subtitles, goes on."""
    second = 10_000_000
    long = Utterance("a" * 32, "word " * 60, 0, 60 * second, 0)
    short = Utterance("b" * 32, "Excuse me.", 20 * second, second, 1)
    transcript = Transcript("m", (long, short), 60 * second, Provenance("local", "1"))
    lines = render(transcript, form).splitlines()
    begins = [line.partition(" --> ")[0] for line in lines if " --> " in line]
    assert begins == sorted(begins)
    assert len(begins) >= 5
