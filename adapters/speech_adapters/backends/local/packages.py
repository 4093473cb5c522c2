"""The packages of the extra ``local``, which only worker processes import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from speech_adapters.errors import BackendError, MissingExtraError

__all__ = ["engine_imports", "missing_package"]


def missing_package(package: str) -> MissingExtraError:
    """Return the error for a package of the extra that is not installed."""
    return MissingExtraError(
        f"The local backend needs the package {package}, which is not installed:"
        ' pip install "speech-compat[local]"'
    )


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
