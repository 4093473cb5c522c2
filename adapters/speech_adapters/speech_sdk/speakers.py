"""Numbers for the speakers of a recording, from the labels of one or more recognizers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

import attrs

from speech_adapters.transcript import LabelStyle, Utterance

__all__ = ["MeetingSpeakers", "SpeakerBackfill", "SpeakerNumbers"]

# Utterances of an unknown speaker that may still be assigned to a new one.
_REMEMBERED: Final = 64


class SpeakerNumbers:
    """Numbers speakers from 0, without reusing a number for another recognizer's speaker.

    Each recognizer counts its speakers from the first again, and no answer of the service
    relates them to the speakers before.  One person with two numbers is a smaller error
    than two persons with one.
    """

    def __init__(self) -> None:
        self._first = 0  # the number of the present recognizer's first speaker
        self._next = 0  # the lowest number above all that are in use
        self._extra_labels: dict[str, int] = {}  # labels of no known form, by appearance

    def begin(self) -> None:
        """Start the numbers of another recognizer."""
        self._first = self._next
        self._extra_labels = {}

    def reserve(self, speaker: int | None) -> None:
        """Mark a number as in use."""
        if speaker is not None:
            self._next = max(self._next, speaker + 1)

    def number(self, label: str) -> int | None:
        """Return the number for a label, or ``None`` for an unknown speaker."""
        style = LabelStyle.DIARIZATION
        if label in ("", style.label(None)):
            return None
        number = style.speaker(label)
        if number is None:
            # No such label is documented; one that appears anyway still is one speaker.
            number = self._extra_labels.setdefault(label, self._next - self._first)
        self.reserve(self._first + number)
        return self._first + number


class MeetingSpeakers:
    """Numbers and participants from the labels of meetings (``Guest_0``, ``Unidentified``).

    A guest keeps the service's number unless another speaker has it; a participant, whose label
    is their id, has the lowest number that is free.

    Args:
        separate: whether speakers have numbers; participants are named all the same.
    """

    def __init__(self, separate: bool) -> None:
        self._separate = separate
        self._numbers: dict[str, int] = {}  # of the present recognizer's labels
        self._used: set[int] = set()  # numbers of all recognizers

    def begin(self) -> None:
        """Start with another recognizer: its guests are others, its participants are not."""
        style = LabelStyle.MEETING
        self._numbers = {
            label: number for label, number in self._numbers.items() if style.speaker(label) is None
        }

    def resolve(self, label: str) -> tuple[int | None, str | None]:
        """Return number and participant of a label; ``None`` for what it does not name."""
        style = LabelStyle.MEETING
        if label in ("", style.label(None)):
            return None, None
        guest = style.speaker(label)
        participant = label if guest is None else None
        return (self._number(label, guest or 0) if self._separate else None), participant

    def _number(self, label: str, wanted: int) -> int:
        if label not in self._numbers:
            while wanted in self._used:
                wanted += 1
            self._used.add(wanted)
            self._numbers[label] = wanted
        return self._numbers[label]


class SpeakerBackfill:
    """Assigns utterances of an unknown speaker to the new speaker right after them.

    The service identifies a speaker only after some seconds of the voice, so the first
    utterances of each speaker have none.  A speaker who was identified before would have
    been identified then too, so only a speaker who is new is assigned.

    Args:
        window: largest distance in ticks between the two; 0 assigns no speaker.

    Attributes:
        count: utterances that were assigned.
    """

    def __init__(self, window: int) -> None:
        self.count = 0
        self._window = window
        self._known: set[int] = set()  # speakers who were identified before
        # Bounded: in a recording without any identified speaker it would grow for ever.
        self._unknown: deque[Utterance] = deque(maxlen=_REMEMBERED)

    def add_known(self, speaker: int | None) -> None:
        """Mark a speaker as identified before."""
        if speaker is not None:
            self._known.add(speaker)

    def assign(self, utterance: Utterance) -> Iterator[Utterance]:
        """Yield the corrected utterances before this final one."""
        if not self._window:
            return
        waiting, self._unknown = self._unknown, deque(maxlen=_REMEMBERED)
        if waiting and utterance.offset - waiting[-1].end > self._window:
            # After a pause it may be any speaker; a wrong name is worse than none.
            waiting = deque()
        if utterance.speaker is None:
            self._unknown.extend((*waiting, utterance))
        elif utterance.speaker not in self._known:
            self._known.add(utterance.speaker)
            for before in waiting:
                self.count += 1
                yield attrs.evolve(before, speaker=utterance.speaker)
