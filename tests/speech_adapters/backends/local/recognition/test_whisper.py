from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from double.engine import model_folder
from speech_adapters.audio import WavFile
from speech_adapters.backends.local.recognition import whisper as module
from speech_adapters.backends.local.recognition.models import RecognitionModel, find_model
from speech_adapters.backends.local.recognition.resampling import SAMPLE_RATE, Resampler
from speech_adapters.backends.local.recognition.whisper import (
    RecognizedWord,
    RecordingRecognizer,
    WhisperRecognizer,
    without_loops,
)
from speech_adapters.errors import BackendError, ConfigurationError, MissingExtraError


def samples(path: Path) -> NDArray[np.float32]:
    with WavFile(path) as file:
        resampler = Resampler(file.pcm.sample_rate)
        return np.concatenate([resampler.add(file.read(10**6)), resampler.finish()])


def text(words: list[RecognizedWord]) -> str:
    return "".join(word.text for word in words).strip()


def plain(words: list[RecognizedWord]) -> list[str]:
    """Return the words without punctuation and case, which depend on what else is in a block."""
    return [word.text.strip(" .,").lower() for word in words]


@pytest.fixture(scope="module")
def loaded() -> Iterator[WhisperRecognizer]:
    with WhisperRecognizer(find_model(None)) as recognizer:
        yield recognizer


@pytest.fixture(scope="module")
def speech(shipped_recordings: Path) -> NDArray[np.float32]:
    return samples(shipped_recordings / "beckett.wav")


@pytest.mark.engine
def test_speech_becomes_words_with_times_and_confidences(
    loaded: WhisperRecognizer, speech: NDArray[np.float32]
) -> None:
    words = loaded.transcribe(speech, "en-US")
    assert text(words).endswith("Fail again. Fail better.")
    assert [w.start for w in words] == sorted(w.start for w in words)
    assert all(0 <= w.start <= w.end <= len(speech) / SAMPLE_RATE for w in words)
    assert all(w.confidence is not None and 0 < w.confidence <= 1 for w in words)
    # The last two words are spoken after 8 s.
    assert all(8 < w.start < 9 for w in words[-2:])


@pytest.mark.engine
def test_a_start_is_added_to_the_times(
    loaded: WhisperRecognizer, speech: NDArray[np.float32]
) -> None:
    plain, moved = loaded.transcribe(speech, "en"), loaded.transcribe(speech, "en", 100.0)
    assert [w.start for w in moved] == pytest.approx([w.start + 100 for w in plain])
    assert [w.text for w in moved] == [w.text for w in plain]


@pytest.mark.engine
@pytest.mark.parametrize("level", [0.0, 0.02])
def test_silence_and_noise_have_no_words(loaded: WhisperRecognizer, level: float) -> None:
    noise = np.random.default_rng(1).normal(0, level, 30 * SAMPLE_RATE).astype(np.float32)
    assert loaded.transcribe(noise, "en") == []
    assert loaded.transcribe(noise[:0], "en") == []


@pytest.mark.engine
def test_blocks_have_the_words_of_the_whole_with_times_of_the_recording(
    loaded: WhisperRecognizer, speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_SECONDS", 11.0)
    monkeypatch.setattr(module, "_CUT_SECONDS", 3.0)
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    audio = np.concatenate([speech, pause] * 3)
    blocks = []
    real = loaded.transcribe

    def transcribe(block: NDArray[np.float32], *more: Any) -> list[RecognizedWord]:
        blocks.append(len(block))
        return real(block, *more)

    monkeypatch.setattr(loaded, "transcribe", transcribe)
    recording = RecordingRecognizer(loaded, "en")
    for start in range(0, len(audio), 7_000):
        recording.add_audio(audio[start : start + 7_000])
    words = recording.finish()
    assert len(blocks) > 2
    assert sum(blocks) == len(audio)
    assert max(blocks) <= 11 * SAMPLE_RATE
    once = plain(real(speech, "en"))
    assert plain(words) == once * 3
    starts = [w.start for w in words if w.text == " better."]
    assert np.diff(starts) == pytest.approx(len(speech) / SAMPLE_RATE + 2, abs=0.2)


@pytest.mark.engine
def test_a_closed_model_is_an_error_of_the_backend(speech: NDArray[np.float32]) -> None:
    recognizer = WhisperRecognizer(find_model(None))
    recognizer.close()
    recognizer.close()
    with pytest.raises(BackendError, match="The speech recognition failed"):
        recognizer.transcribe(speech, "en")


@pytest.mark.engine
def test_no_package_of_the_recognition_may_ask_a_server(loaded: WhisperRecognizer) -> None:
    from huggingface_hub import constants

    assert constants.HF_HUB_OFFLINE


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "broken")
    with pytest.raises(ConfigurationError, match=r"broken cannot be loaded on device 'cpu'"):
        WhisperRecognizer(RecognitionModel(folder, "broken", frozenset({"en"})))


def test_a_compute_type_that_the_device_lacks_is_named() -> None:
    with pytest.raises(ConfigurationError, match="compute type 'int8_float16'"):
        WhisperRecognizer(find_model(None), "cpu", "int8_float16")


def test_the_digest_is_checked_before_the_model_is_loaded(tmp_path: Path) -> None:
    model = attrs.evolve(find_model(None), folder=model_folder(tmp_path, "other"))
    with pytest.raises(ConfigurationError, match="is damaged"):
        WhisperRecognizer(model)


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingExtraError, match="needs the package faster-whisper"):
        WhisperRecognizer(find_model(None))


class Detector:
    """A multilingual recognizer that detects German in the second block."""

    model = RecognitionModel(Path("m"), "m", frozenset({"de", "en"}))

    def __init__(self) -> None:
        self.answers = [None, "de", "fr"]
        self.languages: list[str | None] = []

    def detect_language(self, samples: NDArray[np.float32]) -> str | None:
        return self.answers.pop(0)

    def transcribe(self, samples: NDArray[np.float32], language: str, start: float) -> list[Any]:
        self.languages.append(language)
        return [RecognizedWord(" Ja.", start, start + 1.0)]


def test_the_language_is_detected_in_the_first_speech_and_kept() -> None:
    detector = Detector()
    recording = RecordingRecognizer(detector, None)  # type: ignore[arg-type]
    assert recording.language is None
    recording.add_audio(np.zeros(400 * SAMPLE_RATE, np.float32))
    words = recording.finish()
    assert recording.language == "de"
    assert set(detector.languages) == {"de"}
    # The block without speech has no words, but its time counts.
    assert words[0].start >= 80.0


def test_a_named_language_is_not_detected() -> None:
    detector = Detector()
    recording = RecordingRecognizer(detector, "nb-NO")  # type: ignore[arg-type]
    recording.add_audio(np.zeros(SAMPLE_RATE, np.float32))
    recording.finish()
    assert detector.languages == ["no"]
    assert len(detector.answers) == 3


def words(text: str) -> list[RecognizedWord]:
    return [RecognizedWord(f" {word}", n, n + 1) for n, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("spoken", "kept"),
    [
        ("Thank you for. Thank you for. Thank you, for. Bye.", "Thank you for. Bye."),
        ("a a a a a a a a", "a"),
        ("x y x y x y x y x y z", "x y z"),
        # As people speak:
        ("no no no no, it was", "no no no no, it was"),
        ("I think I think we go", "I think I think we go"),
        (
            "we had it all before us, we had it all before us",
            "we had it all before us, we had it all before us",
        ),
        ("", ""),
    ],
)
def test_a_loop_of_the_decoder_is_left_once(spoken: str, kept: str) -> None:
    assert text(without_loops(words(spoken))) == kept
