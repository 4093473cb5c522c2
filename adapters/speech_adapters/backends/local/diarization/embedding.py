"""Windows of speech and their embeddings, which stand for a voice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.buffer import AudioBuffer
from speech_adapters.backends.local.diarization.features import SAMPLE_RATE, mel_bands
from speech_adapters.backends.local.diarization.models import SpeakerModels
from speech_adapters.backends.local.diarization.segmentation import (
    FRAME_SAMPLES,
    FRAME_SECONDS,
    Segmenter,
    Stretch,
    to_frames,
)
from speech_adapters.backends.local.diarization.vectors import unit

__all__ = [
    "SHORTEST_SAMPLES",
    "EmbeddedStretch",
    "Embedder",
    "VoiceEmbedding",
    "embed",
    "embed_window",
    "long_embeddings",
    "windows",
]

_WINDOW: Final = to_frames(1.5)
_HOP: Final = to_frames(0.75)
# Shorter windows show too little of a voice to form clusters.
_CLUSTERED: Final = to_frames(1.0)
# Longer windows for enrollment: fewer embeddings of more speech each.
_ENROLLMENT_WINDOW: Final = to_frames(4.0)
# A stretch that is longer by less than this share of a window is one window.
_TOLERANCE: Final = 1.25
# The features of a window are normalized by their mean, which needs some context.
SHORTEST_SAMPLES: Final = int(0.4 * SAMPLE_RATE)


@attrs.frozen(eq=False)
class EmbeddedStretch:
    """A stretch of speech with the embeddings of its windows.

    Attributes:
        stretch: where it is.
        windows: pairs (begin, end) of frames; they overlap and cover the stretch.
        embeddings: of each window; shape (windows, dimension).  Half precision, because a
            recording of eight hours has about 30,000 windows.
    """

    stretch: Stretch
    windows: tuple[tuple[int, int], ...]
    embeddings: NDArray[np.float16] = attrs.field(repr=False)


@attrs.frozen(eq=False)
class VoiceEmbedding:
    """The voice of a recording of one speaker.

    Attributes:
        vector: the mean embedding, of unit length; shape (dimension,).  ``repr`` omits it,
            because it is biometric data.
        speech: seconds of speech that it was made from.
        agreement: the lowest cosine of a piece of the speech with ``vector``: about .8 or
            more for one speaker, less where several speak.
    """

    vector: NDArray[np.float32] = attrs.field(repr=False)
    speech: float
    agreement: float


def windows(stretch: Stretch, length: int = _WINDOW, hop: int = _HOP) -> list[tuple[int, int]]:
    """Return the windows of a stretch as pairs (begin, end) of frames.

    They start at fixed distances from the beginning, so that those of a growing stretch stay
    the same; only the last one ends with the stretch.
    """
    begin, end = stretch.begin, stretch.end
    if end - begin <= length * _TOLERANCE:
        return [(begin, end)]
    starts = [*range(begin, end - length - hop // 2, hop), end - length]
    return [(start, start + length) for start in starts]


def embed_window(
    models: SpeakerModels, audio: AudioBuffer, begin: int, end: int
) -> NDArray[np.float32]:
    """Return the embedding of a window, shape (dimension,).  Its length is not normalized.

    Args:
        models: the loaded models.
        audio: contains the window.
        begin: first frame.
        end: frame after the last.
    """
    first, last = begin * FRAME_SAMPLES, end * FRAME_SAMPLES
    # At the end of the audio a short window is widened to the left.
    first = max(0, min(first, audio.end - SHORTEST_SAMPLES))
    samples = audio.read(first, max(last, first + SHORTEST_SAMPLES))
    return models.embed(mel_bands(np.pad(samples, (0, max(0, SHORTEST_SAMPLES - len(samples))))))


class Embedder:
    """Embeds the stretches of one recording, each window only once.

    Args:
        models: the loaded models.
        audio: contains the stretches.
    """

    def __init__(self, models: SpeakerModels, audio: AudioBuffer) -> None:
        self._models = models
        self._audio = audio
        # By window: the embeddings of before and after the last call of `forget_unused`.
        # A live estimate embeds an unfinished stretch again and again.
        self._before: dict[tuple[int, int], NDArray[np.float16]] = {}
        self._used: dict[tuple[int, int], NDArray[np.float16]] = {}

    def embed(self, stretch: Stretch) -> EmbeddedStretch:
        """Return the stretch with the embeddings of its windows."""
        places = windows(stretch)
        embeddings = np.stack([self._embed_once(place) for place in places])
        return EmbeddedStretch(stretch, tuple(places), embeddings)

    def _embed_once(self, place: tuple[int, int]) -> NDArray[np.float16]:
        known = self._before.get(place)
        if known is None:
            known = embed_window(self._models, self._audio, *place).astype(np.float16)
        self._used[place] = known
        return known

    def forget_unused(self) -> None:
        """Keep only the embeddings that were used since the last call."""
        self._before, self._used = self._used, {}


def long_embeddings(speech: Sequence[EmbeddedStretch]) -> NDArray[np.float32]:
    """Return the embeddings of the windows that are long enough for clustering.

    If there are fewer than two, all are returned.

    Returns:
        Shape (windows, dimension).
    """
    embeddings = np.concatenate([s.embeddings for s in speech]).astype(np.float32)
    lengths = np.array([end - begin for s in speech for begin, end in s.windows])
    long = lengths >= _CLUSTERED
    return embeddings[long] if long.sum() > 1 else embeddings


def embed(models: SpeakerModels, samples: NDArray[np.float32]) -> VoiceEmbedding | None:
    """Return the voice of a recording of one speaker, for enrollment.

    Args:
        models: the loaded models.
        samples: 16 kHz mono audio in [-1, 1].

    Returns:
        The voice, or ``None`` if there is no speech.
    """
    audio = AudioBuffer()
    audio.append(samples)
    segmenter = Segmenter(models)
    stretches = []
    while segmenter.read_chunk(audio):
        stretches += segmenter.take()
    stretches += segmenter.remaining(audio)
    if not stretches:
        return None
    places = [
        place
        for stretch in stretches
        for place in windows(stretch, _ENROLLMENT_WINDOW, _ENROLLMENT_WINDOW)
    ]
    pieces = unit(np.stack([embed_window(models, audio, *place) for place in places]))
    vector = unit(pieces.mean(axis=0))
    return VoiceEmbedding(
        vector.astype(np.float32),
        sum(stretch.end - stretch.begin for stretch in stretches) * FRAME_SECONDS,
        float((pieces @ vector).min()),
    )
