"""The worker on stored recordings: results, errors, retries, deletion."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from double.engine import ENGINE_MODULE
from double.other_writer import OtherWriter
from speech_adapters.backends.local.protocol import Finished
from speech_adapters.backends.local.worker import MAX_ATTEMPTS
from speech_adapters.contract import JobState, Mode
from speech_adapters.recording.slots import WAITING, worker_slot
from speech_adapters.recording.workers import log_path
from speech_adapters.store.recovery import is_locked

SECOND = 32_000


def test_a_stored_recording_becomes_a_transcript_without_messages(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 2.5)
    assert in_process.run(in_process.job(recording)) == (0, [])
    transcript = in_process.store.transcript(recording.id)
    assert [u.text for u in transcript.utterances] == ["Second 0.", "Second 1.", "Second 2."]
    assert [u.speaker for u in transcript.utterances] == [0, 0, 0]
    assert transcript.duration == 25_000_000
    assert transcript.provenance.notes == ("The audio is mono.", "It ended early.")
    assert not recording.audio_path.exists()
    assert not log_path(recording).exists()


def test_progress_is_stored_while_the_recording_is_locked(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 2.0)
    seen: list[float | None] = []

    def on_audio(block: int) -> None:
        seen.append(in_process.store.get(recording.id).progress)
        assert is_locked(in_process.store, recording)

    in_process.on_audio(on_audio)
    in_process.run(in_process.job(recording))
    # Blocks last a tenth of a second, and the progress is stored after each.
    assert seen[:2] == [None, 0.05]
    assert seen[-1] == 0.95
    assert not is_locked(in_process.store, recording)


def test_a_recording_that_another_process_works_on_is_left_to_it(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    with in_process.store.lock_recording(recording.id):
        assert in_process.run(in_process.job(recording)) == (0, [])
    found = in_process.store.get(recording.id)
    assert (found.state, found.attempts) == (JobState.PROCESSING, 0)


def test_an_engine_that_died_too_often_is_not_started_again(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    for _ in range(MAX_ATTEMPTS):
        in_process.store.begin_attempt(recording.id)
    in_process.on_audio(lambda _: pytest.fail("the engine was started"))
    in_process.run(in_process.job(recording))
    found = in_process.store.get(recording.id)
    assert found.state is JobState.FAILED
    assert "died 3 times" in found.reason
    assert str(recording.audio_path) in found.reason
    assert recording.audio_path.exists()


def test_the_last_attempt_may_succeed(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    for _ in range(MAX_ATTEMPTS - 1):
        in_process.store.begin_attempt(recording.id)
    in_process.run(in_process.job(recording))
    assert in_process.store.get(recording.id).state is JobState.COMPLETED


@pytest.mark.parametrize("behavior", ["fail", "fail at the end"])
def test_an_error_of_the_engine_fails_the_meeting_and_keeps_its_audio(
    in_process: Any, behavior: str
) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    in_process.run(in_process.job(recording, behavior))
    found = in_process.store.get(recording.id)
    assert (found.state, found.reason) == (
        JobState.FAILED,
        "The speech engine failed as the test ordered.",
    )
    assert recording.audio_path.exists()
    assert log_path(recording).exists()


def test_an_engine_that_cannot_be_loaded_fails_the_meeting(
    in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, ENGINE_MODULE, None)
    recording = in_process.recording(Mode.STORED, 1.0)
    in_process.run(in_process.job(recording))
    assert "The speech engine cannot be loaded" in in_process.store.get(recording.id).reason


def test_a_meeting_that_is_deleted_meanwhile_is_abandoned_without_a_trace(
    in_process: Any,
) -> None:
    recording = in_process.recording(Mode.STORED, 3.0)
    blocks = []

    def on_audio(block: int) -> None:
        blocks.append(block)
        if block == 3:
            in_process.store.delete(recording.id)

    in_process.on_audio(on_audio)
    assert in_process.run(in_process.job(recording)) == (0, [])
    assert blocks == [1, 2, 3]
    assert in_process.store.get(recording.id).state is JobState.DELETED
    assert in_process.store.due_cleanups(1e12) == []
    assert not log_path(recording).exists()


def test_a_meeting_that_is_deleted_at_the_last_moment_stays_deleted(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    in_process.on_finish(lambda: in_process.store.delete(recording.id))
    in_process.run(in_process.job(recording))
    assert in_process.store.get(recording.id).state is JobState.DELETED
    assert in_process.store.due_cleanups(1e12) == []
    assert not log_path(recording).exists()


def test_a_log_that_cannot_be_removed_leaves_the_cleanup_to_the_service(
    in_process: Any,
) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    log_path(recording).unlink()
    log_path(recording).mkdir()
    in_process.on_finish(lambda: in_process.store.delete(recording.id))
    in_process.run(in_process.job(recording))
    assert [found.id for found in in_process.store.due_cleanups(1e12)] == [recording.id]


def test_a_completed_meeting_survives_files_that_cannot_be_removed(in_process: Any) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    log_path(recording).unlink()
    log_path(recording).mkdir()
    in_process.run(in_process.job(recording))
    assert in_process.store.get(recording.id).state is JobState.COMPLETED


def test_a_stored_meeting_waits_for_a_free_engine(
    in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    monkeypatch.setattr("speech_adapters.backends.local.job._WORKERS", 1)
    in_process.store.update(recording.id, step=WAITING)
    steps = []
    with worker_slot(in_process.store, recording.id, "local", 1):
        # The worker ends at once: the one that occupies the slot transcribes the recording.
        assert in_process.run(in_process.job(recording)) == (0, [])
        steps.append(in_process.store.get(recording.id))
    in_process.on_audio(lambda _: steps.append(in_process.store.get(recording.id)))
    in_process.run(in_process.job(recording))
    assert [found.step for found in steps[:2]] == [
        "waiting until other meetings are transcribed",
        "",
    ]
    # A worker that dies while it waits is no failure of the engine.
    assert [found.attempts for found in steps[:2]] == [0, 1]
    assert in_process.store.get(recording.id).state is JobState.COMPLETED


def test_a_meeting_that_is_deleted_while_it_waits_is_abandoned(
    in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)
    monkeypatch.setattr("speech_adapters.backends.local.job._WORKERS", 1)
    with worker_slot(in_process.store, recording.id, "local", 1):
        in_process.store.delete(recording.id)
        assert in_process.run(in_process.job(recording)) == (0, [])
    assert in_process.run(in_process.job(recording)) == (0, [])
    assert in_process.store.get(recording.id).attempts == 0
    assert not log_path(recording).exists()


@pytest.fixture
def other_writer(in_process: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[OtherWriter]:
    """Return another program's connection, which may keep the store locked for too long."""
    monkeypatch.setattr("speech_adapters.store.sqlite.database._WAIT_SECONDS", 0.05)
    with OtherWriter(in_process.store.directory) as other:
        yield other


