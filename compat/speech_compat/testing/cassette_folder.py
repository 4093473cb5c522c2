"""The fixture by which pytest-recording finds the folder of the cassettes of a test file.

A module of its own, because :mod:`speech_compat.testing.plugin` registers it after all other
plugins: of two fixtures with one name, pytest takes that of the later plugin.
"""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["vcr_cassette_dir"]


@pytest.fixture(scope="module")
def vcr_cassette_dir(speech_compat_cassette_dir: str | Path) -> str:
    """Return the folder as text; a project may override this fixture too."""
    return str(speech_compat_cassette_dir)
