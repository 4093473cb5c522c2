"""Transcripts, utterances, words and speaker labels: the values that all modules share.

Time is a whole number of ticks of 100 nanoseconds, counted from the first
sample of the recording.  A speaker is a whole number, counted from 0 in order
of first appearance, or ``None`` if the speakers were not distinguished.  Its
spelling (``Guest_0``, ``Guest-1``, ``1``) depends on the era, so it is chosen only
where a label is shown, by the one table in :class:`LabelStyle`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

__all__ = [
    "TICKS_PER_SECOND",
    "AnyTranscript",
    "LabelStyle",
    "Provenance",
    "Reread",
    "StreamedTranscript",
    "Transcript",
    "Utterance",
    "Word",
    "replace_surrogates",
    "seconds",
    "ticks",
]

TICKS_PER_SECOND: Final = 10_000_000
"""Ticks of 100 ns."""
if TYPE_CHECKING:
    from attrs import frozen as _frozen
else:
    # A transcript has millions of words, and attrs creates frozen objects three times slower than
    # others.  So nothing but the type checker forbids to change one.
    _frozen = partial(attrs.define, unsafe_hash=True)

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def ticks(value: float) -> int:
    """Convert seconds to ticks of 100 ns, rounded to the nearest."""
    return round(value * TICKS_PER_SECOND)


def seconds(value: int) -> float:
    """Convert ticks of 100 ns to seconds."""
    return value / TICKS_PER_SECOND


def replace_surrogates(text: str, replacement: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Replace half characters, which JSON may hold as escapes and no encoding can write."""
    return _SURROGATES.sub(replacement, text)


class LabelStyle(Enum):
    """Spelling of speakers: prefix, number of the first speaker, label of the unknown one.

    ``MEETING`` is the retired service's spelling (``Guest_0``, ``Unidentified``),
    ``DIARIZATION`` that of real-time diarization (``Guest-1``, ``Unknown``); source:
    docs/protocol/legacy-interface.md, 3.5.  ``BATCH`` is the numbers of batch
    transcription, which start at 1; source: docs/protocol/batch-and-fast-rest.md, 2.7.
    """

    MEETING = ("Guest_", 0, "Unidentified")
    DIARIZATION = ("Guest-", 1, "Unknown")
    BATCH = ("", 1, "")

    def label(self, speaker: int | None) -> str:
        """Return the label of ``speaker`` (0-based, or ``None``) in this style."""
        prefix, first, unknown = self.value
        return unknown if speaker is None else f"{prefix}{speaker + first}"

    def label_of(self, utterance: Utterance) -> str:
        """Return the participant of an utterance, or else the label of its speaker."""
        return utterance.participant or self.label(utterance.speaker)

    def speaker(self, label: str) -> int | None:
        """Return the speaker of a label; ``None`` unless it is a numbered label of this style."""
        prefix, first, _ = self.value
        match = re.fullmatch(re.escape(prefix) + r"(\d+)", label)
        # "Guest-0" has the form of this style, but lies before its first speaker.
        number = int(match[1]) - first if match else -1
        return number if number >= 0 else None


@_frozen
class Word:
    """One word of an utterance.

    Attributes:
        text: the word.
        offset: start, in ticks from the start of the recording.
        duration: length in ticks.
        confidence: from 0 to 1, or ``None`` if unknown.
    """

    text: str
    offset: int
    duration: int
    confidence: float | None = None


@_frozen
class Utterance:
    """Continuous speech of one speaker.

    Attributes:
        id: 32 hexadecimal digits, shared by the hypotheses of an utterance, its
            final form and later corrections of its speaker.
        text: display text.
        offset: start, in ticks from the start of the recording.
        duration: length in ticks.
        speaker: 0-based number, or ``None`` if speakers were not distinguished.
        channel: 0-based audio channel, or ``None`` after a downmix.
        language: BCP-47 tag, or ``None`` if the backend does not report it.
        words: word timings, empty if the backend has none.
        participant: id of the participant whose voice signature matched the speaker, or
            ``None``.  It is often a name, so it stays out of logs.
    """

    id: str
    text: str
    offset: int
    duration: int
    speaker: int | None = None
    channel: int | None = None
    language: str | None = None
    words: tuple[Word, ...] = ()
    participant: str | None = attrs.field(default=None, repr=False)

    @property
    def end(self) -> int:
        """End, in ticks from the start of the recording."""
        return self.offset + self.duration


