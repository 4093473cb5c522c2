from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from double.speaker_models import ToneModels, recording
from speech_adapters.audio import WavFile
from speech_adapters.backends.local.diarization import (
    Diarization,
    Diarizer,
    SpeakerModels,
    Turn,
)
from speech_adapters.backends.local.diarization.features import SAMPLE_RATE

TURNS = [(1, 4, 1), (4.4, 9, 0), (9, 12.5, 1), (14, 19, 2), (19.3, 21, 0), (23, 24, 1)]


def diarize(samples: NDArray[np.float32], block: int = 160_000, **numbers: Any) -> Diarization:
    diarizer = Diarizer(ToneModels(), **numbers)
    for start in range(0, len(samples), block):
        diarizer.add_audio(samples[start : start + block])
    return diarizer.finish()


def rounded(turns: tuple[Turn, ...]) -> list[tuple[float, float, int]]:
    return [(round(turn.start, 1), round(turn.end, 1), turn.speaker) for turn in turns]


def test_turns_are_numbered_by_first_appearance() -> None:
    found = diarize(recording(TURNS, 25))
    assert rounded(found.turns) == [
        (1.0, 4.0, 0),
        (4.4, 9.0, 1),
        (9.0, 12.5, 0),
        (14.0, 19.0, 2),
        (19.3, 21.0, 1),
        (23.0, 24.0, 0),
    ]


def test_overlapping_speech_has_two_turns() -> None:
    turns = diarize(recording([(1, 9, 0), (8, 16, 2)], 18)).turns
    speaking = [
        {turn.speaker for turn in turns if turn.start <= time < turn.end}
        for time in (0.5, 7.5, 8.2, 8.8, 10.0, 16.5)
    ]
    assert speaking == [set(), {0}, {0, 1}, {0, 1}, {1}, set()]


def test_each_speaker_has_a_voice_and_a_time() -> None:
    found = diarize(recording(TURNS, 25))
    assert found.speech == pytest.approx((7.5, 6.3, 5.0), abs=0.3)
    expected = [ToneModels().embed_tone(voice) for voice in (1, 0, 2)]
    assert np.array(expected) @ found.embeddings.T == pytest.approx(np.eye(3), abs=0.1)
    assert found.embeddings.dtype == np.float32


@pytest.mark.parametrize("block", [100, 7919, 400_000])
def test_the_length_of_the_blocks_does_not_matter(block: int) -> None:
    samples = recording(TURNS, 25)
    assert diarize(samples, block).turns == diarize(samples).turns


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.5, 30.0])
def test_a_recording_without_speech_has_no_turns(seconds: float) -> None:
    diarizer = Diarizer(ToneModels())
    diarizer.add_audio(recording([], seconds))
    for found in (diarizer.current(), diarizer.finish()):
        assert (found.turns, found.speech) == ((), ())
        assert found.embeddings.shape == (0, 80)


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.5])
def test_a_very_short_recording_has_a_turn(seconds: float) -> None:
    (turn,) = diarize(recording([(0, 2, 1)], seconds)).turns
    assert turn.start < 0.05
    assert seconds - 0.05 < turn.end <= seconds


def test_silence_before_and_after_changes_nothing() -> None:
    found = diarize(recording([(101, 104, 0), (105, 109, 1)], 200))
    assert rounded(found.turns) == [(101.0, 104.0, 0), (105.0, 109.0, 1)]


@pytest.mark.parametrize("seconds", np.arange(26, 29, 0.37).tolist())
def test_speech_after_a_long_silence_is_found_up_to_the_end(seconds: float) -> None:
    turns = [(seconds - 4.5, seconds - 2.5, 0), (seconds - 1.5, seconds - 0.5, 1)]
    found = diarize(recording(turns, seconds), 8000).turns
    assert [turn.speaker for turn in found] == [0, 1]
    for turn, (start, end, _) in zip(found, turns, strict=True):
        assert (turn.start, turn.end) == pytest.approx((start, end), abs=0.1)


@pytest.mark.parametrize("known", [1, 2, 3])
def test_a_known_number_of_speakers_is_found(known: int) -> None:
    found = diarize(recording(TURNS, 25), speakers=known)
    assert {turn.speaker for turn in found.turns} == set(range(known))


def test_a_known_number_divides_what_seems_one_speaker() -> None:
    samples = recording([(0, 4, 1), (5, 9, 3), (10, 14, 1), (15, 19, 3)], 20)
    assert {turn.speaker for turn in diarize(samples).turns} == {0}
    assert [turn.speaker for turn in diarize(samples, speakers=2).turns] == [0, 1, 0, 1]


def test_a_maximum_is_no_more_than_that() -> None:
    samples = recording(TURNS, 25)
    assert {turn.speaker for turn in diarize(samples, max_speakers=2).turns} == {0, 1}
    assert diarize(samples, max_speakers=3).turns == diarize(samples).turns
    assert diarize(samples, max_speakers=9).turns == diarize(samples).turns


@pytest.mark.parametrize("numbers", [{"speakers": 0}, {"max_speakers": 0}, {"speakers": -1}])
def test_a_number_below_one_is_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Diarizer(ToneModels(), **numbers)


