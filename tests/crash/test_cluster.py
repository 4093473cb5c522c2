"""Three processes with folders of their own share meetings in PostgreSQL.

One of them is killed again and again, and the server is restarted in the middle.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crash.test_kills import HERE, PATIENCE, SEED, transcribed
from double.postgres import Server
from double.recognition import audio
from double.service import KEY, ServiceDouble
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.store import Store
from speech_adapters.store.recovery import CUT_SHORT

MEETINGS = int(os.environ.get("CRASH_MEETINGS", "12"))
RANDOM = random.Random(f"{SEED} cluster")


@pytest.fixture
def environment(tmp_path: Path, database: str, double: ServiceDouble) -> dict[str, str]:
    """Return the environment of all hosts but their folder."""
    assert database == "postgres"
    for folder in ("audio", "once", "temporary"):
        (tmp_path / folder).mkdir()
    paths = [str(HERE / "site"), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TMPDIR": str(tmp_path / "temporary"),
        "SPEECH_COMPAT_STORE__AUDIO_DIR": str(tmp_path / "audio"),
        "SPEECH_COMPAT_BACKENDS__FAST__ENDPOINT": double.url,
        "SPEECH_COMPAT_BACKENDS__FAST__KEY": KEY,
        "SPEECH_COMPAT_BACKENDS__FAST__RETRY_SECONDS": "0",
    }


def start(environment: dict[str, str], host: Path, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "sweeper.py")],
        env={**environment, "SPEECH_COMPAT_STATE_DIR": str(host), **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def record(store: Store, backend: str, number: int) -> str:
    """Leave the recording of a program that died, or that ended in good order."""
    seconds = 1 + number % 4
    recording = store.create(MeetingRequest(f"m{number}", mode=Mode.STORED), backend)
    recording.audio_path.write_bytes(audio(0, seconds))
    if number % 2:
        store.close_audio(recording.id, seconds * 32_000)
    return recording.id


def finished(store: Store) -> int:
    return sum(recording.state.final for recording in store.recordings())


@pytest.mark.database("postgres")
@pytest.mark.timeout(600)  # against hanging; a busy machine is slow
@pytest.mark.parametrize("backend", ["local", "fast"])
def test_a_cluster_transcribes_each_meeting_once(
    postgres: Server,
    environment: dict[str, str],
    double: ServiceDouble,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_STORE__AUDIO_DIR", str(tmp_path / "audio"))
    kills, restarted = 0, False
    deadline = time.monotonic() + 5 * PATIENCE
    with Store.open(load_settings().state_dir) as store:
        ids = [record(store, backend, number) for number in range(MEETINGS)]
        steady = [start(environment, tmp_path / f"host{number}") for number in (1, 2)]
        while finished(store) < MEETINGS:
            assert time.monotonic() < deadline
            step = {"CRASH_PROGRAM": str(RANDOM.randint(1, 60)), "CRASH_WORKER": "9"}
            once = {"CRASH_ONCE": str(tmp_path / "once" / str(kills))}
            with start(environment, tmp_path / "host3", **step, **once) as victim:
                try:
                    # Short at first: the server is to be restarted while there is work.
                    victim.communicate(timeout=1 + 3 * RANDOM.random() if restarted else 0.5)
                except subprocess.TimeoutExpired:
                    victim.kill()
            kills += 1
            if not restarted:
                postgres.stop("immediate")
                postgres.start()
                restarted = True
        outputs = [process.communicate(timeout=PATIENCE)[0] for process in steady]
        assert all(text.endswith("DONE\n") for text in outputs), outputs
        assert restarted
        assert kills > 0
        for number, key in enumerate(ids):
            found = store.get(key)
            assert found.state is JobState.COMPLETED, (number, found.reason)
            transcript = store.transcript(key)
            assert transcribed(transcript) == (1 + number % 4) * 32_000
            assert (CUT_SHORT in transcript.provenance.notes) == (number % 2 == 0)
        while left := list((tmp_path / "audio").iterdir()):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
            store.remove_leftovers()
    print(f"{backend}: {kills} kills")
