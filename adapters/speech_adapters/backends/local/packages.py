"""The packages of the extra ``local``, which only worker processes import."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech_adapters.errors import BackendError, MissingExtraError

__all__ = ["engine_imports", "missing_package", "package_folder"]


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


@contextmanager
def engine_imports() -> Iterator[None]:
    """Surround late imports of the engines, which load native libraries.

    Their failure must reach the session or the store.

    Raises:
        BackendError: a library cannot be loaded.
    """
    try:
        yield
    except (ImportError, OSError) as error:
        raise BackendError(f"The speech engine cannot be loaded: {error}.") from error
