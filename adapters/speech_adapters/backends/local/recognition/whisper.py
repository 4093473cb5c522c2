"""Whisper by faster-whisper: samples in, words with times and confidences out.

The settings are for meetings.  Speech is found first (the voice activity filter of
faster-whisper), because Whisper invents text for silence.  Decoding is greedy, but for the short
segments of live meetings.  A window of 30 seconds does not see the text before it, so a line
that is repeated once is not repeated for the rest of the meeting.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.packages import forbid_telemetry, missing_package
from speech_adapters.backends.local.recognition.models import RecognitionModel
from speech_adapters.backends.local.recognition.resampling import SAMPLE_RATE
from speech_adapters.closeable import Closeable
from speech_adapters.errors import BackendError, ConfigurationError

if TYPE_CHECKING:
    from faster_whisper.transcribe import Segment

__all__ = ["RecognizedWord", "RecordingRecognizer", "WhisperRecognizer", "without_loops"]

# A block is recognized as soon as it is complete.  It holds several of Whisper's windows of
# 30 s, since the last one of a block is seldom full and costs as much as a full one.
_BLOCK_SECONDS: Final = 120.0
# A block ends at the quietest place of its last part.
_CUT_SECONDS: Final = 40.0
_QUIET_SECONDS: Final = 0.3
# Shorter pauses stay in: each cut costs a little accuracy at its edges.
_SPEECH: Final = {"min_silence_duration_ms": 500, "speech_pad_ms": 400}
# A short segment alone is hard to recognize, and its decoding is cheap.
_BEAMS: Final = 5
# Whisper's own bounds: with a greater probability of silence, and words with a smaller
# mean logarithm of their probabilities, there was no speech.
_NO_SPEECH: Final = 0.6
_IMPROBABLE: Final = -1.0
# A phrase that is repeated so often in a row, for so many words in all, is no speech.
_LOOP_TIMES: Final = 3
_LOOP_WORDS: Final = 8
_LONGEST_PHRASE: Final = 16


@attrs.frozen
class RecognizedWord:
    """One word.

    Attributes:
        text: the word with its punctuation, and with the space before it where the language
            has one: the texts of successive words, joined, are a sentence.
        start: seconds from the start of the recording.
        end: seconds from the start of the recording.
        confidence: from 0 to 1, or ``None`` if unknown.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None


