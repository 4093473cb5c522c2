"""The models that detect speech and recognize voices."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.features import MEL_BANDS
from speech_adapters.backends.local.diarization.shipped import (
    REMEDY,
    ModelMismatchError,
    read_shipped,
)
from speech_adapters.backends.local.diarization.vectors import unit
from speech_adapters.backends.local.packages import forbid_telemetry, missing_package
from speech_adapters.closeable import Closeable
from speech_adapters.errors import ConfigurationError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = [
    "CHUNK_FRAMES",
    "CHUNK_SAMPLES",
    "ModelMismatchError",
    "Plda",
    "SpeakerModels",
    "load_models",
]

CHUNK_SAMPLES: Final = 160_000
"""Samples that the segmentation model reads at once: 10 s."""
CHUNK_FRAMES: Final = 589
"""Frames that the segmentation model returns for them."""

_TABLES: Final = np.dtype(
    [
        ("mean", "<f8", 256),
        ("reduced_mean", "<f4", 128),
        ("reduction", "<f4", (256, 128)),
        ("plda_mean", "<f8", 128),
        ("plda_transform", "<f8", (128, 128)),
        ("between", "<f8", 128),
    ]
)
# Which voices each class of a segmentation model with 7 classes ("powerset") stands for.
_POWERSET: Final = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.bool_
)


class Plda:
    """A space in which the embeddings of one speaker scatter with unit variance.

    Args:
        tables: the tables of the package, as one block of bytes.

    Attributes:
        between: the variance between speakers in each of the 128 dimensions.
    """

    def __init__(self, tables: bytes) -> None:
        (self._tables,) = np.frombuffer(tables, _TABLES)
        self.between: NDArray[np.float64] = self._tables["between"]

    def project(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return embeddings of shape (n, 256) in the space, shape (n, 128)."""
        tables = self._tables
        reduced = _scaled(embeddings - tables["mean"]) @ tables["reduction"]
        centered = _scaled(reduced - tables["reduced_mean"]) - tables["plda_mean"]
        # The rows of the transform diagonalize the variance within and between speakers, so
        # no eigenvalue problem is left to solve.
        projected: NDArray[np.float64] = centered @ tables["plda_transform"].T
        return projected


def _scaled(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each row to the square root of its dimension, as in the training of the tables."""
    return np.asarray(np.sqrt(vectors.shape[1]) * unit(vectors))


class SpeakerModels(Closeable):
    """The loaded models.  Thread-safe: many diarizers share one object.

    Args:
        segmentation: session of a segmentation model.
        embedding: session of an embedding model.
        embedding_id: SHA-256 of the embedding model.
        plda: the space in which its embeddings are compared, if it is known.

    Attributes:
        dimension: length of an embedding.
        embedding_id: identifies the embedding model.  Embeddings of different models cannot
            be compared, so a stored voice signature names it.
        plda: ``None`` for a configured model, whose embeddings are compared by cosine.

    Raises:
        ModelMismatchError: a model has other inputs or outputs than expected.
    """

    def __init__(
        self,
        segmentation: InferenceSession,
        embedding: InferenceSession,
        embedding_id: str,
        plda: Plda | None,
    ) -> None:
        self._segmentation: InferenceSession | None = segmentation
        self._embedding: InferenceSession | None = embedding
        self.embedding_id = embedding_id
        self.plda = plda
        self._samples_input = segmentation.get_inputs()[0].name
        # An export by pyannote also reads a weight of each frame; one by WeSpeaker does not.
        self._bands_input, *self._weights_input = (i.name for i in embedding.get_inputs())
        self.dimension = self._test_run()

    def segment(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which of three voices are active in 10 s of audio.

        A voice keeps its column for the 10 s, but has no identity beyond them.

        Args:
            samples: shape (160000,).

        Returns:
            Shape (589, 3).
        """
        assert self._segmentation is not None, "the models are closed"
        (result,) = self._segmentation.run(None, {self._samples_input: samples[None, None]})
        scores = np.asarray(result)[0]
        if scores.shape[1] == len(_POWERSET):
            return np.asarray(_POWERSET[scores.argmax(axis=1)])
        return np.asarray(scores > 0.5)  # noqa: PLR2004 - a probability

    def embed(self, bands: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the embedding, shape (dimension,), of log-mel bands, shape (frames, 80)."""
        assert self._embedding is not None, "the models are closed"
        inputs = {self._bands_input: bands[None]}
        for name in self._weights_input:
            inputs[name] = np.ones((1, len(bands)), np.float32)
        # One window at a time: a batch needs the same CPU time, and more memory.
        (result,) = self._embedding.run(None, inputs)
        vector: NDArray[np.float32] = np.asarray(result)[0]
        return vector

    def close(self) -> None:
        """Free the models.  Idempotent."""
        self._segmentation = self._embedding = None

    def _test_run(self) -> int:
        """Run both models on silence; return the length of an embedding."""
        try:
            voices = self.segment(np.zeros(CHUNK_SAMPLES, np.float32))
            vector = self.embed(np.zeros((100, MEL_BANDS), np.float32))
        # onnxruntime's errors have no base class, and numpy adds those of a wrong shape.
        except Exception as error:
            raise ModelMismatchError(f"A speaker model cannot be run: {error}. {REMEDY}") from error
        if voices.shape != (CHUNK_FRAMES, 3) or vector.ndim != 1:
            raise ModelMismatchError(
                f"The speaker models return the shapes {voices.shape} and {vector.shape}, not"
                f" ({CHUNK_FRAMES}, 3) and (length of an embedding,). {REMEDY}"
            )
        return len(vector)


def load_models(
    segmentation: Path | None = None, embedding: Path | None = None, threads: int = 1
) -> SpeakerModels:
    """Load the models.

    Args:
        segmentation: ONNX file of a pyannote segmentation model, which reads 10 s; by
            default the model in the package moonshine-voice.
        embedding: ONNX file of a WeSpeaker-compatible embedding model, which reads 80
            log-mel bands; by default the model in the package moonshine-voice.
        threads: CPU threads of one inference.

    Raises:
        ModelMismatchError: the package has other models than expected, or a configured file
            is not a model of its kind.
        MissingExtraError: moonshine-voice or onnxruntime is not installed.
        ConfigurationError: a configured file cannot be read.
    """
    plda = None
    if segmentation is not None and embedding is not None:
        models = _read(segmentation), _read(embedding)
    else:
        shipped = read_shipped()
        models = (
            _read(segmentation) if segmentation else shipped.segmentation,
            _read(embedding) if embedding else shipped.embedding,
        )
        # The tables were trained on the embeddings of the package's own model.
        plda = Plda(shipped.tables) if embedding is None else None
    return SpeakerModels(
        _session(models[0], threads),
        _session(models[1], threads),
        hashlib.sha256(models[1]).hexdigest(),
        plda,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The speaker model {path} cannot be read: {error.strerror}. Check"
            " backends.local.segmentation_model and embedding_model."
        ) from error


def _session(model: bytes, threads: int) -> InferenceSession:
    forbid_telemetry()
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_package("onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # An idle thread would burn CPU time that recognition needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    except Exception as error:  # the errors of onnxruntime have no base class
        raise ModelMismatchError(f"A speaker model cannot be loaded: {error}. {REMEDY}") from error
