from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest

from speech_adapters import JobState, MeetingRequest, Mode, Transcript, isolated
from speech_adapters.azure.result_files import (
    ResultFiles,
    complete_in_child,
    store_transcript,
    temporary_folder,
)
from speech_adapters.azure.results import read_result
from speech_adapters.backends.fast.backend import store_isolated
from speech_adapters.errors import BackendError
from speech_adapters.store import AsyncStore, Store
from speech_adapters.transcript import Provenance

RESULT = {"durationMilliseconds": 900, "phrases": [{"text": "Hi.", "offsetMilliseconds": 1}]}


def read(files: ResultFiles) -> Transcript:
    (path,) = files.names
    return read_result(Path(path), files.meeting_id, files.provenance)


def fail(files: ResultFiles) -> Transcript:
    raise AssertionError("it must not be read in this process")


def result(tmp_path: Path, content: Any = RESULT) -> ResultFiles:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return ResultFiles("m", Provenance("fast", "test", notes=("A note.",)), {str(path): "name"})


def stored(tmp_path: Path, files: ResultFiles, reader: Any, delete: bool = False) -> Any:
    """Return whether the transcript was stored, and the recording's state."""

    async def work() -> Any:
        store = AsyncStore(tmp_path / "state")
        recording = await store.run(Store.create, MeetingRequest("m", mode=Mode.STORED), "fast")
        await store.run(Store.close_audio, recording.id, 2)
        if delete:
            await store.run(Store.delete, recording.id)
        try:
            done = await store_transcript(store, recording.id, files, reader, store_isolated)
            if done:
                found = await store.run(Store.transcript, recording.id)
                assert found == read(files)
            return done, (await store.run(Store.get, recording.id)).state
        finally:
            await store.aclose()

    return anyio.run(work)


def test_small_results_are_read_in_this_process(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="in this process"):
        stored(tmp_path, result(tmp_path), fail)
    assert stored(tmp_path, result(tmp_path), read) == (True, JobState.COMPLETED)


def test_large_results_are_read_in_a_child_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = result(tmp_path)
    monkeypatch.setattr(isolated, "LARGE_BYTES", files.size() - 1)
    assert stored(tmp_path, files, fail) == (True, JobState.COMPLETED)


@pytest.mark.parametrize("large", [False, True])
def test_a_deleted_recording_stays_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr(isolated, "LARGE_BYTES", 0 if large else 1_000_000)
    found = stored(tmp_path, result(tmp_path), read, delete=True)
    assert found == (False, JobState.DELETED)


@pytest.mark.parametrize("large", [False, True])
def test_what_is_no_result_is_the_same_error_either_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr(isolated, "LARGE_BYTES", 0 if large else 1_000_000)
    with pytest.raises(BackendError, match="is no result of batch or fast transcription"):
        stored(tmp_path, result(tmp_path, {"x": 1}), read)


def test_the_child_opens_the_store_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = []

    async def child(function: Any, argument: str, environment: dict[str, str]) -> str:
        orders.append(argument)
        return complete_in_child(argument, read)

    monkeypatch.setattr(isolated, "LARGE_BYTES", 0)
    monkeypatch.setattr(isolated, "run_isolated", child)
    assert stored(tmp_path, result(tmp_path), fail) == (True, JobState.COMPLETED)
    assert stored(tmp_path, result(tmp_path), fail, delete=True) == (False, JobState.DELETED)
    assert len(orders) == 2


def test_the_temporary_folder_is_private_and_removed(tmp_path: Path) -> None:
    async def work() -> Path:
        async with temporary_folder() as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            (folder / "answer.json").write_text("{}")
        return folder

    assert not anyio.run(work).exists()


def test_the_temporary_folder_is_removed_after_cancellation() -> None:
    folders: list[Path] = []

    async def work() -> bool:
        with anyio.CancelScope() as scope:
            async with temporary_folder() as folder:
                folders.append(folder)
                scope.cancel()
                await anyio.sleep(1)
        return scope.cancelled_caught

    assert anyio.run(work)
    assert not folders[0].exists()
