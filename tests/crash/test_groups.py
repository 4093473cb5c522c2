"""Processes that submit recordings of a group together are killed again and again.

Two processes at a time sweep the same meetings, and each is killed with SIGKILL at a random step
(see ``site/sitecustomize.py``).  Each recording is in one job in the end, and in no other.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest

from crash.test_kills import HERE, PATIENCE, SEED
from double.batch_parts import blob_names
from double.recognition import audio
from double.service import KEY, ServiceDouble
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

MEETINGS = int(os.environ.get("CRASH_MEETINGS", "12"))
GROUPS = 2
RANDOM = random.Random(f"{SEED} groups")


@pytest.fixture
def environment(
    tmp_path: Path,
    database: str,
    double: ServiceDouble,
    storage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """Set the settings of this process and return those of the others."""
    for folder in ("once", "temporary"):
        (tmp_path / folder).mkdir()
    settings = {
        "state_dir": str(tmp_path / "state"),
        "backends__batch__endpoint": double.url,
        "backends__batch__key": KEY,
        "backends__batch__retry_seconds": "0",
        "backends__batch__poll_seconds": "0",
        "backends__batch__group_seconds": "0.5",
        "backends__batch__storage_connection_string": storage,
        "backends__batch__storage_container": f"groups-{database}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"SPEECH_COMPAT_{name.upper()}", value)
    paths = [str(HERE / "site"), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, paths))
    return {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path / "temporary")}


def record(store: Store, number: int) -> str:
    request = MeetingRequest(f"m{number}", mode=Mode.STORED, group=f"g{number % GROUPS}")
    recording = store.create(request, "batch")
    sound = audio(0, 1 + number % 3)
    recording.audio_path.write_bytes(sound)
    store.close_audio(recording.id, len(sound))
    return recording.id


def start(environment: dict[str, str], **more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "sweeper.py")],
        env={**environment, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finish(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of a process, or kill it; return whether it was killed."""
    with process:
        try:
            return process.wait(seconds) < 0
        except subprocess.TimeoutExpired:
            process.kill()
            return True


def urls(double: ServiceDouble) -> list[list[str]]:
    """Return the recordings whose audio each job has."""
    jobs = [job.body["contentUrls"] for job in double.jobs.values()]
    return [[re.findall(r"/([0-9a-f]{32})\.", url)[0] for url in found] for found in jobs]


@pytest.mark.timeout(600)  # against hanging; a busy machine is slow
def test_each_recording_of_a_group_is_submitted_once(
    environment: dict[str, str], double: ServiceDouble, tmp_path: Path, database: str
) -> None:
    kills, round_number, deadline = 0, 0, time.monotonic() + 3 * PATIENCE
    with Store.open(load_settings().state_dir) as store:
        ids = [record(store, number) for number in range(MEETINGS)]
        while any(not store.get(key).state.final for key in ids):
            assert time.monotonic() < deadline, [store.get(key) for key in ids]
            round_number += 1
            victims = [
                start(
                    environment,
                    CRASH_PROGRAM=str(RANDOM.randint(1, 150)),
                    CRASH_ONCE=str(tmp_path / "once" / f"{round_number}-{number}"),
                )
                for number in range(2)
            ]
            # Later rounds may take longer, so that they come to an end.
            kills += sum(finish(victim, 4.0 + round_number) for victim in victims)
        found = [store.get(key) for key in ids]
        assert [one.reason for one in found if one.state is not JobState.COMPLETED] == []
        for number, key in enumerate(ids):
            (utterance,) = store.transcript(key).utterances
            assert utterance.text == f"A double heard {1 + number % 3:.3f} seconds."
    jobs = urls(double)
    assert Counter(key for job in jobs for key in job) == Counter(ids)
    assert all(len({ids.index(key) % GROUPS for key in job}) == 1 for job in jobs)
    assert kills > 0
    anyio.run(delete_all)
    assert double.jobs == {}
    assert blob_names(environment[_CONNECTION], f"groups-{database}") == []
    print(f"{database}: {kills} kills, {len(jobs)} jobs")


_CONNECTION = "SPEECH_COMPAT_BACKENDS__BATCH__STORAGE_CONNECTION_STRING"


async def delete_all() -> None:
    async with MeetingService(load_settings()) as meetings:
        for number in range(MEETINGS):
            await meetings.delete(f"m{number}")
