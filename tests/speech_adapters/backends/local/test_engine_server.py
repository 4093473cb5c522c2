"""The process of live meetings, in this process, with the double of the engine."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from double.engine import Model
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import engine_server
from speech_adapters.backends.local.engine_server import serve
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.protocol import (
    Failed,
    Finished,
    NeedAudio,
    Stopped,
    WorkerMessage,
    decode,
)
from speech_adapters.backends.local.pulse import Checkpoint
from speech_adapters.contract import JobState, Mode, Recognized
from speech_adapters.store.recovery import CUT_SHORT, is_locked

SECOND = 32_000


def served(commands: Any) -> dict[int, list[WorkerMessage]]:
    """Serve until the commands end; return the messages of each session."""
    output = io.StringIO()
    with Models(LocalOptions()) as models:
        serve(models, commands, output)
    messages: dict[int, list[WorkerMessage]] = {}
    for line in output.getvalue().splitlines():
        session, message = decode(line.encode())
        messages.setdefault(session, []).append(message)
    return messages


def texts(messages: list[WorkerMessage]) -> list[str]:
    return [message.utterance.text for message in messages if isinstance(message, Recognized)]


@pytest.fixture
def live_job(in_process: Any, tmp_path: Any) -> Any:
    """Create the job of a live meeting with a second of audio."""

    def create(name: str, behavior: str = "speak") -> TranscriptionJob:
        audio = tmp_path / name
        audio.write_bytes(bytes(SECOND))
        job: TranscriptionJob = in_process.live_job(audio, behavior)
        return job

    return create


def test_each_meeting_has_messages_of_its_own(live_job: Any) -> None:
    jobs = {3: live_job("a"), 8: live_job("b", "fail"), 9: live_job("c", "bug")}
    starts = [f"start {number} {job.dump()}" for number, job in jobs.items()]
    messages = served([*starts, *(f"end {number} {SECOND}" for number in jobs)])
    assert texts(messages[3]) == ["Second 0."]
    assert messages[3][-1] == Finished()
    assert messages[8] == [Failed("The speech engine failed as the test ordered.")]
    (unexpected,) = messages[9]
    assert isinstance(unexpected, Failed)
    assert "unexpected ValueError" in unexpected.reason
    assert "secret" not in unexpected.reason


def test_a_session_that_is_closed_ends_its_meeting_and_no_other(live_job: Any) -> None:
    stopped = threading.Event()

    def commands() -> Iterator[str]:
        yield f"start 1 {live_job('a').dump()}"
        yield f"start 2 {live_job('b').dump()}"
        yield "stop 1"
        stopped.set()
        yield f"end 2 {SECOND}"

    messages = served(commands())
    assert messages[1][-1] == Stopped()
    assert not any(isinstance(message, Finished) for message in messages[1])
    assert texts(messages[2]) == ["Second 0."]


def test_a_recording_is_unlocked_before_the_last_message(
    in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = in_process.recording(Mode.BOTH, 1.0)
    locked: list[bool] = []

    class Output(io.StringIO):
        def write(self, text: str, /) -> int:
            _, message = decode(text.encode())
            if isinstance(message, NeedAudio | Stopped):
                locked.append(is_locked(in_process.store, recording))
            return super().write(text)

    waiting = threading.Event()
    in_process.on_audio(lambda _: waiting.set())

    def commands() -> Iterator[str]:
        yield f"start 1 {in_process.job(recording).dump()}"
        assert waiting.wait(60)
        yield "stop 1"

    with Models(LocalOptions()) as models:
        serve(models, commands(), Output())  # type: ignore[arg-type]
    # A worker can process it as soon as the session is closed.
    assert locked[-1] is False
    assert in_process.store.get(recording.id).state is JobState.PROCESSING


def test_when_the_program_dies_only_its_stored_meetings_are_completed(
    in_process: Any, live_job: Any
) -> None:
    recording = in_process.recording(Mode.BOTH, 2.0, ended=False)
    messages = served(
        [f"start 1 {live_job('a').dump()}", f"start 2 {in_process.job(recording).dump()}"]
    )
    assert messages[1][-1] == Stopped()
    assert messages[2][-1] == Finished()
    found = in_process.store.get(recording.id)
    assert (found.state, found.notes) == (JobState.COMPLETED, (CUT_SHORT,))


def test_a_meeting_whose_program_died_stays_open_for_another_one(
    in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_server, "_PAUSE_SECONDS", 0.01)
    recording = in_process.recording(Mode.BOTH, 2.0, ended=False)
    states: list[JobState] = []
    wait = engine_server._wait_for_take_over

    def waiting(job: TranscriptionJob, checkpoint: Checkpoint) -> None:
        states.append(in_process.store.get(recording.id).state)
        assert recording.audio_path.exists()
        in_process.store.delete(recording.id)  # as the program that takes it over does
        wait(job, checkpoint)

    monkeypatch.setattr(engine_server, "_wait_for_take_over", waiting)
    job = attrs.evolve(in_process.job(recording), take_over_seconds=600.0)
    messages = served([f"start 1 {job.dump()}"])
    assert states == [JobState.UPLOADING]
    assert messages[1][-1] == Stopped()
    assert in_process.store.get(recording.id).state is JobState.DELETED


def test_the_formats_of_meetings_are_independent(live_job: Any) -> None:
    narrow = attrs.evolve(live_job("a"), pcm=PcmFormat(8_000))
    messages = served([f"start 1 {narrow.dump()}", f"end 1 {SECOND}"])
    assert texts(messages[1]) == ["Second 0.", "Second 1."]


def test_meetings_load_no_models_of_their_own(
    live_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "loaded", 0)
    numbers = range(1, 9)
    starts = [f"start {number} {live_job(str(number)).dump()}" for number in numbers]
    messages = served([*starts, *(f"end {number} {SECOND}" for number in numbers)])
    assert [messages[number][-1] for number in numbers] == [Finished()] * 8
    assert Model.loaded == 1
