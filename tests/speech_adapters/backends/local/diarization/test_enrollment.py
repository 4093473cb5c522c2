"""The checks of recordings, with doubles of the models; and the real models on recordings."""

from __future__ import annotations

import math
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from double.voices import MODEL
from speech_adapters.backends.local.diarization import (
    Diarization,
    Diarizer,
    SpeakerModels,
    VoiceEmbedding,
    load_models,
)
from speech_adapters.backends.local.diarization import enrollment as module
from speech_adapters.backends.local.diarization.enrollment import create_signature
from speech_adapters.backends.local.diarization.identification import identify
from speech_adapters.backends.local.options import LocalOptions, signature_model
from speech_adapters.enrollment import Enrollment
from speech_adapters.errors import AudioError, ConfigurationError
from speech_adapters.signatures import VoiceSignature


class Voices:
    """What the models find: set for the next recordings in order, the last one for all others.

    ``speech`` is the seconds of each speaker; ``direction`` the person's embedding.
    """

    def __init__(self) -> None:
        self.speech: list[list[float]] = [[20.0]]
        self.direction = [0]
        self.agreement = 0.9
        self.samples: list[NDArray[np.float32]] = []

    def embed(self, _: object, samples: NDArray[np.float32]) -> VoiceEmbedding | None:
        self.samples.append(samples)
        number = len(self.samples) - 1
        speech = sum(self.speech[min(number, len(self.speech) - 1)])
        vector = np.eye(256, dtype=np.float32)[self.direction[min(number, len(self.direction) - 1)]]
        return VoiceEmbedding(vector, speech, self.agreement) if speech else None

    def diarizer(self, _: object) -> Any:
        speech = self.speech[min(len(self.samples) - 1, len(self.speech) - 1)]

        class Double:
            def add_audio(self, _: object) -> None: ...

            def finish(self) -> Diarization:
                return Diarization((), np.zeros((len(speech), 256), np.float32), tuple(speech))

        return Double()


@pytest.fixture
def voices(monkeypatch: pytest.MonkeyPatch) -> Voices:
    found = Voices()
    monkeypatch.setattr(module, "embed", found.embed)
    monkeypatch.setattr(module, "Diarizer", found.diarizer)
    return found


def tone(path: Path, seconds: float = 1.0, level: int = 8_000, rate: int = 16_000) -> Path:
    """Write a sine of 440 Hz to a WAV file."""
    times = np.arange(int(seconds * rate)) / rate
    samples = np.clip(np.sin(2 * np.pi * 440 * times) * level, -32_768, 32_767)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture
def enroll(tmp_path: Path) -> Callable[..., Enrollment]:
    class Models:
        embedding_id = MODEL * 4

    def run(*files: Path) -> Enrollment:
        models: Any = Models()
        return create_signature(models, files or (tone(tmp_path / "a.wav"),), "auto")

    return run


def test_the_signature_names_the_model_and_the_speech(
    voices: Voices, enroll: Callable[..., Enrollment]
) -> None:
    made = enroll()
    assert (made.signature.model, made.signature.seconds) == (MODEL, 20.0)
    assert made.signature.embedding == tuple(np.eye(256)[0])
    assert made.warnings == ()


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_recordings_of_any_rate_are_resampled(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path, rate: int
) -> None:
    enroll(tone(tmp_path / "a.wav", 2.0, rate=rate))
    (samples,) = voices.samples
    assert samples.dtype == np.float32
    assert abs(len(samples) - 32_000) < 64
    spectrum = np.abs(np.fft.rfft(samples[:16_000]))
    assert int(spectrum.argmax()) == 440
    assert 0.2 < np.abs(samples[4_000:12_000]).max() < 0.3


def test_longer_recordings_count_more(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path, monkeypatch: Any
) -> None:
    voices.speech, voices.direction = [[10.0], [30.0]], [0, 1]
    monkeypatch.setattr(module, "MIN_COSINE", -1.0)  # the two directions are far apart
    made = enroll(tone(tmp_path / "a.wav"), tone(tmp_path / "b.wav"))
    first, second = made.signature.embedding[:2]
    assert second == pytest.approx(3 * first)
    assert math.hypot(first, second) == pytest.approx(1.0)
    assert made.signature.seconds == 40.0


def test_recordings_of_two_persons_are_refused(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path
) -> None:
    voices.speech, voices.direction = [[10.0], [30.0]], [0, 1]
    with pytest.raises(AudioError, match=r"a\.wav has another voice than .*b\.wav"):
        enroll(tone(tmp_path / "a.wav"), tone(tmp_path / "b.wav"))


@pytest.mark.parametrize(
    ("speech", "refused"),
    [([20.0, 3.0], True), ([20.0, 1.2, 1.2], True), ([20.0, 1.9], False), ([60.0, 6.0], False)],
)
def test_a_recording_of_several_persons_is_refused(
    voices: Voices, enroll: Callable[..., Enrollment], speech: list[float], refused: bool
) -> None:
    voices.speech = [speech]
    if refused:
        with pytest.raises(AudioError, match=r"a\.wav has more than one voice"):
            enroll()
    else:
        assert enroll().warnings == ()


