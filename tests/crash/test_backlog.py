"""A backlog is killed again and again, and each recording is transcribed exactly once.

The command is killed with SIGKILL: at a random step (see ``site/sitecustomize.py``) or at a random
time.  ``CRASH_KILLS`` and ``CRASH_SEED`` change the test.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
import wave
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crash.test_kills import HERE, SEED
from double.batch_parts import blob_names
from double.jobs import Job
from double.service import KEY, ServiceDouble, running
from speech_adapters.backlog.items import Counts
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.store import Store
from speech_adapters.store.recovery import CUT_SHORT

COUNT = 12
PATIENCE = 120.0
KILLS = int(os.environ.get("CRASH_KILLS", "3"))
CONTAINER = "crash-backlog"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Create recordings of different lengths, and one that is there twice."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for number in range(COUNT):
        data = b"\x01\x00" * (1600 + 1600 * number)
        for name in ("a", "b") if number == 7 else ("a",):
            with wave.open(str(folder / f"{number:02}{name}.wav"), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(data)
    return folder


def environment(tmp_path: Path, backend: str, url: str, connection: str) -> dict[str, str]:
    for folder in ("once", "temporary"):
        (tmp_path / folder).mkdir()
    settings = {
        "BACKEND": backend,
        "STATE_DIR": str(load_settings().state_dir),
        "SERVICE__ENDPOINT": url,
        "SERVICE__KEY": KEY,
        "BACKENDS__FAST__RETRY_SECONDS": "0",
        "BACKENDS__BATCH__RETRY_SECONDS": "0",
        "BACKENDS__BATCH__POLL_SECONDS": "0",
        "BACKENDS__BATCH__RECORDINGS_PER_JOB": "4",
        "BACKENDS__BATCH__GROUP_SECONDS": "0.5",
        "BACKENDS__BATCH__STORAGE_CONTAINER": CONTAINER,
        "BACKENDS__BATCH__STORAGE_CONNECTION_STRING": connection,
    }
    path = [str(HERE / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **{f"SPEECH_COMPAT_{name}": value for name, value in settings.items()},
        "PYTHONPATH": os.pathsep.join(path),
        "TMPDIR": str(tmp_path / "temporary"),
    }


def run(recordings: Path, settings: dict[str, str], after: float | None = None) -> int:
    """Run the backlog, or kill it ``after`` seconds; return its exit code."""
    command = [sys.executable, "-m", "speech_compat", "backlog", "run", str(recordings)]
    with subprocess.Popen(
        [*command, "--in-flight", "8"], env=settings, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _, error = process.communicate(timeout=PATIENCE if after is None else after)
        except subprocess.TimeoutExpired:
            process.kill()
            _, error = process.communicate()
            assert after is not None, f"the backlog never ended: {error}"
            return -signal.SIGKILL
    # Leases of three seconds, as in these tests, can be lost on a busy machine; then it ends.
    assert process.returncode in (0, -signal.SIGKILL) or "lock of this meeting was lost" in error
    return process.returncode


@pytest.mark.timeout(300 + 60 * KILLS)  # against hanging; a busy machine is slow
@pytest.mark.parametrize("backend", ["batch", "fast"])
def test_each_recording_is_transcribed_once(
    database: str, recordings: Path, tmp_path: Path, storage: str, backend: str
) -> None:
    dice = random.Random(f"{SEED} {backend} {database}")
    double = ServiceDouble(polls=0)
    kills = 0
    with running(double) as url:
        settings = environment(tmp_path, backend, url, storage)
        for number in range(KILLS):
            once = {"CRASH_ONCE": str(tmp_path / "once" / str(number))}
            # The first always, since a fast machine ends a run in less time.
            if by_step := number == 0 or dice.random() < 0.6:
                once["CRASH_PROGRAM"] = str(dice.randint(1, 60))
            after = None if by_step else 0.5 + 2.5 * dice.random()
            kills += run(recordings, settings | once, after) == -signal.SIGKILL
        last = settings | {"CRASH_ONCE": str(tmp_path / "once" / "last")}
        assert any(run(recordings, last) == 0 for _ in range(3))
    assert kills > 0
    assert_each_once(double, storage, backend)
    print(f"{backend}: {kills} kills")


def urls_of(job: Job) -> list[str]:
    """Return the addresses of the audio of a job."""
    urls: list[str] = job.body["contentUrls"]
    return urls


def blob_of(url: str) -> str:
    """Return the name of a blob, which is one of its recording."""
    return urlsplit(url).path.rpartition("/")[2]


def assert_each_once(double: ServiceDouble, storage: str, backend: str) -> None:
    state_dir = load_settings().state_dir
    with Journal(journal_path(state_dir, "calls")) as journal:
        assert journal.counts() == Counts(completed=COUNT, duplicate=1)
    lengths = Counter[str]()
    with Store.open(state_dir) as store:
        done = [found for found in store.recordings() if found.state is JobState.COMPLETED]
        assert {found.state for found in store.recordings()} <= {
            JobState.COMPLETED,
            JobState.DELETED,
        }
        for recording in done:
            transcript = store.transcript(recording.id)
            lengths.update(re.findall(r"\d\.\d+", transcript.utterances[0].text))
            assert CUT_SHORT not in transcript.provenance.notes
        # What is deleted is cleaned up by the last run, or by the next command.
        deadline = time.monotonic() + PATIENCE
        while list((state_dir / "audio").iterdir()):
            assert time.monotonic() < deadline
            store.remove_leftovers()
    assert lengths == Counter(
        {f"{(1600 + 1600 * number) / 16_000:.3f}": 1 for number in range(COUNT)}
    )
    if backend == "batch":
        sent = Counter(blob_of(url) for job in double.jobs.values() for url in urls_of(job))
        assert set(sent.values()) == {1}, "a recording was submitted twice"
        assert len(sent) == COUNT
        assert len(double.submitted) < COUNT, "recordings share jobs"
        assert blob_names(storage, CONTAINER) == []
