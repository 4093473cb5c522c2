"""A legacy program on the batch backend, killed at every step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse

from double.service import KEY, Fault, ServiceDouble, running
from speech_adapters.contract import JobState
from speech_adapters.store import Store

PROGRAMS = Path(__file__).parent / "programs"
MEETING = 'it\'s "my" meeting/№ 🎉'
BATCH = "speech_adapters.backends.batch"
# Where the program dies: immediately before this call or after it.
PLACES = [
    ("speech_adapters.recording.session", "close_audio", "before"),
    (f"{BATCH}.storage.Storage", "upload", "before"),
    ("azure.storage.blob.BlobClient", "stage_block", "after"),
    (f"{BATCH}.storage.Storage", "upload", "after"),
    (f"{BATCH}.client.BatchClient", "submit", "before"),
    (f"{BATCH}.client.BatchClient", "submit", "after"),
]
LATER_PLACES = [
    (f"{BATCH}.client.BatchClient", "get", "before"),
    (f"{BATCH}.client.BatchClient", "get", "after"),
    (f"{BATCH}.client.BatchClient", "results", "after"),
    ("speech_adapters.store.Store", "complete", "after"),
    (f"{BATCH}.storage.Storage", "delete", "before"),
]
DYING = """
import importlib, inspect, os, runpy, signal, sys
where, name, when, program, *sys.argv[1:] = sys.argv[1:]
try:
    owner = importlib.import_module(where)
except ModuleNotFoundError:
    module, _, kind = where.rpartition(".")
    owner = getattr(importlib.import_module(module), kind)
real = getattr(owner, name)
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def dying(*args, **more):
    if when == "before":
        die()
    real(*args, **more)
    die()
async def dying_async(*args, **more):
    if when == "before":
        die()
    await real(*args, **more)
    die()
setattr(owner, name, dying_async if inspect.iscoroutinefunction(real) else dying)
runpy.run_path(program, run_name="__main__")
"""


@pytest.fixture
def double(storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceDouble]:
    double = ServiceDouble()
    with running(double) as url:
        monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "batch")
        for name, value in {
            "ENDPOINT": url,
            "KEY": KEY,
            "STORAGE_CONNECTION_STRING": storage,
            "POLL_SECONDS": "0",
            "RETRY_SECONDS": "0",
        }.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_BACKENDS__BATCH__{name}", value)
        yield double


@pytest.fixture
def recording(shipped_recordings: Path) -> str:
    return str(shipped_recordings / "clone-test.wav")


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def die(place: tuple[str, str, str], program: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING, *place, str(PROGRAMS / program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def assert_transcribed_once(double: ServiceDouble) -> None:
    assert run("fetch_meeting.py", MEETING) == "Guest_0 A double heard 4.110 seconds.\n"
    assert len(double.submitted) == 1
    assert double.transcribed_seconds == pytest.approx(4.11, abs=0.01)
    with Store.open(Path(os.environ["SPEECH_COMPAT_STATE_DIR"])) as store:
        (recorded,) = store.recordings()
        assert recorded.state is JobState.COMPLETED
        assert len(store.transcript(recorded.id).utterances) == 1


def test_a_legacy_program_runs_unchanged(double: ServiceDouble, recording: str) -> None:
    assert "EXIT" in run("async_meeting.py", recording, MEETING)
    assert_transcribed_once(double)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[2]} {place[1]}")
def test_killed_while_recording_uploading_or_submitting(
    double: ServiceDouble, recording: str, place: tuple[str, str, str]
) -> None:
    die(place, "async_meeting.py", recording, MEETING)
    assert_transcribed_once(double)


@pytest.mark.parametrize("place", LATER_PLACES, ids=lambda place: f"{place[2]} {place[1]}")
def test_killed_while_polling_or_fetching(
    double: ServiceDouble, recording: str, place: tuple[str, str, str]
) -> None:
    run("async_meeting.py", recording, MEETING)
    die(place, "fetch_meeting.py", MEETING)
    assert_transcribed_once(double)


# The client repeats a submission that was refused with 429 by itself, with 503 only later.
@pytest.mark.parametrize(("status", "times"), [(429, 5), (503, 1)])
def test_a_service_that_is_busy_is_no_error_of_the_program_that_recorded(
    double: ServiceDouble, recording: str, status: int, times: int
) -> None:
    double.faults = [Fault(r"POST .*submit", PlainTextResponse("busy", status), times)]
    output = run("async_meeting.py", recording, MEETING)
    assert f"({status})" not in output
    assert "reason=CancellationReason.Error" not in output
    assert_transcribed_once(double)


def test_the_programs_own_key_is_used_where_the_options_have_none(
    double: ServiceDouble, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPEECH_COMPAT_BACKENDS__BATCH__KEY")
    run("async_meeting.py", recording, MEETING)
    # The program that records may end before its job is submitted.  This one waits for the answer.
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "fetch_meeting.py"), MEETING],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Access denied due to invalid key." in done.stderr
    assert set(double.credentials) == {"key"}  # that of both programs
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__BATCH__KEY", KEY)
    assert_transcribed_once(double)
