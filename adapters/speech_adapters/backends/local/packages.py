"""The packages of the extra ``local``, which only worker processes import."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech_adapters.errors import BackendError, MissingExtraError

__all__ = ["engine_imports", "forbid_telemetry", "missing_package", "package_folder"]


def missing_package(package: str) -> MissingExtraError:
    """Return the error for a package of the extra that is not installed."""
    return MissingExtraError(
        f"The local backend needs the package {package}, which is not installed:"
        ' pip install "speech-compat[local]"'
    )


def package_folder(module: str, package: str) -> Path:
    """Return the folder of a package, without an import, which may load a native library.

    Args:
        module: the name under which it is imported.
        package: the name under which pip installs it.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise missing_package(package)
    return Path(spec.origin).parent


def forbid_telemetry() -> None:
    """Keep onnxruntime from sending events about its use; call it before each import of it.

    Its builds for Linux and macOS have sent them to Microsoft since some version up to 1.32, which
    states it in its file ``Privacy.md``.  Its function ``disable_telemetry_events`` would come too
    late for the first event.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@contextmanager
def engine_imports() -> Iterator[None]:
    """Surround late imports of the engines, which load native libraries.

    Their failure must reach the session or the store.

    Raises:
        BackendError: a library cannot be loaded.
    """
    forbid_telemetry()
    try:
        yield
    except (ImportError, OSError) as error:
        raise BackendError(f"The speech engine cannot be loaded: {error}.") from error