def test_an_estimate_reaches_the_last_sample() -> None:
    samples = recording(TURNS, 25)
    diarizer = Diarizer(ToneModels())
    for second in range(25):
        diarizer.add_audio(samples[second * 16_000 : (second + 1) * 16_000])
        said = [(b, min(e, second + 1)) for b, e, _ in TURNS if b < second + 0.5]
        found = diarizer.current()
        assert len(found.turns) == len(said)
        for turn, (start, end) in zip(found.turns, said, strict=True):
            assert turn.start == pytest.approx(start, abs=0.3)
            assert turn.end == pytest.approx(end, abs=0.3)
    assert rounded(diarizer.finish().turns) == rounded(diarize(samples).turns)


def test_an_estimate_without_new_audio_costs_nothing() -> None:
    models = ToneModels()
    diarizer = Diarizer(models)
    diarizer.add_audio(recording(TURNS, 25))
    found, count = diarizer.current(), models.embedded
    assert diarizer.current() is found
    assert models.embedded == count


def test_estimates_embed_only_what_is_new() -> None:
    samples = recording([(1, 29, 0)], 30)
    models, once = ToneModels(), ToneModels()
    diarizer = Diarizer(models)
    for second in range(30):
        diarizer.add_audio(samples[second * 16_000 : (second + 1) * 16_000])
        diarizer.current()
    other = Diarizer(once)
    other.add_audio(samples)
    other.finish()
    # One more for each estimate: the window that ends with the audio.
    assert models.embedded <= once.embedded + 30 + 2


def test_a_number_keeps_its_meaning_between_estimates() -> None:
    turns = [(i * 3.0, i * 3.0 + 2.5, (0, 1, 0, 1, 2, 0)[i % 6]) for i in range(80)]
    samples = recording(turns, 240)
    diarizer = Diarizer(ToneModels())
    for start in range(0, len(samples), 64_000):
        diarizer.add_audio(samples[start : start + 64_000])
        for turn in diarizer.current().turns:
            expected = next(v for b, e, v in turns if b - 0.2 < turn.start < e)
            assert turn.speaker == expected
    # Those of earlier blocks too.
    assert [turn.speaker for turn in diarizer.current().turns] == [v for _, _, v in turns]
    assert rounded(diarizer.finish().turns) == rounded(diarize(samples).turns)


def test_a_known_number_is_a_maximum_while_the_meeting_goes_on() -> None:
    diarizer = Diarizer(ToneModels(), speakers=2)
    diarizer.add_audio(recording([(0, 9, 1)], 10))
    assert {turn.speaker for turn in diarizer.current().turns} == {0}
    diarizer.add_audio(recording([(0, 4, 2), (5, 9, 0)], 10))
    assert {turn.speaker for turn in diarizer.current().turns} <= {0, 1}


def test_finishing_again_returns_the_same() -> None:
    diarizer = Diarizer(ToneModels())
    diarizer.add_audio(recording(TURNS, 25))
    assert diarizer.finish() is diarizer.finish() is diarizer.current()


def test_many_blocks_have_the_speakers_of_one() -> None:
    minute = recording([(i * 3.0, i * 3.0 + 2.5, (0, 1, 2, 1)[i % 4]) for i in range(20)], 60)
    found = diarize(np.tile(minute, 10))
    assert len(found.speech) == 3
    assert found.speech == pytest.approx((125, 250, 125), rel=0.05)


def test_memory_stays_bounded() -> None:
    minute = recording([(i * 3.0, i * 3.0 + 2.8, i % 2) for i in range(20)], 60)
    diarizer = Diarizer(ToneModels())
    diarizer.add_audio(np.tile(minute, 2))
    tracemalloc.start()
    try:
        diarizer.add_audio(np.tile(minute, 10))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One minute of audio alone has 3.8 MB; a minute of embeddings here about 20 kB.
    assert held < 10 * 60_000


def real(path: Path, models: SpeakerModels) -> Diarization:
    with WavFile(path) as file:
        pcm = np.frombuffer(file.read(10**9), "<i2").astype(np.float32) / 32768
        step = file.pcm.sample_rate / SAMPLE_RATE
    # Linear interpolation is good enough to tell two people apart.
    samples = np.interp(np.arange(0, len(pcm) - 1, step), np.arange(len(pcm)), pcm)
    diarizer = Diarizer(models)
    diarizer.add_audio(samples.astype(np.float32))
    return diarizer.finish()


@pytest.mark.engine
def test_two_people_in_a_real_recording(shipped_recordings: Path, models: SpeakerModels) -> None:
    found = real(shipped_recordings / "endgame_nagg_nell.wav", models)
    assert len(found.speech) == 2


@pytest.mark.engine
@pytest.mark.parametrize("name", ["two_cities.wav", "beckett.wav"])
def test_one_person_in_a_real_recording(
    shipped_recordings: Path, models: SpeakerModels, name: str
) -> None:
    assert len(real(shipped_recordings / name, models).speech) == 1
