"""The diarizer of moonshine-voice behind the interface of the own one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization import Diarization, Turn
from speech_adapters.backends.local.moonshine.engine import CADENCE_SECONDS, Engine
from speech_adapters.backends.local.utterances import EngineLine
from speech_adapters.closeable import Closeable

__all__ = ["MoonshineDiarizer"]

_SAMPLE_RATE: Final = 16_000
# So many samples are passed at a time: the engine works at each call.
_BLOCK: Final = _SAMPLE_RATE
_DIMENSION: Final = 256


class MoonshineDiarizer(Closeable):
    """Diarizes one recording; see :class:`speech_adapters.backends.local.diarization.Diarizer`.

    It accepts no number of speakers and returns no embeddings: their rows are zero, which
    resembles no voice.

    Attributes:
        settle_seconds: seconds of audio by which an estimate is late.

    Raises:
        ConfigurationError: the engine cannot be loaded.
    """

    settle_seconds: Final = CADENCE_SECONDS

    def __init__(self) -> None:
        self._engine = Engine(_SAMPLE_RATE, diarize=True, recognize=False)
        # All lines so far, by id; a later line may revise an earlier one.
        self._lines: dict[int, EngineLine] = {}
        # Our numbers of the engine's speakers, which stay the same.
        self._numbers: dict[int, int] = {}

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        """Process more audio: 16 kHz mono in [-1, 1], any length.

        Raises:
            BackendError: the engine failed.
        """
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
        for start in range(0, len(pcm), _BLOCK):
            self._keep(self._engine.add_audio(pcm[start : start + _BLOCK].tobytes()))

    def current(self) -> Diarization:
        """Return an estimate up to the last sample."""
        spans = sorted(
            (span.start, span.end, span.speaker)
            for line in self._lines.values()
            for span in line.spans
        )
        turns = [
            Turn(start, end, self._numbers.setdefault(speaker, len(self._numbers)))
            for start, end, speaker in spans
        ]
        return Diarization.of(turns, np.zeros((len(self._numbers), _DIMENSION), np.float32))

    def finish(self) -> Diarization:
        """Return the result for the whole recording.

        Raises:
            BackendError: the engine failed.
        """
        self._keep(self._engine.finish())
        return self.current()

    def close(self) -> None:
        """Free the engine.  Idempotent."""
        self._engine.close()

    def _keep(self, lines: list[EngineLine]) -> None:
        self._lines.update((line.id, line) for line in lines)