def test_parts_that_sound_like_another_voice_are_a_warning(
    voices: Voices, enroll: Callable[..., Enrollment]
) -> None:
    voices.agreement = 0.4
    assert [w.partition("a.wav ")[2] for w in enroll().warnings] == [
        "has parts that sound like another voice: make sure that only one person speaks, without"
        " noise."
    ]


@pytest.mark.parametrize(("speech", "warned"), [(5.0, True), (14.9, True), (15.0, False)])
def test_little_speech_is_a_warning(
    voices: Voices, enroll: Callable[..., Enrollment], speech: float, warned: bool
) -> None:
    voices.speech = [[speech]]
    assert any("of speech" in warning for warning in enroll().warnings) is warned


def test_too_little_speech_is_refused(voices: Voices, enroll: Callable[..., Enrollment]) -> None:
    voices.speech = [[4.9]]
    with pytest.raises(AudioError, match=r"have 4\.9 s of speech. At least 5 s are needed"):
        enroll()


def test_several_short_recordings_are_enough_together(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path
) -> None:
    voices.speech = [[8.0]]
    made = enroll(tone(tmp_path / "a.wav"), tone(tmp_path / "b.wav"))
    assert (made.signature.seconds, made.warnings) == (16.0, ())


def test_a_recording_without_speech_is_refused(
    voices: Voices, enroll: Callable[..., Enrollment]
) -> None:
    voices.speech = [[]]
    with pytest.raises(AudioError, match=r"a\.wav has no speech"):
        enroll()


@pytest.mark.parametrize(("seconds", "level"), [(1.0, 20), (0.0, 8_000)])
def test_a_silent_recording_is_refused(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path, seconds: float, level: int
) -> None:
    with pytest.raises(AudioError, match=r"a\.wav is silent"):
        enroll(tone(tmp_path / "a.wav", seconds, level))


def test_a_distorted_recording_is_a_warning(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path
) -> None:
    (warning,) = enroll(tone(tmp_path / "a.wav", level=60_000)).warnings
    assert "a.wav is distorted" in warning
    assert enroll(tone(tmp_path / "b.wav", level=32_000)).warnings == ()


def test_a_recording_of_a_whole_meeting_is_refused(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path
) -> None:
    with pytest.raises(AudioError, match=r"a\.wav is longer than 5 minutes"):
        enroll(tone(tmp_path / "a.wav", 301.0, rate=1_000))


def test_a_file_that_cannot_be_read_is_an_error(
    voices: Voices, enroll: Callable[..., Enrollment], tmp_path: Path
) -> None:
    with pytest.raises(AudioError, match=r"missing\.wav cannot be read"):
        enroll(tmp_path / "missing.wav")


def test_a_channel_that_is_missing_is_an_error(voices: Voices, tmp_path: Path) -> None:
    models: Any = None
    with pytest.raises(ConfigurationError, match="channel:3"):
        create_signature(models, [tone(tmp_path / "a.wav")], "channel:3")


# --- the real models --------------------------------------------------------------------


@pytest.fixture(scope="module")
def models() -> SpeakerModels:
    return load_models()


@pytest.mark.engine
def test_the_options_name_the_model_that_is_loaded(models: SpeakerModels) -> None:
    """Signatures of the one are compared with voices of the other."""
    assert models.embedding_id.startswith(signature_model(LocalOptions()))


@pytest.mark.engine
def test_two_enrolled_persons_are_identified_and_strangers_are_not(
    models: SpeakerModels, shared_recordings: Path
) -> None:
    signatures: dict[str, VoiceSignature] = {}
    for name in ("katie", "steve"):
        file = shared_recordings / "azure" / f"enrollment_audio_{name}.wav"
        made = create_signature(models, [file], "auto")
        assert made.warnings == ()
        signatures[name] = made.signature
    assert _names(models, shared_recordings / "azure/katiesteve_mono.wav", signatures) == {
        0: "katie",
        1: "steve",
    }
    # The voices of this recording are others than those of the files for enrollment.
    assert _names(models, shared_recordings / "azure/katiesteve.wav", signatures) == {}


@pytest.mark.engine
def test_a_real_recording_of_two_is_refused(models: SpeakerModels, shared_recordings: Path) -> None:
    with pytest.raises(AudioError, match="more than one voice"):
        create_signature(models, [shared_recordings / "azure/katiesteve_mono.wav"], "auto")


def _names(
    models: SpeakerModels, recording: Path, signatures: dict[str, VoiceSignature]
) -> dict[int, str]:
    with wave.open(str(recording), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    diarizer = Diarizer(models)
    diarizer.add_audio(np.asarray(pcm / 32_768, np.float32))
    return identify(diarizer.finish(), signatures)
