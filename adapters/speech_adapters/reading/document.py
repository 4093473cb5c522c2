"""What the parsers have in common: their input, the parts they find, and their result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Final

import attrs

from speech_adapters.azure.results import utterance_id
from speech_adapters.errors import ConfigurationError
from speech_adapters.transcript import (
    Provenance,
    Transcript,
    Utterance,
    Word,
    replace_surrogates,
    ticks,
)

__all__ = [
    "UNKNOWN",
    "Document",
    "Part",
    "Source",
    "document_of",
    "parse_seconds",
    "select_recording",
    "unreadable",
]

# Labels of a speaker who was not identified, of all eras; source of those of the services:
# docs/protocol/legacy-interface.md, 3.5.
UNKNOWN: Final = frozenset({"", "Unidentified", "Unknown", "<NA>"})
# Three years: a later time is a defect.
_MOST_SECONDS: Final = 1e8


@attrs.frozen
class Source:
    """A file to parse.

    Attributes:
        name: its name.
        text: its content.
        recording: which recording is wanted; empty for the only one.
    """

    name: str
    text: str
    recording: str = ""


@attrs.frozen
class Part:
    """What one speaker said, as a file has it; times in ticks."""

    label: str
    text: str
    offset: int = 0
    duration: int = 0
    words: tuple[Word, ...] = ()
    language: str | None = None


@attrs.frozen
class Document:
    """A transcript that was read.

    Attributes:
        transcript: the transcript; the labels of the file are its participants.
        format: one of :data:`speech_adapters.reading.FORMATS`, or ``stored``.
        exact_turns: whether its times are those of speaker turns, written for that purpose.
    """

    transcript: Transcript
    format: str
    exact_turns: bool = False


def document_of(
    source: Source,
    format_name: str,
    parts: Iterable[Part],
    *,
    duration: int = 0,
    exact_turns: bool = False,
) -> Document:
    """Return the document of parts, which become utterances by offset.

    Parts of equal offset keep their order, so a text without times stays as it is.
    """
    identity = source.recording or PurePath(source.name).stem
    found = sorted(parts, key=lambda part: part.offset)
    numbers: dict[str, int] = {}
    utterances = tuple(
        _utterance(part, utterance_id(identity, index), numbers) for index, part in enumerate(found)
    )
    end = max((utterance.end for utterance in utterances), default=0)
    transcript = Transcript(
        identity, utterances, max(duration, end), Provenance("file", format_name)
    )
    return Document(transcript, format_name, exact_turns)


def _utterance(part: Part, identity: str, numbers: dict[str, int]) -> Utterance:
    label = replace_surrogates(part.label.strip())
    known = label not in UNKNOWN
    return Utterance(
        identity,
        replace_surrogates(part.text.strip()),
        part.offset,
        part.duration,
        numbers.setdefault(label, len(numbers)) if known else None,
        language=part.language,
        words=part.words,
        participant=label if known else None,
    )


def parse_seconds(text: str) -> int | None:
    """Return seconds in decimal notation as ticks; ``None`` for what is no time."""
    try:
        value = float(text)
    except ValueError:
        return None
    return ticks(value) if math.isfinite(value) and 0 <= value <= _MOST_SECONDS else None


def select_recording(source: Source, names: Sequence[str]) -> str:
    """Return the recording that is wanted of those in a file.

    Raises:
        ConfigurationError: it is not in the file, or the file has several and none is named.
    """
    known = list(dict.fromkeys(names))
    if source.recording in known:
        return source.recording
    listed = ", ".join(known[:20])
    if source.recording:
        raise unreadable(source.name, f"it has no recording {source.recording!r}, only {listed}")
    if len(known) > 1:
        raise unreadable(
            source.name, f"it has several recordings: name one with --recording ({listed})"
        )
    return known[0] if known else ""


def unreadable(name: str, reason: str) -> ConfigurationError:
    """Return the error for a file that cannot be used; the reason quotes nothing of a text."""
    return ConfigurationError(f"{name} cannot be read as a transcript: {reason}.")
