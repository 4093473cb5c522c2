from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from speech_adapters.backends.local.diarization.shipped import (
    ModelMismatchError,
    ShippedData,
    read_shipped,
)
from speech_adapters.errors import ConfigurationError, MissingExtraError


@pytest.fixture(scope="module")
def shipped() -> ShippedData:
    return read_shipped()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that the package is installed in an empty folder."""
    spec = ModuleSpec("moonshine_voice", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    return tmp_path


def library(data: ShippedData) -> bytes:
    """Return a library that holds the data in the order of the real one."""
    return b"ELF" * 1000 + data.tables + data.segmentation + bytes(5) + data.embedding + b"end"


@pytest.mark.engine
@pytest.mark.parametrize("name", ["libmoonshine.so", "libmoonshine.dylib", "moonshine.dll"])
def test_the_library_of_each_platform_is_read(
    shipped: ShippedData, package: Path, name: str
) -> None:
    (package / name).write_bytes(library(shipped))
    assert read_shipped() == shipped


@pytest.mark.engine
def test_the_order_of_the_models_does_not_matter(shipped: ShippedData, package: Path) -> None:
    moved = shipped.embedding + b"\x14\x00\x00\x00ORTM" + shipped.tables + shipped.segmentation
    (package / "libmoonshine.so").write_bytes(moved)
    assert read_shipped() == shipped


@pytest.mark.engine
def test_a_second_copy_of_a_model_does_not_matter(shipped: ShippedData, package: Path) -> None:
    (package / "libmoonshine.so").write_bytes(library(shipped) + shipped.segmentation)
    assert read_shipped() == shipped


@pytest.mark.engine
@pytest.mark.parametrize("part", ["tables", "segmentation", "embedding"])
def test_changed_data_are_refused(shipped: ShippedData, package: Path, part: str) -> None:
    data = library(shipped)
    at = data.index(getattr(shipped, part)) + 1000
    (package / "libmoonshine.so").write_bytes(data[:at] + b"?" + data[at + 1 :])
    with pytest.raises(ModelMismatchError) as caught:
        read_shipped()
    assert str(caught.value) == (
        "libmoonshine.so of the package moonshine-voice does not hold the expected speaker"
        " models, probably because it is another version. Install moonshine-voice 0.1.0, or set"
        " backends.local.segmentation_model and embedding_model to ONNX files. In the environment:"
        " SPEECH_COMPAT_BACKENDS__LOCAL__SEGMENTATION_MODEL."
    )


@pytest.mark.parametrize("content", [b"x", b"\x14\x00\x00\x00ORTM", b"\x14\x00\x00\x00ORTM" * 9])
def test_a_library_without_the_models_is_refused(package: Path, content: bytes) -> None:
    (package / "moonshine.dll").write_bytes(content)
    with pytest.raises(ModelMismatchError, match=r"^moonshine\.dll of the package"):
        read_shipped()


@pytest.mark.parametrize("content", [None, b""])
def test_a_package_without_a_library_is_refused(package: Path, content: bytes | None) -> None:
    if content is not None:
        (package / "libmoonshine.so").write_bytes(content)
    with pytest.raises(ConfigurationError, match="has no native library"):
        read_shipped()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"moonshine-voice.*speech-compat\[local\]"):
        read_shipped()
