"""The formats of NIST: RTTM (speaker turns) and STM (speaker turns with words).

RTTM: ``SPEAKER FILE CHANNEL BEGIN DURATION <NA> <NA> SPEAKER <NA> <NA>``, times in seconds; lines
of other types are ignored.  STM: ``FILE CHANNEL SPEAKER BEGIN END [<LABEL>] TEXT``; lines that
begin with two semicolons are comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from speech_adapters.reading.document import (
    Document,
    Part,
    Source,
    document_of,
    parse_seconds,
    select_recording,
    unreadable,
)

__all__ = ["looks_like_rttm", "looks_like_stm", "parse_rttm", "parse_stm"]

_RTTM_FIELDS: Final = 8
# Those before the text, which may be empty.
_STM_FIELDS: Final = 5
_RTTM_TYPES: Final = frozenset({"SPEAKER", "SPKR-INFO", "LEXEME", "SEGMENT", "NON-SPEECH"})
_STM_LABEL: Final = re.compile(r"<[^<>]*>\s*")
# NIST's mark for audio without a reference.
_IGNORED: Final = "IGNORE_TIME_SEGMENT_IN_SCORING"


class _Turn(NamedTuple):
    recording: str
    part: Part


def looks_like_rttm(text: str) -> bool:
    """Return whether the first line of a text is one of RTTM."""
    fields = next(_lines(text), (0, ""))[1].split()
    return len(fields) >= _RTTM_FIELDS and fields[0] in _RTTM_TYPES


def looks_like_stm(text: str) -> bool:
    """Return whether the first line of a text is one of STM."""
    return _stm_turn(next(_lines(text), (0, ""))[1]) is not None


def parse_rttm(source: Source) -> Document:
    """Return the turns of one recording of an RTTM file.

    Raises:
        ConfigurationError: a line is not valid, or the recording is not in the file.
    """
    lines = ((n, line) for n, line in _lines(source.text) if line.split()[0] == "SPEAKER")
    turns = [_checked(source, number, _rttm_turn(line)) for number, line in lines]
    return _document(source, "rttm", turns)


def parse_stm(source: Source) -> Document:
    """Return the turns of one recording of an STM file.

    Raises:
        ConfigurationError: a line is not valid, or the recording is not in the file.
    """
    turns = [_checked(source, number, _stm_turn(line)) for number, line in _lines(source.text)]
    return _document(source, "stm", [turn for turn in turns if turn.part.text != _IGNORED])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are no comments, with their numbers."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(";;"):
            yield number, line


def _rttm_turn(line: str) -> _Turn | None:
    fields = line.split()
    if len(fields) < _RTTM_FIELDS:
        return None
    begin, duration = parse_seconds(fields[3]), parse_seconds(fields[4])
    if begin is None or duration is None:
        return None
    return _Turn(fields[1], Part(fields[7], "", begin, duration))


def _stm_turn(line: str) -> _Turn | None:
    fields = line.split(maxsplit=_STM_FIELDS)
    if len(fields) < _STM_FIELDS:
        return None
    begin, end = parse_seconds(fields[3]), parse_seconds(fields[4])
    if begin is None or end is None or end < begin:
        return None
    text = _STM_LABEL.sub("", fields[5], count=1) if len(fields) > _STM_FIELDS else ""
    return _Turn(fields[0], Part(fields[2], text.strip(), begin, end - begin))


def _checked(source: Source, number: int, turn: _Turn | None) -> _Turn:
    if turn is None:
        raise unreadable(source.name, f"line {number} has too few fields, or a wrong time")
    return turn


def _document(source: Source, format_name: str, turns: list[_Turn]) -> Document:
    chosen = select_recording(source, [turn.recording for turn in turns])
    parts = [turn.part for turn in turns if turn.recording == chosen]
    return document_of(source, format_name, parts, exact_turns=True)
