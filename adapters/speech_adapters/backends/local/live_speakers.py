"""The speakers of a meeting while it is spoken."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization import Diarization, Turn
from speech_adapters.backends.local.utterances import Span
from speech_adapters.closeable import Closeable

__all__ = ["LiveDiarizer", "LiveSpeakers", "StableNumbers", "spans_at"]

# Work of the diarizer that may wait.  More would be audio in memory.
_WAITING: Final = 20
# No turn is longer, in seconds: the search for the turns at a place ends there.
_LONGEST_TURN: Final = 150.0
# Turns so near to a line may be those of its words, whose times are not exact.
_NEAR: Final = 1.0


class LiveDiarizer(Protocol):
    """The interface that the own diarizer shares with moonshine's."""

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        """Process more audio."""

    def current(self) -> Diarization:
        """Return an estimate for the audio so far."""
        ...

    def finish(self) -> Diarization:
        """Return the result for the whole recording."""
        ...


class LiveSpeakers(Closeable):
    """Runs the diarizer in a thread of its own, beside the recognition.

    The models compute outside of Python, so both threads use a processor each.

    Args:
        diarizer: used by the thread only.
    """

    def __init__(self, diarizer: LiveDiarizer) -> None:
        self._diarizer = diarizer
        self._thread = ThreadPoolExecutor(1, "diarizer")
        self._added: list[Future[None]] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """Process audio, 16 kHz mono in [-1, 1].  Waits if the diarizer is far behind."""
        self._added.append(self._thread.submit(self._diarizer.add_audio, samples))
        if len(self._added) > _WAITING:
            self._added.pop(0).result()

    def estimate(self) -> Future[Diarization]:
        """Return the coming estimate for the audio so far."""
        return self._thread.submit(self._diarizer.current)

    def finish(self) -> Diarization:
        """Return the result for the whole recording.  Idempotent."""
        return self._thread.submit(self._diarizer.finish).result()

    def close(self) -> None:
        """Stop the thread.  Idempotent."""
        self._thread.shutdown(cancel_futures=True)


class StableNumbers:
    """Numbers the speakers of one estimate after the other.

    At the start of a meeting one number may turn out to be two speakers, of whom neither
    resembles the mixture.  The diarizer then drops that number and adds two.  Here the first of
    them keeps it, so that fewer results need a correction.
    """

    def __init__(self) -> None:
        # Our number of each speaker that the diarizer has found so far.
        self._numbers: dict[int, int] = {}
        self._present: frozenset[int] = frozenset()

    def update(self, found: Diarization) -> bool:
        """Number the speakers of an estimate; return whether earlier ones are gone."""
        present = frozenset(n for n, seconds in enumerate(found.speech) if seconds > 0)
        gone = sorted(self._present - present)
        free = [self._numbers[speaker] for speaker in gone]
        for turn in found.turns if present - self._numbers.keys() else ():
            if turn.speaker not in self._numbers:
                number = free.pop(0) if free else len(set(self._numbers.values()))
                self._numbers[turn.speaker] = number
        self._present = present
        return bool(gone)

    def __getitem__(self, speaker: int) -> int:
        return self._numbers[speaker]


def spans_at(
    turns: Sequence[Turn],
    start: float,
    end: float,
    names: Mapping[int, str],
    numbers: StableNumbers,
) -> tuple[Span, ...]:
    """Return the turns at and near a line.

    Args:
        turns: by their start.
        start: start of the line in seconds.
        end: end of the line in seconds.
        names: ids of participants, by the speakers of the turns.
        numbers: numbers by the speakers of the turns.
    """
    place = bisect_left(turns, end + _NEAR, key=lambda turn: turn.start)
    found = []
    while place and turns[place - 1].start >= start - _LONGEST_TURN:
        place -= 1
        turn = turns[place]
        if turn.end > start - _NEAR:
            length, speaker = turn.end - turn.start, turn.speaker
            found.append(Span(turn.start, length, numbers[speaker], names.get(speaker)))
    return tuple(reversed(found))
