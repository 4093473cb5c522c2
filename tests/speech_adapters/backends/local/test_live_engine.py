"""The engine of live meetings, with doubles of its models.

A sample of 0.5 is speech of the first speaker, one of -0.5 of the second, 0.0 is silence.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_adapters.audio import PcmFormat, WavFile
from speech_adapters.backends.local import live_engine
from speech_adapters.backends.local.diarization import Diarization, Turn
from speech_adapters.backends.local.engines import load_live
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.live_engine import LiveEngine
from speech_adapters.backends.local.live_speakers import LiveSpeakers, spans_at
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.recognition import segmenter
from speech_adapters.backends.local.recognition.activity import FRAME_SAMPLES
from speech_adapters.backends.local.recognition.segmenter import SpeechSegment
from speech_adapters.backends.local.recognition.whisper import RecognizedWord
from speech_adapters.backends.local.utterances import EngineLine, UtteranceBuilder
from speech_adapters.contract import Recognized, SessionEvent
from speech_adapters.transcript import Provenance

RATE = 16_000


class Activity:
    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: NDArray[np.float32]) -> list[float]:
        audio = np.concatenate([self._rest, samples])
        whole = len(audio) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = audio[whole:]
        return [float(p != 0) for p in audio[:whole:FRAME_SAMPLES]]


class Recognizer:
    """One word for each second of speech; counts what it does."""

    def __init__(self) -> None:
        self.hypotheses = 0
        self.recognized: list[SpeechSegment] = []

    def hypothesis(self, samples: NDArray[np.float32]) -> str:
        self.hypotheses += 1
        return f"{round(len(samples) / RATE)} words"

    def words(self, segment: SpeechSegment) -> list[RecognizedWord]:
        self.recognized.append(segment)
        count = round(segment.end - segment.start)
        return [
            RecognizedWord(f" w{n}", segment.start + n, segment.start + n + 0.9)
            for n in range(count)
        ]


class Diarizer:
    """Two speakers by the sign of the samples; one until ``apart`` is set."""

    def __init__(self) -> None:
        self.apart = True
        self.estimates = 0
        self._audio: list[NDArray[np.float32]] = []

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        # One sample per block, which is a tenth of a second.
        self._audio.append(samples[:1])

    def current(self) -> Diarization:
        self.estimates += 1
        audio = np.concatenate(self._audio)
        who = np.where(audio > 0, 1, np.where(audio < 0, 2 if self.apart else 1, 0))
        edges = [0, *(np.flatnonzero(np.diff(who)) + 1), len(who)]
        found = [
            Turn(begin / 10, end / 10, int(who[begin]) - 1)
            for begin, end in pairwise(edges)
            if who[begin]
        ]
        speech = [sum(t.end - t.start for t in found if t.speaker == n) for n in (0, 1)]
        return Diarization(tuple(found), np.zeros((2, 256), np.float32), tuple(speech))

    finish = current


class Meeting:
    def __init__(self, *, diarize: bool = True, cost: float = 0.0) -> None:
        self.recognizer = Recognizer()
        self.diarizer = Diarizer()
        self._now = 0.0
        self._cost = cost
        resources = ExitStack()
        recognizer: Any = self.recognizer
        speakers = resources.enter_context(LiveSpeakers(self.diarizer)) if diarize else None
        self.engine = LiveEngine(
            RATE,
            recognizer,
            speakers,
            provenance=Provenance("local", "1"),
            resources=resources,
            clock=self._clock,
        )

    def _clock(self) -> float:
        # Between two calls lies one recognition.
        self._now += self._cost
        return self._now

    def add(self, level: float, seconds: float) -> list[EngineLine]:
        block = np.full(RATE // 10, level * 32768, "<i2").tobytes()
        return [line for _ in range(round(seconds * 10)) for line in self.engine.add_audio(block)]


@pytest.fixture(autouse=True)
def _activity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "SpeechActivity", Activity)


def complete(lines: list[EngineLine]) -> list[EngineLine]:
    return [line for line in lines if line.complete]


def test_a_line_has_hypotheses_while_it_is_spoken_and_words_after_it() -> None:
    meeting = Meeting()
    with meeting.engine:
        during = meeting.add(0.5, 3.0)
        after = meeting.add(0.0, 1.0)
    assert not complete(during)
    assert [line.text for line in during] == ["1 words", "1 words", "2 words", "3 words"]
    (line,) = complete(after)
    assert {line.id} == {hypothesis.id for hypothesis in during}
    assert [word.text for word in line.words] == [" w0", " w1", " w2"]
    assert [span.speaker for span in line.spans] == [0]


def test_a_line_is_recognized_when_its_pause_begins_and_only_once() -> None:
    meeting = Meeting()
    with meeting.engine:
        meeting.add(0.5, 2.0)
        early = meeting.add(0.0, 0.4)
        assert len(meeting.recognizer.recognized) == 1
        assert early[-1].text == "w0 w1"
        assert complete(meeting.add(0.0, 0.6))
    assert len(meeting.recognizer.recognized) == 1


def test_speech_that_goes_on_is_recognized_again() -> None:
    meeting = Meeting()
    with meeting.engine:
        meeting.add(0.5, 2.0)
        meeting.add(0.0, 0.4)
        meeting.add(0.5, 2.0)
        (line,) = complete(meeting.add(0.0, 1.0))
    assert len(line.words) == 4


def test_without_diarization_no_speakers_are_looked_for() -> None:
    meeting = Meeting(diarize=False)
    with meeting.engine:
        (line,) = complete(meeting.add(0.5, 2.0) + meeting.add(0.0, 1.0) + meeting.engine.finish())
    assert line.spans == ()
    assert meeting.diarizer.estimates == 0


def test_a_line_is_returned_again_when_its_speaker_is_revised() -> None:
    meeting = Meeting()
    meeting.diarizer.apart = False
    with meeting.engine:
        meeting.add(0.5, 2.0)
        meeting.add(0.0, 2.0)
        meeting.add(-0.5, 2.0)
        (first,) = complete(meeting.add(0.0, 2.0))
        assert {span.speaker for span in first.spans} == {0}
        meeting.diarizer.apart = True
        meeting.add(0.5, 2.0)
        again = complete(meeting.add(0.0, 1.0))
    assert [(line.id, line.spans[-1].speaker) for line in again] == [(1, 1), (2, 0)]


def test_the_end_of_the_audio_completes_the_line_and_revises_all() -> None:
    meeting = Meeting()
    meeting.diarizer.apart = False
    with meeting.engine:
        meeting.add(0.5, 2.0)
        meeting.add(0.0, 2.0)
        meeting.add(-0.5, 2.0)
        meeting.add(0.0, 300.0)
        meeting.add(0.5, 2.0)
        meeting.diarizer.apart = True
        lines = complete(meeting.engine.finish())
    assert [(line.id, line.spans[-1].speaker) for line in lines] == [(1, 1), (2, 0)]


def test_expensive_hypotheses_are_rare() -> None:
    cheap, expensive = Meeting(), Meeting(cost=1.0)
    for meeting in (cheap, expensive):
        with meeting.engine:
            meeting.add(0.5, 14.0)
    assert cheap.recognizer.hypotheses == 19
    assert expensive.recognizer.hypotheses == 4


def test_short_pauses_in_a_row_do_not_cause_a_recognition_each() -> None:
    meeting = Meeting(cost=1.0)
    with meeting.engine:
        for _ in range(10):
            meeting.add(0.5, 0.6)
            meeting.add(0.0, 0.4)
    assert len(meeting.recognizer.recognized) <= 3


def test_the_cost_of_a_minute_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = 0

    def count(*arguments: Any) -> Any:
        nonlocal lookups
        lookups += 1
        return spans_at(*arguments)

    monkeypatch.setattr(live_engine, "spans_at", count)
    meeting = Meeting()

    def minute() -> tuple[int, int, int, int]:
        nonlocal lookups
        before = meeting.recognizer.hypotheses, len(meeting.recognizer.recognized)
        estimates, lookups = meeting.diarizer.estimates, 0
        for level in (0.5, -0.5) * 6:
            meeting.add(level, 4.0)
            meeting.add(0.0, 1.0)
        return (
            meeting.recognizer.hypotheses - before[0],
            len(meeting.recognizer.recognized) - before[1],
            meeting.diarizer.estimates - estimates,
            lookups,
        )

    with meeting.engine:
        costs = [minute() for _ in range(12)]
    assert costs[5] == costs[11]
    # A look at each line of the last two and a half minutes, whenever a line is complete.
    assert costs[11][2:] == (12, 12 * 31)


@pytest.mark.engine
@pytest.mark.parametrize("diarizer", ["own", "moonshine"])
def test_a_recording_becomes_lines_with_words_and_speakers(
    shipped_recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, diarizer: Any
) -> None:
    monkeypatch.undo()
    options = LocalOptions(diarizer=diarizer)
    with WavFile(shipped_recordings / "clone-test.wav") as file:
        pcm = PcmFormat(file.pcm.sample_rate)
        job = TranscriptionJob(tmp_path, pcm, options, "auto", "en-US", True, "m")
        with Models(job.options) as models, load_live(job, models) as engine:
            builder = UtteranceBuilder("en-US", True, engine.settle_seconds)
            events: list[SessionEvent] = []
            seconds = 0.0
            while block := file.read(pcm.sample_rate // 10):
                seconds += 0.1
                events += builder.update(engine.add_audio(block), seconds)
            events += builder.update(engine.finish(), seconds)
            events += builder.finish()
    final = [e.utterance for e in events if isinstance(e, Recognized) and not e.correction]
    assert "America" in " ".join(utterance.text for utterance in final)
    assert {utterance.speaker for utterance in final} == {0}
    assert all(utterance.words for utterance in final)
    assert builder.result()
