"""The threads of the pipeline, with works that compute nothing."""

from __future__ import annotations

import threading
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_adapters.backends.local import pipeline as module
from speech_adapters.backends.local.diarization import Diarization, Turn
from speech_adapters.backends.local.pipeline import Pipeline, Stage
from speech_adapters.backends.local.recognition.models import RecognitionModel
from speech_adapters.backends.local.recognition.whisper import RecognizedWord
from speech_adapters.errors import BackendError
from speech_adapters.transcript import Provenance

SECOND = bytes(32_000)


class Work:
    """Counts samples; waits for the gate before each piece, and fails if told so."""

    model = RecognitionModel(Path("m"), "m", frozenset({"de", "en"}))

    def __init__(self, result: Any, language: str | None = "en") -> None:
        self.result = result
        self.language = language
        self.gate = threading.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.size = 0
        self.threads: set[int] = set()

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        assert self.gate.wait(20)
        if self.failure is not None:
            raise self.failure
        self.size += len(samples)
        self.threads.add(threading.get_ident())

    def finish(self) -> Any:
        return self.result


WORDS = [RecognizedWord(" Yes.", 0.0, 0.4), RecognizedWord(" No.", 0.6, 1.0)]
TURNS = Diarization(
    (Turn(0.0, 0.5, 0), Turn(0.5, 1.0, 1)), np.zeros((2, 256), np.float32), (0.5, 0.5)
)


def pipeline(words: Work, turns: Work | None, **more: Any) -> Pipeline:
    settings: dict[str, Any] = {
        "language": "en-US",
        "seed": uuid.UUID(int=1),
        "provenance": Provenance("local", "1"),
        "resources": ExitStack(),
        **more,
    }
    return Pipeline(16_000, words, turns, **settings)  # type: ignore[arg-type]


def settle(running: Pipeline) -> None:
    running.end_audio()
    while not running.is_done:
        running.wait()


def test_both_halves_receive_all_audio_in_threads_of_their_own() -> None:
    words, turns = Work(WORDS), Work(TURNS)
    with pipeline(words, turns) as running:
        for _ in range(25):
            running.add_audio(SECOND[:3_200])
        settle(running)
        assert running.seconds == 2.5
        found = running.utterances()
    assert (words.size, turns.size) == (40_000, 40_000)
    (one,), (other,) = words.threads, turns.threads
    assert len({one, other, threading.get_ident()}) == 3
    assert [(u.speaker, u.text, u.language) for u in found] == [
        (0, "Yes.", "en-US"),
        (1, "No.", "en-US"),
    ]


def test_without_a_diarizer_there_are_no_speakers() -> None:
    with pipeline(Work(WORDS), None) as running:
        running.add_audio(SECOND)
        settle(running)
        assert {u.speaker for u in running.utterances()} == {None}


def test_a_detected_language_that_differs_is_the_utterances_language() -> None:
    with pipeline(Work(WORDS, "de"), None) as running:
        settle(running)
        assert {u.language for u in running.utterances()} == {"de"}


def test_progress_is_that_of_the_slower_half() -> None:
    words, turns = Work(WORDS), Work(TURNS)
    turns.gate.clear()
    with pipeline(words, turns) as running:
        running.add_audio(SECOND)
        while words.size == 0:
            running.wait()
        assert running.seconds == 0.0
        turns.gate.set()
        settle(running)
        assert running.seconds == 1.0


def test_reading_waits_for_a_half_that_is_far_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AHEAD_SECONDS", 3.0)
    words, turns = Work(WORDS), Work(TURNS)
    words.gate.clear()
    with pipeline(words, turns) as running:
        for number in range(1, 6):
            running.add_audio(SECOND)
            assert running.is_behind is (number > 3)
        words.gate.set()
        while running.is_behind:
            running.wait()
        settle(running)


@pytest.mark.parametrize("broken", ["words", "turns"])
def test_an_error_of_one_half_is_raised_while_audio_is_added(broken: str) -> None:
    works = {"words": Work(WORDS), "turns": Work(TURNS)}
    works[broken].failure = BackendError("It broke.")
    with pipeline(works["words"], works["turns"]) as running:
        running.add_audio(SECOND)
        settle(running)
        with pytest.raises(BackendError, match="It broke"):
            _ = running.seconds
        with pytest.raises(BackendError, match="It broke"):
            running.utterances()


def test_closing_ends_the_threads_before_the_models_are_freed() -> None:
    words, turns = Work(WORDS), Work(TURNS)
    words.gate.clear()
    alive: list[bool] = []
    resources = ExitStack()
    resources.callback(lambda: alive.append(any(not s.is_done for s in running._stages)))
    running = pipeline(words, turns, resources=resources)
    for _ in range(10):
        running.add_audio(SECOND)
    words.gate.set()
    running.close()
    running.close()
    assert alive == [False]
    assert words.size <= 10 * 16_000


def test_a_closed_stage_leaves_the_pieces_that_wait() -> None:
    work = Work(WORDS)
    work.gate.clear()
    stage: Stage[Any] = Stage(work, threading.Condition())
    for _ in range(3):
        stage.put(np.zeros(16_000, np.float32))
    threading.Timer(0.05, work.gate.set).start()
    stage.close()
    assert work.size <= 16_000