def test_a_store_that_is_locked_while_progress_is_reported_fails_no_meeting(
    in_process: Any, other_writer: OtherWriter
) -> None:
    recording = in_process.recording(Mode.STORED, 2.0)
    orders = {3: other_writer.lock, 9: other_writer.unlock}
    in_process.on_audio(lambda block: orders.get(block, lambda: None)())
    in_process.run(in_process.job(recording))
    found = in_process.store.get(recording.id)
    assert (found.state, found.reason) == (JobState.COMPLETED, "")


@pytest.mark.parametrize(
    ("behavior", "state"), [("speak", JobState.COMPLETED), ("fail at the end", JobState.FAILED)]
)
def test_a_final_state_waits_for_a_store_that_is_locked(
    in_process: Any, other_writer: OtherWriter, behavior: str, state: JobState
) -> None:
    recording = in_process.recording(Mode.STORED, 1.0)

    def lock_and_unlock_later() -> None:
        other_writer.lock()
        threading.Timer(0.3, other_writer.unlock).start()

    in_process.on_finish(lock_and_unlock_later)
    in_process.run(in_process.job(recording, behavior))
    assert in_process.store.get(recording.id).state is state


def test_a_store_that_is_locked_keeps_no_events_from_a_live_meeting(
    in_process: Any, other_writer: OtherWriter
) -> None:
    recording = in_process.recording(Mode.BOTH, 1.0)
    other_writer.lock()
    in_process.on_finish(lambda: threading.Timer(0.3, other_writer.unlock).start())
    status, messages = in_process.run(in_process.job(recording), f"end {SECOND}\n")
    assert (status, messages[-1]) == (0, Finished())
    assert in_process.store.get(recording.id).state is JobState.COMPLETED
