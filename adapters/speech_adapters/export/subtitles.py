"""Subtitles: WebVTT and SubRip.

A subtitle has at most two lines of 42 characters, as broadcasters have them, so a long utterance
becomes several.  Their times are those of the words, or else proportional to the length of the
text.  Subtitles never overlap, which many players would show one above the other: where two
speakers speak at the same time, the first subtitle ends when the second one begins.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final, TypeAlias

import attrs

from speech_adapters.export.lines import by_offset, format_offset, one_line, texts, with_speaker
from speech_adapters.transcript import (
    TICKS_PER_SECOND,
    AnyTranscript,
    LabelStyle,
    Utterance,
    seconds,
)

__all__ = ["LINES", "LINE_CHARACTERS", "write_srt", "write_vtt"]

LINES: Final = 2
LINE_CHARACTERS: Final = 42
# Of a speaker's label, so that the text keeps the greater part of a line.
_LABEL_CHARACTERS: Final = 20
# Lines are made shorter until all subtitles of an utterance have about the same length.
_NARROWEST_LINE: Final = 28
# How long a subtitle stays at least before the next one replaces it, if its speech is that long.
_SHORTEST_MS: Final = 700
# The lines of a subtitle, each with the number of its first word.
_Lines: TypeAlias = list[tuple[float, str]]


@attrs.define
class _Cue:
    """A subtitle.

    Attributes:
        start: begin in milliseconds.
        end: end in milliseconds, after the begin.
        label: the speaker.
        lines: its lines.
    """

    start: int
    end: int
    label: str
    lines: list[str]


def write_vtt(transcript: AnyTranscript, style: LabelStyle) -> Iterator[str]:
    """Yield WebVTT, each speaker in a voice tag, which players do not show as text."""
    origin = transcript.provenance
    note = _escaped(one_line(f"Transcribed by {origin.backend} {origin.version}"))
    yield f"WEBVTT\n\nNOTE {note}\n"
    for cue in _cues(transcript, style, label_is_text=False):
        text = _escaped(chr(10).join(cue.lines))
        yield f"\n{_time_range(cue, '.')}\n{_voice_tag(cue.label)}{text}\n"


def write_srt(transcript: AnyTranscript, style: LabelStyle) -> Iterator[str]:
    """Yield SubRip; the speaker begins each subtitle."""
    for number, cue in enumerate(_cues(transcript, style, label_is_text=True), start=1):
        before = "" if number == 1 else "\n"
        yield f"{before}{number}\n{_time_range(cue, ',')}\n{chr(10).join(cue.lines)}\n"


def _voice_tag(label: str) -> str:
    return f"<v {_escaped(label)}>" if label else ""


def _escaped(text: str) -> str:
    """Escape the characters that have a meaning in WebVTT; this also breaks up any ``-->``."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cues(transcript: AnyTranscript, style: LabelStyle, *, label_is_text: bool) -> Iterator[_Cue]:
    """Yield the subtitles by time, so that none overlap."""
    before: _Cue | None = None
    for cue in _by_time(transcript, style, label_is_text=label_is_text):
        if before is not None:
            _separate(before, cue)
            yield before
        before = cue
    if before is not None:
        yield before


def _by_time(
    transcript: AnyTranscript, style: LabelStyle, *, label_is_text: bool
) -> Iterator[_Cue]:
    """Yield the subtitles of all utterances, which may overlap, by their begin."""
    waiting: list[tuple[int, int, _Cue]] = []
    count = 0
    for utterance, label, text in texts(by_offset(transcript), style):
        # Those of the utterances to come begin later.
        while waiting and waiting[0][0] < _milliseconds(utterance.offset):
            yield heapq.heappop(waiting)[2]
        for cue in _split(utterance, label, text, label_is_text=label_is_text):
            # The number keeps equal ones in their order.
            heapq.heappush(waiting, (cue.start, count, cue))
            count += 1
    while waiting:
        yield heapq.heappop(waiting)[2]


