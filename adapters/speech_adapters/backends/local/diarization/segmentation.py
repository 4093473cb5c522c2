"""Speech, overlapping speech and changes of speaker, frame by frame.

The segmentation model reads 10 s at a time.  Consecutive chunks overlap, and their results
are averaged.  The voices that a chunk distinguishes are not used as speakers: the quantized
model often keeps two voices in one column.
"""

from __future__ import annotations

import itertools
from typing import Any, Final, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.buffer import AudioBuffer
from speech_adapters.backends.local.diarization.features import SAMPLE_RATE
from speech_adapters.backends.local.diarization.models import (
    CHUNK_FRAMES,
    CHUNK_SAMPLES,
    SpeakerModels,
)

__all__ = [
    "FRAME_SAMPLES",
    "FRAME_SECONDS",
    "Segmenter",
    "Stretch",
    "frame_time",
    "runs",
    "to_frames",
]

FRAME_SAMPLES: Final = 270
FRAME_SECONDS: Final = FRAME_SAMPLES / SAMPLE_RATE
# A frame of the model sees more samples than its own; it stands for their middle.
_FRAME_SAMPLES_SEEN: Final = 991
_FRAME_CENTER: Final = _FRAME_SAMPLES_SEEN / 2 / SAMPLE_RATE


def to_frames(seconds: float) -> int:
    """Return the number of frames in a duration."""
    return round(seconds / FRAME_SECONDS)


def frame_time(frame: int) -> float:
    """Return the time of a frame in seconds."""
    return frame * FRAME_SECONDS + _FRAME_CENTER


# Frames between two chunks: 2.5 s.
_HOP: Final = to_frames(2.5)
_SPEECH: Final = 0.5
_OVERLAP: Final = 1.5
_LONGEST_GAP: Final = to_frames(0.25)
_SHORTEST_SPEECH: Final = to_frames(0.15)
_LONGEST_OVERLAP_GAP: Final = to_frames(0.05)
_SHORTEST_OVERLAP: Final = to_frames(0.1)
# A longer stretch without a pause is divided, so that memory stays bounded.
_LONGEST_STRETCH: Final = to_frames(30.0)
_CHANGE: Final = 0.4
_CHANGE_WIDTH: Final = to_frames(0.25)
_EQUAL: Final = 1e-6
_CHANGE_DISTANCE: Final = to_frames(0.5)
_SHORTEST_PART: Final = to_frames(0.4)

# Shape (frames, 3).
_Sums: TypeAlias = NDArray[np.float32]


@attrs.frozen
class Stretch:
    """Speech without a pause and without a detected change of speaker.

    Attributes:
        begin: first frame.
        end: the frame after the last.
        overlaps: frames in which two speak, as pairs (begin, end).
    """

    begin: int
    end: int
    overlaps: tuple[tuple[int, int], ...]


