"""Speech recognition: words with times from audio, and utterances from words and turns.

The modules import their libraries when they are imported, and only worker processes import
them.  The exception is :mod:`.models`, which needs none and serves the program as well.
"""

from __future__ import annotations

__all__: list[str] = []
