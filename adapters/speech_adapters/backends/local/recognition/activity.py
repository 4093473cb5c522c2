"""Speech activity: how probably each moment of an endless recording is speech."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.packages import forbid_telemetry, missing_package

__all__ = ["FRAME_SAMPLES", "SpeechActivity"]

FRAME_SAMPLES: Final = 512
# Each frame is read together with the end of the frame before.
_CONTEXT_SAMPLES: Final = 64
_STATE_SHAPE: Final = (1, 1, 128)


class SpeechActivity:
    """Runs the model that faster-whisper ships (Silero) frame by frame.

    The package itself reads whole recordings only.  The state between frames is kept here, so
    the cost of a second of audio does not depend on what was before.

    Raises:
        MissingExtraError: the package faster-whisper is not installed.
    """

    def __init__(self) -> None:
        forbid_telemetry()
        try:
            from faster_whisper.vad import get_vad_model
        except ModuleNotFoundError as error:
            raise missing_package("faster-whisper") from error
        self._session = get_vad_model().session
        self._hidden = np.zeros(_STATE_SHAPE, np.float32)
        self._cell = np.zeros(_STATE_SHAPE, np.float32)
        # The end of the last frame, and the samples of a frame that is not complete.
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: NDArray[np.float32]) -> list[float]:
        """Return the probability of speech, 0 to 1, of each frame that ``samples`` complete.

        Args:
            samples: 16 kHz mono in [-1, 1], any length.
        """
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % FRAME_SAMPLES
        self._rest = samples[whole:]
        return [self._probability(frame) for frame in samples[:whole].reshape(-1, FRAME_SAMPLES)]

    def _probability(self, frame: NDArray[np.float32]) -> float:
        found, self._hidden, self._cell = self._session.run(
            None,
            {
                "input": np.concatenate([self._context, frame])[np.newaxis],
                "h": self._hidden,
                "c": self._cell,
            },
        )
        self._context = frame[-_CONTEXT_SAMPLES:]
        return float(np.asarray(found).reshape(-1)[0])