class Segmenter:
    """Segments one recording incrementally.

    Args:
        models: the loaded models.

    Attributes:
        next_chunk: the frame at which the next chunk starts.  Earlier frames are final.
        begin: the first frame that :meth:`take` has not consumed.
    """

    def __init__(self, models: SpeakerModels) -> None:
        self._models = models
        self.next_chunk = 0
        self.begin = 0
        # One row per frame from `begin` on: the sums over all chunks of the active voices
        # and of the changes, and the number of chunks.
        self._sums = np.zeros((0, 3), np.float32)

    def read_chunk(self, audio: AudioBuffer) -> bool:
        """Read the next 10 s.  Returns False if there is less audio so far."""
        if self.next_chunk * FRAME_SAMPLES + CHUNK_SAMPLES > audio.end:
            return False
        self._sums = self._with_chunk(audio, self.next_chunk, CHUNK_FRAMES)
        self.next_chunk += _HOP
        return True

    def take(self) -> list[Stretch]:
        """Return the stretches that are complete, and forget their frames."""
        final = self.next_chunk - self.begin
        regions = _speech(self._sums[:final])
        held = final
        if regions and regions[-1][1] + _LONGEST_GAP >= final:
            # The last region may go on.
            begin, end = regions.pop()
            if end - begin < _LONGEST_STRETCH:
                held = begin
            else:
                regions.append((begin, final))
        stretches = self._stretches(regions, self._sums)
        self._sums = self._sums[held:].copy()
        self.begin += held
        return stretches

    def remaining(self, audio: AudioBuffer) -> list[Stretch]:
        """Return the stretches after the complete ones, up to the end.  Changes no state."""
        end = max(0, (audio.end - _FRAME_SAMPLES_SEEN) // FRAME_SAMPLES + 1)
        if end == self.begin:
            return []
        # A whole chunk that ends here would judge the frames before by other surroundings than
        # the regular chunks, and count as much as they do.  So the next chunk is read, with
        # silence after the end.
        sums = self._with_chunk(audio, self.next_chunk, end - self.next_chunk)
        return self._stretches(_speech(sums), sums)

    def _with_chunk(self, audio: AudioBuffer, begin: int, frames: int) -> _Sums:
        """Return the sums with a chunk that starts at frame ``begin``."""
        start = begin * FRAME_SAMPLES
        samples = audio.read(start, start + CHUNK_SAMPLES)
        active = self._models.segment(np.pad(samples, (0, CHUNK_SAMPLES - len(samples))))[:frames]
        chunk = np.stack([active.sum(axis=1), _changes(active), np.ones(frames)], axis=1)
        # The frames of a chunk at the end may be consumed already.
        chunk = chunk[max(0, self.begin - begin) :]
        at = max(0, begin - self.begin)
        sums = np.zeros((max(len(self._sums), at + len(chunk)), 3), np.float32)
        sums[: len(self._sums)] = self._sums
        sums[at : at + len(chunk)] += chunk
        return sums

    def _stretches(self, regions: list[tuple[int, int]], sums: _Sums) -> list[Stretch]:
        chunks = np.maximum(sums[:, 2], 1)
        overlapping = sums[:, 0] / chunks >= _OVERLAP
        changes = sums[:, 1] / chunks
        found = []
        for begin, end in regions:
            if end - begin < _SHORTEST_SPEECH:
                continue
            cuts = [begin + cut for cut in _cuts(changes[begin:end])]
            for first, last in itertools.pairwise([begin, *cuts, end]):
                overlaps = runs(overlapping[first:last], _LONGEST_OVERLAP_GAP, _SHORTEST_OVERLAP)
                shift = self.begin + first
                found.append(
                    Stretch(
                        shift,
                        self.begin + last,
                        tuple((shift + b, shift + e) for b, e in overlaps),
                    )
                )
        return found


def runs(mask: NDArray[np.bool_], longest_gap: int, shortest: int) -> list[tuple[int, int]]:
    """Return the runs of true frames as pairs (begin, end).

    Args:
        mask: shape (frames,).
        longest_gap: two runs with at most this many frames between them are joined.
        shortest: shorter runs are left out, after joining.
    """
    steps = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    joined: list[tuple[int, int]] = []
    for begin, end in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
        if joined and begin - joined[-1][1] <= longest_gap:
            joined[-1] = (joined[-1][0], int(end))
        else:
            joined.append((int(begin), int(end)))
    return [(begin, end) for begin, end in joined if end - begin >= shortest]


def _speech(sums: _Sums) -> list[tuple[int, int]]:
    voices = sums[:, 0] / np.maximum(sums[:, 2], 1)
    return runs(voices >= _SPEECH, _LONGEST_GAP, 1)


def _changes(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return at which frames a voice starts while, or soon after, another was active."""
    steps = np.diff(active.astype(np.int8), axis=0, append=active[-1:].astype(np.int8))
    starts = (steps > 0).any(axis=1)
    ends = np.asarray((steps < 0).any(axis=1))
    recently = np.convolve(ends, np.ones(_CHANGE_DISTANCE + 1))[: len(ends)] > 0
    return np.asarray(starts & (recently | active.any(axis=1)))


def _cuts(changes: NDArray[np.floating[Any]]) -> list[int]:
    """Return the frames of a region at which the speaker probably changes, in order."""
    scores = np.convolve(changes, np.ones(_CHANGE_WIDTH), "same")[: len(changes)]
    cuts = []
    while len(scores) and scores.max() >= _CHANGE:
        # The smoothing makes a plateau of equal scores around a change; its middle is the place.
        plateau = np.flatnonzero(scores >= scores.max() - _EQUAL)
        plateau = plateau[plateau < plateau[0] + _CHANGE_WIDTH]
        cut = int(plateau.mean())
        scores[max(0, cut - _CHANGE_DISTANCE) : cut + _CHANGE_DISTANCE] = 0
        # The rest at either end must be long enough for an embedding.
        if _SHORTEST_PART < cut < len(scores) - _SHORTEST_PART:
            cuts.append(cut)
    return sorted(cuts)
