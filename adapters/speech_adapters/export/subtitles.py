"""Subtitles: WebVTT and SubRip.

A subtitle has at most two lines of 42 characters, as broadcasters have them, so a long utterance
becomes several.  Their times are those of the words, or else proportional to the length of the
text.  Subtitles never overlap, which many players would show one above the other: where two
speakers speak at the same time, the first subtitle ends when the second one begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, TypeAlias

import attrs

from speech_adapters.export.lines import format_offset, one_line, texts, with_speaker
from speech_adapters.transcript import TICKS_PER_SECOND, LabelStyle, Transcript, Utterance, seconds

__all__ = ["LINES", "LINE_CHARACTERS", "render_srt", "render_vtt"]

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


def render_vtt(transcript: Transcript, style: LabelStyle) -> str:
    """Return WebVTT, each speaker in a voice tag, which players do not show as text."""
    origin = transcript.provenance
    note = _escaped(one_line(f"Transcribed by {origin.backend} {origin.version}"))
    cues = "".join(
        f"\n{_time_range(cue, '.')}\n{_voice_tag(cue.label)}{_escaped(chr(10).join(cue.lines))}\n"
        for cue in _cues(transcript, style, label_is_text=False)
    )
    return f"WEBVTT\n\nNOTE {note}\n{cues}"


def render_srt(transcript: Transcript, style: LabelStyle) -> str:
    """Return SubRip; the speaker begins each subtitle."""
    return "\n".join(
        f"{number}\n{_time_range(cue, ',')}\n{chr(10).join(cue.lines)}\n"
        for number, cue in enumerate(_cues(transcript, style, label_is_text=True), start=1)
    )


def _voice_tag(label: str) -> str:
    return f"<v {_escaped(label)}>" if label else ""


def _escaped(text: str) -> str:
    """Escape the characters that have a meaning in WebVTT; this also breaks up any ``-->``."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cues(transcript: Transcript, style: LabelStyle, *, label_is_text: bool) -> list[_Cue]:
    cues: list[_Cue] = []
    for utterance, label, text in texts(transcript, style):
        cues += _split(utterance, label, text, label_is_text=label_is_text)
    cues.sort(key=lambda cue: cue.start)
    _separate(cues)
    return cues


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


def _separate(cues: list[_Cue]) -> None:
    """Change the times of subtitles, which are sorted, so that none overlap."""
    for before, cue in pairwise(cues):
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
