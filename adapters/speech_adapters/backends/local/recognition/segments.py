"""Recognition of one segment of speech: quickly while it goes on, accurately at its end."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.recognition.resampling import SAMPLE_RATE
from speech_adapters.backends.local.recognition.segmenter import SpeechSegment
from speech_adapters.backends.local.recognition.whisper import (
    RecognizedWord,
    WhisperRecognizer,
    without_loops,
)
from speech_adapters.errors import BackendError

__all__ = ["SegmentRecognizer"]

# Frames of the spectrum per second, and in the window that the encoder reads.
_FRAMES: Final = 100
_WINDOW: Final = 30 * _FRAMES
# Silence after the speech of a hypothesis, in seconds.
_MARGIN: Final = 0.5
# More tokens than this are a loop of the decoder: people speak about four in a second.
_TOKENS_PER_SECOND: Final = 8
_LEAST_TOKENS: Final = 10
# A shorter segment does not show its language.
_LANGUAGE_SECONDS: Final = 2.0


class SegmentRecognizer:
    """Recognizes the segments of one meeting, one after the other.

    Args:
        recognizer: the loaded model, which the caller closes.
        language: the spoken language; ``None`` detects it in the first segment that is long
            enough, and keeps it.
    """

    def __init__(self, recognizer: WhisperRecognizer, language: str | None) -> None:
        self._recognizer = recognizer
        self._language = language

    def words(self, segment: SpeechSegment) -> list[RecognizedWord]:
        """Return the words of a complete segment.

        Raises:
            BackendError: the model failed.
        """
        language = self._language
        if language is None:
            language = self._recognizer.detect_language(segment.samples)
            if len(segment.samples) >= _LANGUAGE_SECONDS * SAMPLE_RATE:
                self._language = language
        samples = np.concatenate([segment.context, segment.samples])
        start = segment.start - len(segment.context) / SAMPLE_RATE
        words = self._recognizer.transcribe(samples, language, start, voiced=True)
        # The others are those of the context.
        return [word for word in words if (word.start + word.end) / 2 >= segment.start]

    def hypothesis(self, samples: NDArray[np.float32]) -> str:
        """Return the text of a segment so far; empty while the language is unknown.

        The model's encoder always reads 30 s, and for a short segment that is nearly all of
        the cost.  Here it reads the speech only: a tenth of the cost for a text that is a
        little less accurate.

        Raises:
            BackendError: the model failed.
        """
        if self._language is None and self._recognizer.model.multilingual:
            return ""
        try:
            text = self._decode(samples)
        except RuntimeError as error:
            raise BackendError(f"The speech recognition failed: {error}.") from error
        words = [RecognizedWord(f" {word}", 0.0, 0.0) for word in text.split()]
        return "".join(word.text for word in without_loops(words)).strip()

    def _decode(self, samples: NDArray[np.float32]) -> str:
        # Imported late, as the whole package.
        from faster_whisper.audio import pad_or_trim
        from faster_whisper.tokenizer import Tokenizer

        whisper, model = self._recognizer.whisper, self._recognizer.model
        code = model.code(self._language) if self._language else None
        tokenizer = Tokenizer(whisper.hf_tokenizer, model.multilingual, "transcribe", code)
        seconds = len(samples) / SAMPLE_RATE
        # An even number: the encoder halves it.
        frames = min(_WINDOW, int((seconds + _MARGIN) * _FRAMES / 2) * 2)
        features = pad_or_trim(whisper.feature_extractor(samples), frames)
        (result,) = whisper.model.generate(
            whisper.encode(features),
            [[*tokenizer.sot_sequence, tokenizer.no_timestamps]],
            beam_size=1,
            max_length=_LEAST_TOKENS + int(_TOKENS_PER_SECOND * seconds),
        )
        return str(tokenizer.decode(result.sequences_ids[0]))
