"""The diarizer: audio in, turns of speakers out.

Memory: the audio is kept for as long as a chunk or an unfinished stretch needs it, at most
about 45 s.  Of finished speech only the embeddings stay, 0.5 kB per second.  Windows are
clustered in blocks as they arrive, so the cost of one more second of audio is constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.assignment import Span, Turn, assign
from speech_adapters.backends.local.diarization.buffer import AudioBuffer
from speech_adapters.backends.local.diarization.clustering import (
    Clusters,
    cluster,
    divide,
    join,
    refine,
)
from speech_adapters.backends.local.diarization.embedding import (
    SHORTEST_SAMPLES,
    EmbeddedStretch,
    Embedder,
    long_embeddings,
)
from speech_adapters.backends.local.diarization.features import SAMPLE_RATE
from speech_adapters.backends.local.diarization.models import CHUNK_SAMPLES, SpeakerModels
from speech_adapters.backends.local.diarization.numbering import Numbering
from speech_adapters.backends.local.diarization.segmentation import (
    FRAME_SAMPLES,
    Segmenter,
    frame_time,
)

__all__ = ["Diarization", "Diarizer"]

# Windows in a block, and how many of them the next block repeats.
_BLOCK: Final = 150
_REPEATED: Final = 50
# Longer input is processed in pieces of this many samples.
_PIECE: Final = 10 * SAMPLE_RATE


@attrs.frozen(eq=False)
class Diarization:
    """Who spoke when.

    Attributes:
        turns: in order of their start.
        embeddings: the voice of each speaker, of unit length; shape (speakers, dimension).
            ``repr`` omits it, because it is biometric data.
        speech: seconds of speech of each speaker.  A speaker of an earlier estimate who was
            found to be another one keeps the number and has 0.0.
    """

    turns: tuple[Turn, ...]
    embeddings: NDArray[np.float32] = attrs.field(repr=False)
    speech: tuple[float, ...]

    @classmethod
    def of(cls, turns: Iterable[Turn], embeddings: NDArray[np.float32]) -> Diarization:
        """Return the result for turns in any order, one embedding for each speaker."""
        ordered = tuple(sorted(turns, key=lambda turn: turn.start))
        speech = [0.0] * len(embeddings)
        for turn in ordered:
            speech[turn.speaker] += turn.end - turn.start
        return cls(ordered, embeddings, tuple(speech))


class Diarizer:
    """Diarizes one recording, incrementally and in bounded memory.

    Not thread-safe; the models are.  Speakers are numbered from 0 by first appearance.  A
    number that :meth:`current` has returned keeps its meaning in all later results.

    Args:
        models: the loaded models, which the caller closes.
        speakers: the number of speakers, if known.
        max_speakers: the highest possible number of speakers, if known.

    Attributes:
        settle_seconds: seconds of audio by which an estimate is late.

    Raises:
        ValueError: a number is less than 1.
    """

    settle_seconds: Final = 0.0

    def __init__(
        self,
        models: SpeakerModels,
        *,
        speakers: int | None = None,
        max_speakers: int | None = None,
    ) -> None:
        if (speakers is not None and speakers < 1) or (
            max_speakers is not None and max_speakers < 1
        ):
            raise ValueError("speakers and max_speakers must be at least 1.")
        self._plda = models.plda
        self._dimension = models.dimension
        self._speakers = speakers
        self._limit = speakers or max_speakers
        self._audio = AudioBuffer()
        self._segmenter = Segmenter(models)
        self._embedder = Embedder(models, self._audio)
        self._numbering = Numbering(models.dimension)
        # All complete stretches.
        self._speech: list[EmbeddedStretch] = []
        # The index of the first stretch of the current block, and the windows in the block.
        self._block = 0
        self._block_windows = 0
        # The speakers of each complete block.
        self._blocks: list[Clusters] = []
        # Turns of the first `_settled_stretches`, which `current` does not assign again.
        self._settled: list[Turn] = []
        self._settled_stretches = 0
        self._latest: Diarization | None = None
        self._finished = False

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        """Process more audio: 16 kHz mono in [-1, 1], any length."""
        assert not self._finished, "finish() was called"
        for start in range(0, len(samples), _PIECE):
            self._latest = None
            self._audio.append(samples[start : start + _PIECE])
            while self._segmenter.read_chunk(self._audio):
                for stretch in self._segmenter.take():
                    self._add(self._embedder.embed(stretch))
            # The last chunk has the last ten seconds again, even those that were consumed.
            needed = min(self._segmenter.begin * FRAME_SAMPLES, self._audio.end - CHUNK_SAMPLES)
            self._audio.drop(needed - SHORTEST_SAMPLES)

    def current(self) -> Diarization:
        """Return an estimate up to the last sample.

        The latest ten seconds are provisional: later calls may move their boundaries and
        change their speakers.  Turns before the current block of about two minutes change
        only where two speakers are found to be one.  The known number of speakers counts
        as the maximum, because some may not have spoken yet.
        """
        if self._latest is None:
            recent = [self._embedder.embed(s) for s in self._segmenter.remaining(self._audio)]
            self._embedder.forget_unused()
            found = self._estimate([*self._speech[self._block :], *recent])
            settling = assign(self._speech[self._settled_stretches : self._block], found.centroids)
            spans = assign([*self._speech[self._block :], *recent], found.centroids)
            self._settled_stretches = self._block
            turns = self._number(found, [*settling, *spans])
            self._settled += turns[: len(settling)]
            self._latest = self._result([*self._settled, *turns[len(settling) :]])
        return self._latest

    def finish(self) -> Diarization:
        """Return the result for the whole recording.  Idempotent; no audio can follow."""
        if not self._finished:
            self._finished = True
            self._speech += map(self._embedder.embed, self._segmenter.remaining(self._audio))
            found = self._final() if self._speech else self._estimate([])
            self._latest = self._result(self._number(found, assign(self._speech, found.centroids)))
        assert self._latest is not None
        return self._latest

    def _add(self, stretch: EmbeddedStretch) -> None:
        self._speech.append(stretch)
        self._block_windows += len(stretch.windows)
        if self._block_windows >= _BLOCK:
            self._blocks.append(cluster(long_embeddings(self._speech[self._block :]), self._plda))
            while self._block_windows > _REPEATED:
                self._block_windows -= len(self._speech[self._block].windows)
                self._block += 1

    def _estimate(self, block: Sequence[EmbeddedStretch]) -> Clusters:
        """Return the speakers of the complete blocks and an incomplete one."""
        latest = [cluster(long_embeddings(block), self._plda)] if block else []
        if not self._blocks and not latest:
            return Clusters(np.zeros((0, self._dimension)), np.zeros(0))
        return join([*self._blocks, *latest], self._limit)

    def _final(self) -> Clusters:
        """Return the speakers of the whole recording, which has speech."""
        found = self._estimate(self._speech[self._block :])
        embeddings = long_embeddings(self._speech)
        if self._speakers is not None and len(found.weights) != self._speakers:
            found = divide(embeddings, self._speakers)
        return refine(embeddings, found)

    def _number(self, found: Clusters, spans: Sequence[Span]) -> list[Turn]:
        appearing = dict.fromkeys(span.cluster for span in spans)
        numbers, gone = self._numbering.number(found.centroids, appearing)
        if gone:
            self._settled = [
                attrs.evolve(t, speaker=gone.get(t.speaker, t.speaker)) for t in self._settled
            ]
        seconds = self._audio.end / SAMPLE_RATE
        return [
            Turn(frame_time(s.begin), min(frame_time(s.end), seconds), numbers[s.cluster])
            for s in spans
        ]

    def _result(self, turns: Sequence[Turn]) -> Diarization:
        return Diarization.of(turns, self._numbering.voices.astype(np.float32))
