"""The values everyone speaks: transcripts, utterances, words and speaker labels.

Time is a whole number of ticks of 100 nanoseconds, counted from the first
sample of the recording.  A speaker is a whole number counted from 0 in order
of first appearance, or ``None`` where the speakers were not told apart; how it
is spelled (``Guest_0``, ``Guest-1``, ``1``) is decided only where a label is shown,
by the one table in :class:`LabelStyle`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Final

import attrs

__all__ = [
    "TICKS_PER_SECOND",
    "LabelStyle",
    "Provenance",
    "Transcript",
    "Utterance",
    "Word",
    "seconds",
    "ticks",
]

TICKS_PER_SECOND: Final = 10_000_000


def ticks(value: float) -> int:
    """Turn seconds into ticks of 100 ns, rounded to the nearest."""
    return round(value * TICKS_PER_SECOND)


def seconds(value: int) -> float:
    """Turn ticks of 100 ns into seconds."""
    return value / TICKS_PER_SECOND


class LabelStyle(Enum):
    """How a speaker is spelled: prefix, number of the first speaker, name of the unknown one.

    ``MEETING`` is the retired service's spelling (``Guest_0``, ``Unidentified``),
    ``DIARIZATION`` that of real-time diarization (``Guest-1``, ``Unknown``); for both see
    docs/protocol/legacy-interface.md, 3.5. ``BATCH`` has the numbers of batch transcription,
    which start at 1 (docs/protocol/batch-and-fast-rest.md, 2.7).
    """

    MEETING = ("Guest_", 0, "Unidentified")
    DIARIZATION = ("Guest-", 1, "Unknown")
    BATCH = ("", 1, "")

    def label(self, speaker: int | None) -> str:
        """Spell ``speaker`` (0-based, or ``None``) in this style."""
        prefix, first, unknown = self.value
        return unknown if speaker is None else f"{prefix}{speaker + first}"

    def speaker(self, label: str) -> int | None:
        """Read a label of this style; anything that is no numbered label is ``None``."""
        prefix, first, _ = self.value
        match = re.fullmatch(re.escape(prefix) + r"(\d+)", label)
        number = int(match[1]) - first if match else -1
        return number if number >= 0 else None


@attrs.frozen
class Word:
    """One word; ``offset`` and ``duration`` in ticks, ``confidence`` from 0 to 1 or unknown."""

    text: str
    offset: int
    duration: int
    confidence: float | None = None


@attrs.frozen
class Utterance:
    """What one speaker said without a pause.

    Attributes:
        id: 32 hexadecimal digits; the hypotheses of an utterance, its final
            form and later corrections of its speaker share it.
        text: display text.
        offset: start, in ticks from the start of the recording.
        duration: length in ticks.
        speaker: 0-based number, or ``None`` when not told apart.
        channel: the audio channel it was heard on, or ``None`` after a downmix.
        language: BCP-47 tag, or ``None`` when the backend did not say.
        words: word timings, empty where the backend gives none.
    """

    id: str
    text: str
    offset: int
    duration: int
    speaker: int | None = None
    channel: int | None = None
    language: str | None = None
    words: tuple[Word, ...] = ()

    @property
    def end(self) -> int:
        """End, in ticks from the start of the recording."""
        return self.offset + self.duration


@attrs.frozen
class Provenance:
    """Where a transcript comes from.

    Attributes:
        backend: the backend's name.
        version: version of the engine or service.
        emulated: what was estimated or imitated, one plain sentence each.
        notes: what befell the recording (cut short, truncated), one sentence each.
    """

    backend: str
    version: str
    emulated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen
class Transcript:
    """The final word on a meeting: utterances by offset, the audio's length, the origin."""

    meeting_id: str
    utterances: tuple[Utterance, ...]
    duration: int
    provenance: Provenance

    @property
    def speakers(self) -> tuple[int, ...]:
        """The speakers told apart, in ascending order."""
        return tuple(sorted({u.speaker for u in self.utterances if u.speaker is not None}))

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON-ready data; :meth:`from_dict` reads it back."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Transcript:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            meeting_id=data["meeting_id"],
            utterances=tuple(_utterance(item) for item in data["utterances"]),
            duration=data["duration"],
            provenance=_provenance(data["provenance"]),
        )


def _utterance(data: dict[str, Any]) -> Utterance:
    return Utterance(**{**data, "words": tuple(Word(**word) for word in data["words"])})


def _provenance(data: dict[str, Any]) -> Provenance:
    lists = {key: tuple(data[key]) for key in ("emulated", "notes")}
    return Provenance(**{**data, **lists})