class WhisperRecognizer(Closeable):
    """A loaded model.  Thread-safe: several recordings can share it.

    Args:
        model: the model; its digest is checked here.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: the type of the weights in memory, in CTranslate2's names.
        threads: CPU threads of one inference.
        parallel: how many recordings are recognized at a time; they share the weights.

    Attributes:
        model: the model.
        whisper: the model as faster-whisper loaded it.

    Raises:
        MissingExtraError: faster-whisper is not installed.
        ConfigurationError: the model is damaged, or cannot be loaded on the device.
    """

    def __init__(
        self,
        model: RecognitionModel,
        device: str = "cpu",
        compute_type: str = "int8",
        threads: int = 1,
        parallel: int = 1,
    ) -> None:
        model.verify()
        self.model = model
        # Set before the import: no code of its packages may ask a server for a model.
        os.environ["HF_HUB_OFFLINE"] = "1"
        forbid_telemetry()
        try:
            from faster_whisper import WhisperModel
        except ModuleNotFoundError as error:
            raise missing_package("faster-whisper") from error
        try:
            self.whisper = WhisperModel(
                str(model.folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=threads,
                num_workers=parallel,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"The model in {model.folder} cannot be loaded on device {device!r} with compute"
                f" type {compute_type!r}: {error}. Check backends.local.model_path, device and"
                " compute_type."
            ) from error

    def transcribe(
        self,
        samples: NDArray[np.float32],
        language: str | None = None,
        start: float = 0.0,
        *,
        voiced: bool = False,
    ) -> list[RecognizedWord]:
        """Recognize audio.

        Args:
            samples: 16 kHz mono in [-1, 1], any length; memory grows with it.
            language: the spoken language; ``None`` detects it, with a multilingual model.
            start: seconds from the start of the recording, added to all times.
            voiced: whether the audio was cut to speech already, so that none is filtered out.

        Raises:
            BackendError: the model failed, for example because the memory is exhausted.
        """
        try:
            segments, _ = self.whisper.transcribe(
                samples,
                language=self.model.code(language) if language else None,
                beam_size=_BEAMS if voiced else 1,
                temperature=0.0,
                word_timestamps=True,
                condition_on_previous_text=False,
                vad_filter=not voiced,
                vad_parameters=_SPEECH,
            )
            # The segments are recognized only now, one by one.
            words = [word for segment in segments for word in _words(segment, start)]
        except RuntimeError as error:
            raise BackendError(f"The speech recognition failed: {error}.") from error
        return without_loops(words)

    def detect_language(self, samples: NDArray[np.float32]) -> str | None:
        """Return Whisper's code of the spoken language; ``None`` if there is no speech."""
        if not self.model.multilingual:
            return "en"
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        options = VadOptions(**_SPEECH)
        if not get_speech_timestamps(samples, options):
            return None
        detected = self.whisper.detect_language(samples, vad_filter=True, vad_parameters=options)
        return str(detected[0])

    def close(self) -> None:
        """Free the model.  Idempotent."""
        self.whisper.model.unload_model()


class RecordingRecognizer:
    """Recognizes one recording, in blocks that end where it is quiet.

    The memory does not grow with the audio, only with the words.  Not thread-safe.

    Args:
        recognizer: the loaded model, which the caller closes.
        language: the spoken language; ``None`` detects it in the first speech, and keeps it.

    Attributes:
        model: the model.
        language: Whisper's code of the language in use; ``None`` until it was detected.
    """

    def __init__(self, recognizer: WhisperRecognizer, language: str | None) -> None:
        self._recognizer = recognizer
        self.model = recognizer.model
        self.language = self.model.code(language) if language else None
        # Audio that is not recognized yet.
        self._pending: list[NDArray[np.float32]] = []
        self._size = 0
        # Samples that were recognized.
        self._done = 0
        self._words: list[RecognizedWord] = []

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        """Append 16 kHz mono samples, and recognize each block that is complete.

        Raises:
            BackendError: the model failed.
        """
        self._pending.append(samples)
        self._size += len(samples)
        while self._size >= _BLOCK_SECONDS * SAMPLE_RATE:
            audio = np.concatenate(self._pending)
            cut = _quietest(audio[: int(_BLOCK_SECONDS * SAMPLE_RATE)])
            self._pending, self._size = [audio[cut:]], len(audio) - cut
            self._recognize(audio[:cut])

    def finish(self) -> list[RecognizedWord]:
        """Recognize the rest; return all words, by their start.

        Raises:
            BackendError: the model failed.
        """
        if self._size:
            self._recognize(np.concatenate(self._pending))
        self._pending, self._size = [], 0
        return self._words

    def _recognize(self, audio: NDArray[np.float32]) -> None:
        if self.language is None:
            self.language = self._recognizer.detect_language(audio)
        if self.language is not None:
            start = self._done / SAMPLE_RATE
            self._words += self._recognizer.transcribe(audio, self.language, start)
        self._done += len(audio)


def _words(segment: Segment, start: float) -> list[RecognizedWord]:
    if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _IMPROBABLE:
        return []
    return [
        RecognizedWord(
            word.word,
            start + float(word.start),
            # A word at the edge of a pause may end before it starts.
            start + float(max(word.start, word.end)),
            min(max(float(word.probability), 0.0), 1.0),
        )
        for word in segment.words or ()
    ]


def _quietest(audio: NDArray[np.float32]) -> int:
    """Return the middle of the quietest moment in the last part of a block, in samples."""
    first = len(audio) - int(_CUT_SECONDS * SAMPLE_RATE)
    width = int(_QUIET_SECONDS * SAMPLE_RATE)
    energy = np.cumsum(audio[first:].astype(np.float64) ** 2)
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def without_loops(words: Sequence[RecognizedWord]) -> list[RecognizedWord]:
    """Return the words with the phrases of a loop once.

    A greedy decoder can fall into a loop, mostly in noise.  People repeat words too, but
    hardly ever a phrase three times and for eight words in all.
    """
    plain = [word.text.strip(" .,?!").lower() for word in words]
    kept: list[RecognizedWord] = []
    place = 0
    while place < len(words):
        length, times = _loop_at(plain, place)
        kept += words[place : place + length]
        place += length * times
    return kept


def _loop_at(plain: list[str], place: int) -> tuple[int, int]:
    """Return the words of the phrase that is repeated from here on, and how often it is."""
    for length in range(1, _LONGEST_PHRASE + 1):
        phrase, times = plain[place : place + length], 1
        while plain[place + length * times :][:length] == phrase:
            times += 1
        if times >= _LOOP_TIMES and length * times >= _LOOP_WORDS:
            return length, times
    return 1, 1
