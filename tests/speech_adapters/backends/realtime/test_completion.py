"""From the journal to the transcript in the store, in a thread or in a child process."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.realtime import completion
from speech_adapters.backends.realtime.completion import complete, complete_async
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import StoreError
from speech_adapters.recording.workers import log_path
from speech_adapters.speech_sdk.journal import Journal, journal_path
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.transcript import Provenance, Utterance, Word

FIRST = Utterance("a" * 32, "Grüße", 0, 5, 0, words=(Word("Grüße", 0, 5, 0.5),))
SECOND = Utterance("b" * 32, "two", 20, 7, 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


@pytest.fixture
def recording(store: Store) -> Recording:
    """Return a recording of a second, recognized to its end, the later utterance first."""
    request = MeetingRequest("m", PcmFormat(8_000, 2), Mode.BOTH, notes=("Its audio is poor.",))
    key = store.create(request, "realtime").id
    store.close_audio(key, 32_000, ("It was cut short.",))
    recording = store.get(key)
    recording.audio_path.write_bytes(bytes(32_000))
    log_path(recording).write_text("trouble")
    with Journal(journal_path(recording)) as journal:
        journal.add(SECOND)
        journal.add(FIRST)
    return recording


def check_transcript(store: Store, recording: Recording) -> None:
    transcript = store.transcript(recording.id)
    assert transcript.meeting_id == "m"
    assert transcript.utterances == (FIRST, SECOND)
    assert transcript.duration == 10_000_000
    assert transcript.provenance == Provenance(
        "realtime",
        "Azure real-time diarization, Speech SDK " + version("azure-cognitiveservices-speech"),
        ("A speaker was guessed.",),
        ("Its audio is poor.", "It was cut short."),
    )
    assert list(recording.audio_path.parent.iterdir()) == []


def test_the_transcript_is_stored_and_audio_journal_and_log_are_removed(
    store: Store, recording: Recording
) -> None:
    assert complete(store, recording.id, ("A speaker was guessed.",))
    check_transcript(store, recording)


def test_a_deleted_recording_stays_deleted(store: Store, recording: Recording) -> None:
    store.delete(recording.id)
    assert not complete(store, recording.id, ())
    assert store.get(recording.id).state is JobState.DELETED


def test_a_journal_that_cannot_be_read_leaves_the_recording(
    store: Store, recording: Recording
) -> None:
    journal_path(recording).unlink()
    journal_path(recording).mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        complete(store, recording.id, ())
    assert store.get(recording.id).state is JobState.PROCESSING
    assert recording.audio_path.exists()


def run_async(folder: Path, recording: Recording) -> Any:
    async def work() -> bool:
        store = AsyncStore(folder)
        try:
            return await complete_async(store, recording, ("A speaker was guessed.",))
        finally:
            await store.aclose()

    return anyio.run(work)


def test_a_small_journal_is_parsed_in_this_process(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def isolated(*_: object) -> str:
        raise AssertionError("a child process costs a third of a second")

    monkeypatch.setattr(completion, "run_isolated", isolated)
    assert run_async(store.directory, recording)
    check_transcript(store, recording)


def test_a_large_journal_is_parsed_in_a_child_process(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: object) -> list[Utterance]:
        raise AssertionError("to parse it here would stall the event loop")

    monkeypatch.setattr(completion, "read_journal", read)
    monkeypatch.setattr("speech_adapters.isolated.LARGE_BYTES", 100)
    assert run_async(store.directory, recording)
    check_transcript(store, recording)


def test_a_deleted_recording_stays_deleted_in_a_child_process_too(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delete(recording.id)
    monkeypatch.setattr("speech_adapters.isolated.LARGE_BYTES", 100)
    assert not run_async(store.directory, recording)
    assert store.get(recording.id).state is JobState.DELETED


def test_a_meeting_without_any_utterance_has_an_empty_transcript(
    store: Store, recording: Recording
) -> None:
    journal_path(recording).unlink()
    assert run_async(store.directory, recording)
    assert store.transcript(recording.id).utterances == ()
