from __future__ import annotations

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.models import (
    ModelMismatchError,
    Plda,
    SpeakerModels,
    load_models,
)
from speech_adapters.backends.local.diarization.shipped import read_shipped
from speech_adapters.errors import ConfigurationError, MissingExtraError


class Session:
    """A session of ONNX Runtime that returns fixed scores."""

    def __init__(self, inputs: list[str], output: NDArray[np.float32]) -> None:
        self._inputs = inputs
        self._output = output

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name=name) for name in self._inputs]

    def run(self, _outputs: None, inputs: dict[str, Any]) -> list[NDArray[np.float32]]:
        assert list(inputs) == self._inputs
        if "mask" in inputs:
            # All frames of a window count the same.
            assert inputs["mask"].tolist() == [[1.0] * inputs["feats"].shape[1]]
        return [self._output]


def build(segmentation: NDArray[Any], embedding: NDArray[Any], *weights: str) -> SpeakerModels:
    first: Any = Session(["audio"], segmentation.astype(np.float32))
    second: Any = Session(["feats", *weights], embedding.astype(np.float32))
    return SpeakerModels(first, second, "id", None)


def one_hot(*classes: int) -> NDArray[np.float64]:
    """Return the scores of a model with 7 classes, as logarithms."""
    scores = np.full((1, 589, 7), -5.0)
    for frame, number in enumerate(classes):
        scores[0, frame, number] = -0.1
    return scores


def test_probabilities_of_three_voices_are_rounded() -> None:
    scores = np.zeros((1, 589, 3))
    scores[0, :2] = [[0.6, 0.4, 0.0], [0.9, 0.1, 0.8]]
    models = build(scores, np.ones((1, 7)))
    found = models.segment(np.zeros(160_000, np.float32))
    assert found[:2].tolist() == [[True, False, False], [True, False, True]]
    assert not found[2:].any()
    assert models.dimension == 7


def test_classes_of_combined_voices_are_separated() -> None:
    models = build(one_hot(0, 1, 2, 3, 4, 5, 6), np.ones((1, 7)))
    found = models.segment(np.zeros(160_000, np.float32))[:7]
    assert [np.flatnonzero(row).tolist() for row in found] == [
        [],
        [0],
        [1],
        [2],
        [0, 1],
        [0, 2],
        [1, 2],
    ]


@pytest.mark.parametrize("weights", [(), ("mask",)])
def test_an_embedding_model_may_weight_its_frames(weights: tuple[str, ...]) -> None:
    models = build(one_hot(), np.arange(5)[None], *weights)
    assert models.embed(np.zeros((100, 80), np.float32)).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("segmentation", "embedding"),
    [
        (np.zeros((1, 293, 7)), np.ones((1, 5))),
        (np.zeros((1, 589, 4)), np.ones((1, 5))),
        (np.zeros((1, 589, 3)), np.ones((1, 5, 5))),
    ],
)
def test_other_shapes_are_refused(segmentation: NDArray[Any], embedding: NDArray[Any]) -> None:
    with pytest.raises(ModelMismatchError, match="shapes"):
        build(segmentation, embedding)


def test_a_model_that_cannot_be_run_is_refused() -> None:
    first: Any = Session(["audio"], np.zeros((1, 589, 3), np.float32))
    second: Any = Session(["feats"], np.zeros((), np.float32))
    with pytest.raises(ModelMismatchError, match="cannot be run"):
        SpeakerModels(first, second, "id", None)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.onnx"
    with pytest.raises(ConfigurationError, match=r"missing\.onnx cannot be read: No such file"):
        load_models(missing, missing)


@pytest.mark.engine
def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelMismatchError, match="cannot be loaded"):
        load_models(tmp_path / "model.onnx", tmp_path / "model.onnx")


