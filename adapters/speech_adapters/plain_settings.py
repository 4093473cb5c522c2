"""The folder of the meeting store, for commands that only read it and must start fast.

The classes of :mod:`speech_adapters.config` check all settings, but their import takes longer than
reading a thousand meetings.  Most settings files have no value that only these classes can check.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from speech_adapters.settings_sources import merge, read_layers

__all__ = ["default_state_dir", "plain_state_dir", "shipped_backends"]

_TEXTS: Final = ("backend", "profile", "state_dir")
_FLAGS: Final = ("strict", "corrections", "keep_audio")


def plain_state_dir() -> Path | None:
    """Return the folder of a store in SQLite, or ``None`` if the settings must be loaded.

    That is the case when there is a setting of which more than the type must be checked, such as
    the address of a database, and when anything may be wrong.

    Raises:
        ConfigurationError: a file cannot be read or is not TOML, or there is no such profile.
    """
    layers = read_layers({})
    # Profiles that are not selected are checked too when the settings are loaded.
    everything = (*layers.used, *(profile for _, profile in layers.profiles))
    if not all(_is_plain(name, value) for one in everything for name, value in one.values.items()):
        return None
    folder = merge(layers.used)[0].get("state_dir")
    try:
        return default_state_dir() if folder is None else Path(folder).expanduser()
    except RuntimeError:  # the user after the tilde has no home folder
        return None


def default_state_dir() -> Path:
    """Return the folder of the store if no setting names one."""
    import platformdirs  # not needed by a program that names its folder

    return platformdirs.user_state_path("speech-compat", appauthor=False)


@cache
def shipped_backends() -> frozenset[str]:
    """Return the names of the backends in this package."""
    folders = (Path(__file__).parent / "backends").iterdir()
    return frozenset(folder.name for folder in folders if (folder / "__init__.py").exists())


def _is_plain(name: str, value: Any) -> bool:
    """Whether a setting is right without any further check."""
    if name in _TEXTS:
        return isinstance(value, str)
    if name in _FLAGS:
        return isinstance(value, bool)
    if name == "backends":
        # Each backend checks its own options, when it is created.
        return isinstance(value, Mapping) and all(
            backend in shipped_backends() and isinstance(options, Mapping)
            for backend, options in value.items()
        )
    return name == "gateway" and isinstance(value, Mapping)
