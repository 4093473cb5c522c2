"""Subtitles and lines: WebVTT, SubRip, and text with a speaker before each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from speech_adapters.reading.document import Document, Part, Source, document_of, unreadable
from speech_adapters.transcript import TICKS_PER_SECOND

__all__ = ["parse_srt", "parse_text", "parse_vtt"]

_STAMP: Final = r"(?:(\d{1,5}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_CUE: Final = re.compile(rf"\s*{_STAMP}\s+-->\s+{_STAMP}")
_LINE_TIME: Final = re.compile(rf"\s*\[{_STAMP}\]\s*")
# A speaker of at most five words before a colon; a time of day has no space after its colon.
_SPEAKER: Final = re.compile(r"([^\W_][^\s:]{0,39}(?: [^\s:]{1,39}){0,4}):(?:\s+|$)")
_VOICE: Final = re.compile(r"<v(?:\.[^\s>]*)?(?:\s+([^>]*))?>")
_TAG: Final = re.compile(r"</?[^>]*>")


def parse_vtt(source: Source) -> Document:
    """Return the cues of a WebVTT file; a cue with several voices is several utterances.

    Raises:
        ConfigurationError: it has no cues.
    """
    parts = [
        Part(label, text, start, end - start)
        for start, end, lines in _cues(source)
        for label, text in _voices("\n".join(lines))
    ]
    return document_of(source, "vtt", parts)


def parse_srt(source: Source) -> Document:
    """Return the subtitles of a SubRip file, each with the speaker that it begins with.

    Raises:
        ConfigurationError: it has no subtitles.
    """
    parts = []
    for start, end, lines in _cues(source):
        label, text = _with_speaker(_TAG.sub("", " ".join(lines)))
        parts.append(Part(label, text, start, end - start))
    return document_of(source, "srt", parts)


def parse_text(source: Source) -> Document:
    """Return the lines of a text: ``[00:00:04] Guest-1: Good morning.``.

    Time and speaker may be missing.  A line without a speaker continues the last one's.
    """
    parts = []
    label = ""
    for line in source.text.splitlines():
        if not line.strip():
            continue
        time = _LINE_TIME.match(line)
        found, text = _with_speaker(line[time.end() if time else 0 :].strip())
        label = found or label
        parts.append(Part(label, text, _ticks(time, 1) if time else 0))
    return document_of(source, "text", parts)


def _cues(source: Source) -> Iterator[tuple[int, int, list[str]]]:
    """Yield begin, end and lines of each cue; other blocks have no time."""
    found = False
    for block in re.split(r"\n[ \t]*\n", source.text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        for number, line in enumerate(lines[:2]):
            cue = _CUE.match(line)
            if cue is not None:
                found = True
                start, end = _ticks(cue, 1), _ticks(cue, 5)
                yield start, max(start, end), lines[number + 1 :]
                break
    if not found:
        raise unreadable(source.name, "it has no subtitle with a time")


def _voices(text: str) -> Iterator[tuple[str, str]]:
    """Yield the voices of a cue, each with its text."""
    pieces = _VOICE.split(text)
    for label, piece in zip(["", *pieces[1::2]], pieces[::2], strict=True):
        said = " ".join(unescape(_TAG.sub("", piece)).split())
        if said:
            yield unescape(label or ""), said


def _with_speaker(text: str) -> tuple[str, str]:
    match = _SPEAKER.match(text)
    return (match[1], text[match.end() :]) if match else ("", text)


def _ticks(match: re.Match[str], first: int) -> int:
    """Return the time in four groups of a match: hours, minutes, seconds, and their fraction."""
    hours, minutes, second, fraction = (match[first + number] for number in range(4))
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(second)
    return whole * TICKS_PER_SECOND + int((fraction or "0").ljust(7, "0"))
