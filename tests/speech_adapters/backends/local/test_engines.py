"""Which models and diarizer the options select; what is loaded does not compute here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import engines
from speech_adapters.backends.local.diarization import (
    Diarizer,
    ModelMismatchError,
    SpeakerModels,
    load_models,
)
from speech_adapters.backends.local.engines import load_live, load_stored
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.moonshine.diarizer import MoonshineDiarizer
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.pipeline import Pipeline
from speech_adapters.backends.local.recognition.whisper import WhisperRecognizer
from speech_adapters.errors import ConfigurationError

pytestmark = pytest.mark.engine

JOB = TranscriptionJob(Path("a.pcm"), PcmFormat(), LocalOptions(), "auto", "en-US", True, "m")


def with_options(**options: Any) -> TranscriptionJob:
    return attrs.evolve(JOB, options=LocalOptions(**options))


@contextmanager
def loaded(job: TranscriptionJob) -> Iterator[Pipeline]:
    with Models(job.options) as models, load_stored(job, models) as engine:
        yield engine


def mismatch(*_: object) -> None:
    raise ModelMismatchError("The models are others.")


def test_other_models_fall_back_to_the_other_diarizer_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "load_models", mismatch)
    with caplog.at_level(logging.WARNING), loaded(JOB) as found:
        assert isinstance(found._turns and found._turns._work, MoonshineDiarizer)
        (sentence,) = found.provenance.emulated
    assert "The models are others." in sentence
    assert "The models are others." in caplog.text


def test_the_other_diarizer_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load_models", lambda *_: pytest.fail("models were loaded"))
    with loaded(with_options(diarizer="moonshine")) as found:
        assert isinstance(found._turns and found._turns._work, MoonshineDiarizer)
        assert found.provenance.emulated == ()


def test_the_own_diarizer_is_the_default() -> None:
    with loaded(JOB) as found:
        assert isinstance(found._turns and found._turns._work, Diarizer)


@pytest.mark.parametrize(("diarizer", "seconds"), [("own", 0.0), ("moonshine", 2.0)])
def test_a_live_meeting_waits_for_a_diarizer_that_is_late(diarizer: str, seconds: float) -> None:
    job = with_options(diarizer=diarizer)
    with Models(job.options) as models, load_live(job, models) as engine:
        assert engine.settle_seconds == seconds


def test_the_utterances_ids_depend_on_the_recording() -> None:
    seeds = []
    for recording in ("1" * 32, "1" * 32, "2" * 32, "", ""):
        job = attrs.evolve(JOB, diarize=False, recording=recording)
        with loaded(job) as found:
            seeds.append(found._seed)
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 4


def test_a_model_that_cannot_be_loaded_leaves_no_other_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = []
    monkeypatch.setattr(WhisperRecognizer, "close", lambda self: closed.append(type(self).__name__))
    broken = with_options(segmentation_model=Path("/no/such"), embedding_model=Path("/no/such"))
    with pytest.raises(ConfigurationError, match="/no/such cannot be read"), loaded(broken):
        pass
    assert closed == ["WhisperRecognizer"]


def test_a_meeting_in_a_foreign_language_is_recognized_in_the_configured_one() -> None:
    job = attrs.evolve(with_options(language="EN"), diarize=False, language="de-DE")
    with loaded(job) as found:
        assert found._recognizer.language == "en"


def test_meetings_share_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def load_speakers(*arguments: Any) -> SpeakerModels:
        calls.append("speaker models")
        return load_models(*arguments)

    def load_recognizer(*arguments: Any, **options: Any) -> WhisperRecognizer:
        calls.append("recognizer")
        return WhisperRecognizer(*arguments, **options)

    monkeypatch.setattr(engines, "load_models", load_speakers)
    monkeypatch.setattr(engines, "WhisperRecognizer", load_recognizer)
    with (
        Models(JOB.options) as models,
        load_stored(JOB, models),
        load_stored(JOB, models),
        load_live(JOB, models),
        load_live(JOB, models),
    ):
        assert sorted(calls) == ["recognizer", "speaker models"]
