"""Voice signatures for tests, and a backend that creates one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from double.recorder import Recorder
from speech_adapters.enrollment import Enrollment
from speech_adapters.errors import SpeechError
from speech_adapters.recording.backend import Host
from speech_adapters.signatures import VoiceSignature

__all__ = ["MODEL", "RETIRED", "EnrollingBackend", "signature", "signature_text", "vector"]

MODEL: Final = "0123456789abcdef"
# The form of docs/protocol/legacy-interface.md, 3.4, with made-up content.
RETIRED: Final = json.dumps({"Version": 0, "Tag": "bWFkZSB1cA==", "Data": "bWFkZSB1cA=="})


def vector(direction: int, size: int = 256) -> tuple[float, ...]:
    """Return a vector of unit length; those of different directions are orthogonal."""
    return tuple(float(place == direction) for place in range(size))


def signature(direction: int = 0, model: str = MODEL) -> VoiceSignature:
    return VoiceSignature(model, vector(direction), 20.0)


def signature_text(direction: int = 0, model: str = MODEL) -> str:
    return signature(direction, model).dump()


class EnrollingBackend(Recorder):
    """Creates the same signature from whatever files; notes the files."""

    def __init__(self, host: Host, name: str) -> None:
        self.files: list[Path] = []
        self.warnings: tuple[str, ...] = ()
        self.error: SpeechError | None = None
        super().__init__(host, name)

    async def enroll(self, files: Sequence[Path]) -> Enrollment:
        self.files = list(files)
        if self.error is not None:
            raise self.error
        return Enrollment(signature(4), self.warnings)
