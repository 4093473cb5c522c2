from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from speech_adapters.contract import JobState
from speech_adapters.errors import BackendError
from speech_adapters.recording import workers
from speech_adapters.recording.workers import (
    is_wanted,
    log_path,
    process_exclusively,
    progress_reporter,
    spawn,
)
from speech_adapters.store import Recording, Store

# Writes its order to a file, so that a test can wait for it.
PROGRAM = """
import sys, time
from pathlib import Path
order = sys.stdin.read()
with open(sys.argv[1], "a") as file:
    file.write(f"{order}\\n")
print("trouble", file=sys.stderr)
while Path(sys.argv[2]).exists():
    time.sleep(0.01)
"""


def wait_for(text: str, path: Path) -> None:
    while not (path.exists() and text in path.read_text()):
        time.sleep(0.01)


def command(tmp_path: Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(tmp_path / "orders"), str(tmp_path / "go-on")]


def test_a_worker_reads_its_order_and_logs_its_errors(tmp_path: Path, recording: Recording) -> None:
    spawn(command(tmp_path), recording.id, log_path(recording), b"secret order")
    wait_for("secret order\n", tmp_path / "orders")
    wait_for("trouble", log_path(recording))
    assert log_path(recording).parent == recording.audio_path.parent


def test_the_log_of_a_worker_is_for_its_owner_only_whatever_the_umask(
    tmp_path: Path, recording: Recording
) -> None:
    before = os.umask(0)
    try:
        spawn(command(tmp_path), recording.id, log_path(recording))
    finally:
        os.umask(before)
    assert log_path(recording).stat().st_mode & 0o777 == 0o600
    wait_for("\n", tmp_path / "orders")


def test_a_worker_without_an_order_reads_nothing(tmp_path: Path, recording: Recording) -> None:
    spawn(command(tmp_path), recording.id, log_path(recording))
    wait_for("\n", tmp_path / "orders")
    assert (tmp_path / "orders").read_text() == "\n"


def test_a_worker_that_goes_on_with_another_recording_writes_its_errors_there(
    tmp_path: Path,
) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from speech_adapters.recording.workers import log_errors\n"
        "print('first', file=sys.stderr)\n"
        f"log_errors(Path({str(tmp_path / 'second.log')!r}))\n"
        "print('second', file=sys.stderr)\n"
        "os.write(2, b'native\\n')\n"
        f"log_errors(Path({str(tmp_path / 'no folder' / 'third.log')!r}))\n"
        "os.write(2, b'third\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "first\n"
    assert (tmp_path / "second.log").read_text() == "second\nnative\nthird\n"
    assert (tmp_path / "second.log").stat().st_mode & 0o777 == 0o600


def test_one_worker_per_recording_runs_at_a_time(tmp_path: Path, recording: Recording) -> None:
    orders, running = tmp_path / "orders", tmp_path / "go-on"
    running.touch()
    spawn(command(tmp_path), recording.id, log_path(recording), b"first")
    wait_for("first\n", orders)
    spawn(command(tmp_path), recording.id, log_path(recording), b"second")
    spawn(command(tmp_path), "another", tmp_path / "another.log", b"another")
    wait_for("another\n", orders)
    assert "second" not in orders.read_text()
    running.unlink()
    while "third" not in orders.read_text():  # accepted once the first has ended
        spawn(command(tmp_path), recording.id, log_path(recording), b"third")
        time.sleep(0.01)


def test_a_worker_that_cannot_be_started_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="worker process cannot be started"):
        spawn([str(tmp_path / "nowhere")], "r", tmp_path / "r.log")


def test_a_recording_is_processed_under_its_lock(store: Store, recording: Recording) -> None:
    seen: list[str] = []

    def process(found: Recording) -> None:
        seen.append(found.id)
        # A second one finds the lock taken, and gives up.
        process_exclusively(store, recording.id, seen.append)  # type: ignore[arg-type]

    process_exclusively(store, recording.id, process)
    assert seen == [recording.id]


def test_a_lock_that_is_held_only_briefly_is_waited_for(store: Store, recording: Recording) -> None:
    lock = store.lock_recording(recording.id)
    threading.Timer(0.1, lock.release).start()
    seen: list[Recording] = []
    process_exclusively(store, recording.id, seen.append)
    assert [found.id for found in seen] == [recording.id]


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.DELETED])
def test_a_recording_in_a_final_state_is_left_alone(
    store: Store, recording: Recording, state: JobState
) -> None:
    if state is JobState.FAILED:
        store.fail(recording.id, "for a reason")
    else:
        store.delete(recording.id)
    seen: list[Recording] = []
    process_exclusively(store, recording.id, seen.append)
    assert seen == []


def test_work_is_wanted_until_the_meeting_is_deleted_and_while_the_store_cannot_be_read(
    store: Store, recording: Recording
) -> None:
    assert is_wanted(store, recording.id)
    store.delete(recording.id)
    assert not is_wanted(store, recording.id)
    store.close()
    assert is_wanted(store, recording.id)


def test_progress_is_reported_every_few_seconds_until_the_meeting_is_deleted(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    report = progress_reporter(store, recording.id)
    assert report(0.25)
    assert store.get(recording.id).progress == 0.25
    assert report(0.5), "too early for another write"
    assert store.get(recording.id).progress == 0.25
    now[0] += 2
    assert report(0.5)
    assert store.get(recording.id).progress == 0.5
    now[0] += 2
    store.delete(recording.id)
    assert not report(0.75)


def test_a_worker_that_fails_leaves_its_traceback_and_an_exit_code(tmp_path: Path) -> None:
    code = (
        "from speech_adapters.recording.workers import run_worker\n"
        "def main(order): raise ValueError(order)\n"
        "run_worker(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="ordér",
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "ValueError: ord" in done.stderr
