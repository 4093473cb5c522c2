"""The engine of moonshine-voice: lines of text with speakers, from audio as it comes.

Its diarizer separates the speakers if the models inside its package are not the expected
ones, or if the option ``diarizer`` names it.
"""

from __future__ import annotations

__all__: list[str] = []