def _split(utterance: Utterance, label: str, text: str, *, label_is_text: bool) -> Iterator[_Cue]:
    """Yield the subtitles of an utterance."""
    prefix = with_speaker(_shortened(label), "") if label_is_text else ""
    words = text.split(" ")
    groups = _balanced(words, len(prefix))
    begins = [_time_of(utterance, words, group[0][0]) for group in groups]
    # The first one begins and the last one ends with the utterance, whose edges are more exact.
    begins[0] = utterance.offset
    for group, start, end in zip(groups, begins, [*begins[1:], utterance.end], strict=True):
        lines = [line for _, line in group]
        lines[0] = prefix + lines[0]
        # A subtitle without duration would never be shown: it lasts a millisecond at least.
        first = _milliseconds(start)
        yield _Cue(first, max(_milliseconds(end), first + 1), label, lines)


def _shortened(label: str) -> str:
    return label if len(label) <= _LABEL_CHARACTERS else label[: _LABEL_CHARACTERS - 1] + "\u2026"


def _balanced(words: list[str], indent: int) -> list[_Lines]:
    """Return the lines of each subtitle, about as many characters in each.

    Otherwise the last subtitle is often a single word, shown for an instant.
    """
    groups = list(_groups(words, indent, LINE_CHARACTERS))
    if len(groups) == 1:
        return groups
    for width in range(LINE_CHARACTERS - 1, _NARROWEST_LINE, -1):
        narrower = list(_groups(words, indent, width))
        if len(narrower) > len(groups):
            break
        groups = narrower
    return groups


def _groups(words: list[str], indent: int, longest: int) -> Iterator[_Lines]:
    """Yield the lines of each subtitle, each with the number of its first word.

    Lines have ``longest`` characters, but a word may be longer.  The first line of a subtitle
    is shorter by ``indent``.  Of a word that is split, the number has a fraction.
    """
    group: _Lines = []
    line = ""
    first = 0.0
    for number, glue, piece in _pieces(words, LINE_CHARACTERS - indent):
        width = longest - (0 if group else indent)
        if line and len(line) + len(glue) + len(piece) > width:
            group.append((first, line))
            line = ""
        if len(group) == LINES:
            yield group
            group = []
        if not line:
            first, line = number, piece
        else:
            line += glue + piece
    yield [*group, (first, line)]


def _pieces(words: list[str], width: int) -> Iterator[tuple[float, str, str]]:
    """Yield what a line may begin with: its number, what joins it to the last one, its text.

    A word that is longer than a line is one piece for each character.  That is also the right
    thing for the languages without spaces.
    """
    for number, word in enumerate(words):
        if len(word) <= width:
            yield number, " ", word
        else:
            for index, character in enumerate(word):
                yield number + index / len(word), "" if index else " ", character


def _time_of(utterance: Utterance, words: list[str], number: float) -> int:
    """Return the tick at which a word begins, or a part of it."""
    whole = int(number)
    # The text may have other words than the timings: "10" for "ten".
    if whole == number and len(utterance.words) == len(words):
        return utterance.words[whole].offset
    spoken = sum(map(len, words[:whole])) + (number - whole) * len(words[whole])
    return utterance.offset + int(utterance.duration * spoken / sum(map(len, words)))


def _separate(before: _Cue, cue: _Cue) -> None:
    """Change the times of two successive subtitles so that they do not overlap."""
    if cue.start < before.end:
        shortest = min(before.start + _SHORTEST_MS, before.end)
        before.end = cue.start = max(cue.start, shortest)
        cue.end = max(cue.end, cue.start + 1)


def _time_range(cue: _Cue, separator: str) -> str:
    return f"{_timestamp(cue.start, separator)} --> {_timestamp(cue.end, separator)}"


def _timestamp(milliseconds: int, separator: str) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{format_offset(whole * TICKS_PER_SECOND)}{separator}{rest:03}"


def _milliseconds(value: int) -> int:
    return round(seconds(value) * 1000)
