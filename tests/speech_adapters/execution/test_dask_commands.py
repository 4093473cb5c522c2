"""The commands of Dask with stored meetings: workers that die, programs that end."""

from __future__ import annotations

import signal
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import anyio
import pytest

from double.dask_cluster import Commands, commands
from double.engine import model_folder
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local.attempts import MAX_ATTEMPTS
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Transcript

# Ends as soon as the scheduler has the meetings.
PROGRAM = """
import anyio
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

async def main():
    async with MeetingService(load_settings()) as meetings:
        for recording in await meetings.store.run(Store.unfinished, 0.0):
            await meetings.process(recording.id)

anyio.run(main)
"""


@pytest.fixture
def dask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Start a scheduler, and have this process and its children use it."""
    folder = tmp_path / "dask"
    folder.mkdir()
    with commands(folder) as started:
        monkeypatch.setenv("SPEECH_COMPAT_EXECUTOR", "dask")
        monkeypatch.setenv("SPEECH_COMPAT_DASK__SCHEDULER", started.address)
        monkeypatch.setenv("SPEECH_COMPAT_DASK__CONNECT_SECONDS", "30")
        started.start_scheduler()
        yield started


def create(audio: Sequence[bytes], rate: int = 16_000) -> list[Recording]:
    """Store recordings that have ended."""
    with Store.open(load_settings().state_dir) as store:
        found = []
        for pcm in audio:
            request = MeetingRequest("m", audio=PcmFormat(sample_rate=rate), mode=Mode.STORED)
            recording = store.create(request, "local")
            recording.audio_path.write_bytes(pcm)
            store.close_audio(recording.id, len(pcm))
            found.append(recording)
        return found


def get(recording: Recording) -> Recording:
    with Store.open(load_settings().state_dir) as store:
        return store.get(recording.id)


async def until(
    meetings: MeetingService, recordings: Sequence[Recording], reached: Callable[[Recording], bool]
) -> None:
    """Wait until all recordings have reached something; nothing is submitted."""
    with anyio.fail_after(120):
        for recording in recordings:
            while not reached(await meetings.store.run(Store.get, recording.id)):
                await anyio.sleep(0.05)


def is_final(recording: Recording) -> bool:
    return recording.state.final


def double(tmp_path: Path, behavior: str) -> dict[str, str]:
    """Return the environment of a worker whose engine is the double with a behavior."""
    return {"SPEECH_COMPAT_BACKENDS__LOCAL__MODEL_PATH": str(model_folder(tmp_path, behavior))}


def test_an_engine_that_kills_its_workers_fails_its_meeting_and_no_other(
    dask: Commands, tmp_path: Path
) -> None:
    """The first meetings are submitted by a program that has ended when the workers start."""
    (deadly,) = create([bytes(8_000)], rate=8_000)
    others = create([bytes(32_000)] * 4)
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)
    environment = double(tmp_path, "die at 8 kHz")
    workers = [
        dask.start_worker(environment, "--preload", "double.dask_engine")
        for _ in range(MAX_ATTEMPTS + 1)
    ]

    async def work() -> None:
        async with MeetingService(load_settings()) as meetings:
            await until(meetings, [deadly, *others], is_final)

    anyio.run(work)
    found = get(deadly)
    assert (found.state, found.attempts) == (JobState.FAILED, MAX_ATTEMPTS + 1)
    assert f"died {MAX_ATTEMPTS} times" in found.reason
    killed = [process for process in workers if process.poll() == -signal.SIGKILL]
    assert len(killed) == MAX_ATTEMPTS
    # None of these had its worker killed: a worker has one meeting at a time.
    assert {(get(other).state, get(other).attempts) for other in others} == {
        (JobState.COMPLETED, 1)
    }


def test_another_worker_takes_the_meeting_of_one_that_is_killed(
    dask: Commands, tmp_path: Path
) -> None:
    (recording,) = create([bytes(32_000)])
    waiting = double(tmp_path / "first", "wait")
    first = dask.start_worker(waiting, "--preload", "double.dask_engine")

    async def work() -> None:
        async with MeetingService(load_settings()) as meetings:
            await meetings.process(recording.id)
            await until(meetings, [recording], lambda found: found.attempts == 1)
            dask.start_worker(double(tmp_path, "speak"), "--preload", "double.dask_engine")
            first.kill()
            await until(meetings, [recording], is_final)
            assert (await meetings.transcript("m")).utterances

    anyio.run(work)
    assert (get(recording).state, get(recording).attempts) == (JobState.COMPLETED, 2)


@pytest.mark.engine
def test_the_real_engine_runs_in_the_worker(
    dask: Commands, shipped_recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wave.open(str(shipped_recordings / "beckett.wav")) as file:
        rate, audio = file.getframerate(), file.readframes(4 * file.getframerate())
    recordings = create([audio] * 2, rate=rate)
    dask.start_worker({})

    async def work(settings: Settings) -> Transcript:
        async with MeetingService(settings) as meetings:
            for recording in recordings:
                await meetings.process(recording.id)
            await until(meetings, recordings, is_final)
            return await meetings.transcript("m")

    transcript = anyio.run(work, load_settings())
    assert transcript.utterances
    assert transcript.provenance.backend == "local"
    assert {(get(found).state, get(found).attempts) for found in recordings} == {
        (JobState.COMPLETED, 1)
    }
    # No process of the usual kind was started, which would have left or removed its log.
    assert list(recordings[0].audio_path.parent.iterdir()) == []
