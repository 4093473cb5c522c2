"""A double of the local backend's engines whose lines prove which audio they were made from."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from double.engine import Engine, StoredEngine
from speech_adapters.backends.local.utterances import EngineLine

if TYPE_CHECKING:
    from speech_adapters.backends.local.job import TranscriptionJob
    from speech_adapters.backends.local.models import Models

__all__ = ["DigestEngine", "StoredDigestEngine"]


class DigestEngine(Engine):
    """Returns one line for each second of audio, with its number, digest and size."""

    settle_seconds = 0.0

    def __init__(self, job: TranscriptionJob, models: Models) -> None:
        super().__init__(job, models)
        self._audio, self._count = b"", 0

    def add_audio(self, pcm: bytes) -> list[EngineLine]:
        self._size += len(pcm)
        self._audio += pcm
        return self._lines(self._second)

    def finish(self) -> list[EngineLine]:
        return self._lines(1)

    def _lines(self, least: int) -> list[EngineLine]:
        lines = []
        while len(self._audio) >= least:
            piece, self._audio = self._audio[: self._second], self._audio[self._second :]
            number, self._count = self._count, self._count + 1
            text = f"{number} {hashlib.md5(piece).hexdigest()} {len(piece)}"
            lines.append(EngineLine(number, text, number, len(piece) / self._second, True, ()))
            time.sleep(0.02)
        return lines


class StoredDigestEngine(StoredEngine, DigestEngine):
    """The same for a stored recording."""
