"""The engine in a worker of an executor."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import pytest

from double.engine import Engine, Model, model_folder
from speech_adapters.backends.local.attempts import MAX_ATTEMPTS
from speech_adapters.backends.local.inline import InlineEngine
from speech_adapters.backends.local.job import Processing
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, Mode
from speech_adapters.errors import StoreError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording


def settings(in_process: Any, behavior: str = "speak") -> Settings:
    models = in_process.store.directory.parent / "models"
    return load_settings(
        {
            "state_dir": str(in_process.store.directory),
            "backends.local.model_path": str(model_folder(models, behavior)),
        }
    )


def process(in_process: Any, *recordings: Recording, behavior: str = "speak") -> None:
    async def work() -> None:
        async with MeetingService(settings(in_process, behavior), in_worker=True) as meetings:
            for recording in recordings:
                await meetings.process(recording.id)

    anyio.run(work)


def test_recordings_are_transcribed_here_with_models_that_are_loaded_once(in_process: Any) -> None:
    recordings = [in_process.recording(Mode.STORED, 2.5) for _ in range(2)]
    # An order of another program, which would have started a process.
    in_process.store.update(recordings[0].id, backend_state="{}", step="waiting")
    loaded, threads = Model.loaded, set[str]()
    in_process.on_audio(lambda _: threads.add(threading.current_thread().name))
    process(in_process, *recordings)
    for recording in recordings:
        found = in_process.store.get(recording.id)
        assert (found.state, found.attempts, found.backend_state) == (JobState.COMPLETED, 1, "")
        transcript = in_process.store.transcript(recording.id)
        assert [u.text for u in transcript.utterances] == ["Second 0.", "Second 1.", "Second 2."]
        assert not recording.audio_path.exists()
    assert Model.loaded == loaded + 1
    assert threading.current_thread().name not in threads


def test_an_engine_that_died_too_often_is_not_started_again(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    for _ in range(MAX_ATTEMPTS):
        in_process.store.begin_attempt(recording.id)
    in_process.on_audio(lambda _: pytest.fail("the engine was started"))
    process(in_process, recording)
    assert in_process.store.get(recording.id).state is JobState.FAILED


def test_an_error_of_the_engine_fails_the_meeting(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    process(in_process, recording, behavior="fail")
    found = in_process.store.get(recording.id)
    assert (found.state, found.reason) == (
        JobState.FAILED,
        "The speech engine failed as the test ordered.",
    )


def test_a_meeting_that_is_deleted_meanwhile_stops(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 3.0)
    blocks: list[int] = []

    def on_audio(block: int) -> None:
        blocks.append(block)
        if block == 1:
            in_process.store.delete(recording.id)

    in_process.on_audio(on_audio)
    process(in_process, recording)
    assert in_process.store.get(recording.id).state is JobState.DELETED
    assert len(blocks) < 10


def test_a_worker_that_ends_stops_its_recording_and_another_one_has_it(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 3.0)
    begun, blocks = threading.Event(), list[int]()

    def on_audio(block: int) -> None:
        blocks.append(block)
        begun.set()
        threading.Event().wait(0.05)

    in_process.on_audio(on_audio)

    async def work() -> None:
        async with MeetingService(settings(in_process), in_worker=True) as meetings:
            # As Dask cancels its tasks: not as a scope of anyio, which would wait for the thread.
            task = asyncio.ensure_future(meetings.process(recording.id))
            assert await anyio.to_thread.run_sync(begun.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    anyio.run(work)
    assert in_process.store.get(recording.id).state is JobState.PROCESSING
    assert len(blocks) < 30
    process(in_process, recording)
    assert in_process.store.get(recording.id).state is JobState.COMPLETED


def test_models_in_use_are_not_freed(in_process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    closed: list[bool] = []
    begun, finished = threading.Event(), threading.Event()
    monkeypatch.setattr(Model, "close", lambda _: closed.append(finished.is_set()))
    models = in_process.store.directory.parent / "models"
    options = LocalOptions(model_path=model_folder(models, "speak"))
    engine = InlineEngine(Processing(options, "auto"))

    def on_audio(_: int) -> None:
        begun.set()
        threading.Event().wait(0.02)

    in_process.on_audio(on_audio)
    monkeypatch.setattr(Engine, "on_finish", staticmethod(finished.set))
    thread = threading.Thread(
        target=engine.transcribe, args=(in_process.store, recording, threading.Event())
    )
    thread.start()
    assert begun.wait(30)
    engine.close()
    thread.join()
    assert closed == [True]


def test_an_unusable_store_is_an_error(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    engine = InlineEngine(Processing(LocalOptions(), "auto"))
    in_process.store.close()
    with engine, pytest.raises(StoreError):
        engine.transcribe(in_process.store, recording, threading.Event())
