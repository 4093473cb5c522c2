"""Tools for tests of programs: a pytest plugin, a comparison of transcripts, a loopback service.

pytest loads the plugin :mod:`speech_compat.testing.plugin` by itself; docs/testing.md is the
guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech_compat.testing.assertion import TranscriptLine, assert_transcript

__all__ = ["TranscriptLine", "assert_transcript"]


def __getattr__(name: str) -> Any:
    # Imported on access: pytest loads this package at each start, also where it is not used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from speech_compat.testing import assertion

    return getattr(assertion, name)
