"""Optional packages, which the extras of the distribution install."""

from __future__ import annotations

import importlib.util

from speech_adapters.errors import MissingExtraError

__all__ = ["missing_extra", "need_packages"]


def need_packages(extra: str, *modules: str) -> None:
    """Check that the packages of an extra are installed; they are not imported.

    Args:
        extra: the extra that installs them.
        modules: the module of each, such as ``azure.storage.blob``.

    Raises:
        MissingExtraError: one is not installed; the message has the command.
    """
    for module in modules:
        if not _is_installed(module):
            raise missing_extra(extra, module)


def missing_extra(extra: str, module: str) -> MissingExtraError:
    """Return the error for a module of an extra that is not installed."""
    package = module.replace(".", "-")
    # As in the metadata of the wheel: pip before 23.3 finds no other spelling.
    extra = extra.replace("_", "-")
    return MissingExtraError(
        f'The package {package} is needed, but not installed: pip install "speech-compat[{extra}]"'
    )


def _is_installed(module: str) -> bool:
    try:
        spec = importlib.util.find_spec(module)
        # Without an origin it is a folder without modules, as an uninstallation may leave it.
        return spec is not None and spec.origin is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False