def test_a_missing_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "model.onnx").write_bytes(b"model")
    with pytest.raises(MissingExtraError, match=r"onnxruntime.*speech-compat\[local\]"):
        load_models(tmp_path / "model.onnx", tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write the models of the package to files, as if they were others."""
    folder, shipped = tmp_path_factory.mktemp("models"), read_shipped()
    (folder / "segmentation.onnx").write_bytes(shipped.segmentation)
    (folder / "embedding.onnx").write_bytes(shipped.embedding)
    return folder / "segmentation.onnx", folder / "embedding.onnx"


@pytest.mark.engine
def test_the_models_of_the_package_are_loaded(models: SpeakerModels) -> None:
    shipped = read_shipped()
    assert models.embedding_id == hashlib.sha256(shipped.embedding).hexdigest()
    assert models.dimension == 256
    assert models.plda is not None


@pytest.mark.engine
def test_configured_models_are_loaded(models: SpeakerModels, files: tuple[Path, Path]) -> None:
    bands = np.random.default_rng(0).normal(size=(150, 80)).astype(np.float32)
    with load_models(*files) as configured:
        assert np.array_equal(configured.embed(bands), models.embed(bands))
        assert configured.embedding_id == models.embedding_id
        # The tables of the package may not belong to a configured model.
        assert configured.plda is None


@pytest.mark.engine
def test_one_model_can_be_configured(files: tuple[Path, Path]) -> None:
    with load_models(segmentation=files[0]) as configured:
        assert configured.plda is not None
    with load_models(embedding=files[1]) as configured:
        assert configured.plda is None


@pytest.mark.engine
def test_models_in_the_wrong_place_are_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(ModelMismatchError, match="cannot be run"):
        load_models(files[1], files[0])


@pytest.mark.engine
def test_threads_share_the_models(models: SpeakerModels) -> None:
    random = np.random.default_rng(0)
    pieces = [random.normal(size=(100 + i, 80)).astype(np.float32) for i in range(12)]
    expected = [models.embed(piece) for piece in pieces]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(models.embed, pieces))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.engine
def test_speakers_scatter_with_unit_variance_in_the_space(models: SpeakerModels) -> None:
    assert models.plda is not None
    between = models.plda.between
    assert between.shape == (128,)
    assert (between > 0).all()
    embeddings = np.random.default_rng(0).normal(size=(5, 256)).astype(np.float32)
    projected = models.plda.project(embeddings)
    assert projected.shape == (5, 128)
    # Each row is projected for itself, and only its direction from the mean counts.
    assert models.plda.project(embeddings[2:3]) == pytest.approx(projected[2:3])


def test_embeddings_are_projected_as_the_tables_say() -> None:
    random = np.random.default_rng(0)
    shapes = [(256,), (128,), (256, 128), (128,), (128, 128), (128,)]
    types = ["f8", "f4", "f4", "f8", "f8", "f8"]
    tables = [random.normal(size=s).astype(t) for s, t in zip(shapes, types, strict=True)]
    mean, reduced_mean, reduction, plda_mean, transform, between = tables
    plda = Plda(b"".join(table.tobytes() for table in tables))
    embedding = random.normal(size=256)
    direction = (embedding - mean) / np.linalg.norm(embedding - mean)
    reduced = sum(16 * direction[i] * reduction[i] for i in range(256)) - reduced_mean
    centered = 128**0.5 * reduced / np.linalg.norm(reduced) - plda_mean
    expected = [float(row @ centered) for row in transform]
    assert plda.project(embedding[None])[0] == pytest.approx(expected)
    assert np.array_equal(plda.between, between)


@pytest.mark.engine
def test_an_inference_uses_only_its_threads(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = []

    class Recorded(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            sessions.append(self.get_session_options())

    monkeypatch.setattr(onnxruntime, "InferenceSession", Recorded)
    load_models(*files, threads=3).close()
    assert [options.intra_op_num_threads for options in sessions] == [3, 3]
    for options in sessions:
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.engine
def test_closed_models_can_be_closed_again(files: tuple[Path, Path]) -> None:
    models = load_models(*files)
    models.close()
    models.close()
    with pytest.raises(AssertionError, match="closed"):
        models.embed(np.zeros((100, 80), np.float32))