@attrs.frozen
class Provenance:
    """The origin of a transcript.

    Attributes:
        backend: the backend's name.
        version: version of the engine or service.
        emulated: features that were estimated or imitated, one plain sentence each.
        notes: faults of the recording (cut short, truncated), one sentence each.
    """

    backend: str
    version: str
    emulated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen
class Transcript:
    """The final transcript of a meeting.

    Attributes:
        meeting_id: the meeting's id.
        utterances: all utterances, by offset.
        duration: length of the audio in ticks.
        provenance: the origin.
    """

    meeting_id: str
    utterances: tuple[Utterance, ...]
    duration: int
    provenance: Provenance

    @property
    def speakers(self) -> tuple[int, ...]:
        """The distinguished speakers, in ascending order."""
        return tuple(sorted({u.speaker for u in self.utterances if u.speaker is not None}))

    def numbered(self) -> Transcript:
        """Return the transcript with speakers numbered from 0 by first appearance.

        Live results leave gaps: a speaker may be corrected away, and a service that is
        connected again counts its speakers anew.
        """
        numbers: dict[int, int] = {}
        for utterance in self.utterances:
            if utterance.speaker is not None:
                numbers.setdefault(utterance.speaker, len(numbers))
        # The usual case; a transcript of many hours would be copied for nothing.
        if all(speaker == number for speaker, number in numbers.items()):
            return self
        utterances = tuple(
            utterance
            if utterance.speaker is None
            else attrs.evolve(utterance, speaker=numbers[utterance.speaker])
            for utterance in self.utterances
        )
        return attrs.evolve(self, utterances=utterances)

    def load(self) -> Transcript:
        """Return the transcript itself, which is in memory."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the transcript as JSON-ready data, which :meth:`from_dict` reads."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Transcript:
        """Read a transcript from data that :meth:`to_dict` returned.

        Raises:
            KeyError, TypeError: the data has another shape.
        """
        return cls(
            meeting_id=data["meeting_id"],
            utterances=tuple(_utterance(item) for item in data["utterances"]),
            duration=data["duration"],
            provenance=_provenance(data["provenance"]),
        )


class AnyTranscript(Protocol):
    """A transcript in memory, or one of any length that is read from the disk."""

    @property
    def meeting_id(self) -> str:
        """The meeting's id."""
        ...

    @property
    def utterances(self) -> Iterable[Utterance]:
        """All utterances, by offset; they can be read several times."""
        ...

    @property
    def duration(self) -> int:
        """Length of the audio in ticks."""
        ...

    @property
    def provenance(self) -> Provenance:
        """The origin."""
        ...

    def numbered(self) -> AnyTranscript:
        """Return the transcript with speakers numbered from 0 by first appearance."""
        ...

    def load(self) -> Transcript:
        """Return the transcript in memory."""
        ...


@attrs.frozen
class StreamedTranscript:
    """A transcript whose utterances are read from the disk, again in each iteration.

    Its speakers are numbered from 0 by first appearance.

    Attributes:
        meeting_id: the meeting's id.
        utterances: all utterances, by offset.
        duration: length of the audio in ticks.
        provenance: the origin.
    """

    meeting_id: str
    utterances: Iterable[Utterance]
    duration: int
    provenance: Provenance

    def numbered(self) -> StreamedTranscript:
        """Return the transcript itself, whose speakers are numbered."""
        return self

    def load(self) -> Transcript:
        """Return the transcript in memory."""
        return Transcript(self.meeting_id, tuple(self.utterances), self.duration, self.provenance)


@attrs.frozen
class Reread(Iterable[Utterance]):
    """Utterances that are read again in each iteration, by calling ``read``."""

    read: Callable[[], Iterator[Utterance]]

    def __iter__(self) -> Iterator[Utterance]:
        return self.read()


def _utterance(data: dict[str, Any]) -> Utterance:
    return Utterance(**{**data, "words": tuple(Word(**word) for word in data["words"])})


def _provenance(data: dict[str, Any]) -> Provenance:
    lists = {key: tuple(data[key]) for key in ("emulated", "notes")}
    return Provenance(**{**data, **lists})
