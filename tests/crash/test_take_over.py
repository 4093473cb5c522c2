"""A meeting whose process is killed goes on in another one, and no audio is lost or doubled."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from crash.test_kills import HERE, PATIENCE, SECONDS, SEED, transcribed
from double.meetings import run
from double.recognition import audio, lines
from oracle.test_oracle import why_not
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store
from speech_adapters.store.recovery import CUT_SHORT
from speech_adapters.transcript import Transcript
from speech_compat.testing.loopback import LoopbackService, Script

T = TypeVar("T")
RANDOM = random.Random(f"{SEED} take over")
BYTES = 32_000  # of a second


@pytest.fixture(scope="module")
def loopback() -> Iterator[str]:
    if why_not():
        pytest.skip(why_not())
    with LoopbackService(Script(lines(SECONDS), clock=True)).running() as url:
        yield url


@pytest.fixture
def configure(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    """Return a function that sets settings for all processes of the test, and returns them."""

    def set_all(**properties: str) -> Settings:
        paths = [str(HERE / "site"), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(tmp_path / "state"))
        for name, value in properties.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_{name.upper()}", value)
        return load_settings()

    return set_all


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start a program, which waits for its order; returns when it is ready or dead."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "continuer.py"), *map(str, arguments)],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() in ("READY\n", "")
    return process


def go(process: subprocess.Popen[str]) -> None:
    """Let a program begin, unless it has ended."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        # Not through the buffer, whose rest would raise the error again.
        os.write(process.stdin.fileno(), b"go\n")


def output(process: subprocess.Popen[str]) -> str:
    with process:
        return process.communicate(timeout=PATIENCE)[0]


def record_and_kill(mode: Mode, seconds: int) -> None:
    """Have a program record a meeting ``m``, and kill it once so many seconds are safe."""
    with start("record", "m", mode.value, 0, SECONDS) as program:
        go(program)
        assert program.stdout is not None
        for line in program.stdout:
            if line == f"SAFE {seconds}\n":
                program.kill()
                break


def cut_off(settings: Settings, seconds: int, backend: str = "local") -> Recording:
    """Leave a recording of the meeting ``m`` as a program that was killed."""
    with Store.open(settings.state_dir) as store:
        recording = store.create(MeetingRequest("m", mode=Mode.STORED), backend)
    recording.audio_path.write_bytes(audio(0, seconds))
    return recording


async def fetch(meetings: MeetingService) -> Transcript:
    with anyio.fail_after(PATIENCE):
        while not (await meetings.status("m")).state.final:
            await meetings.sweep(0.0)
            await anyio.sleep(0.05)
    return await meetings.transcript("m")


def assert_all_audio_is_transcribed_once(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        transcript = await fetch(meetings)
        assert transcribed(transcript) == SECONDS * BYTES
        assert transcript.provenance.notes == ()
        with anyio.fail_after(PATIENCE):  # the worker of the deleted one may be at work still
            while list((settings.state_dir / "audio").iterdir()):
                await anyio.sleep(0.1)
                await meetings.recordings()

    run(settings, work)


@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
@pytest.mark.parametrize("backend", ["local", "realtime"])
def test_another_process_continues_a_meeting_whose_process_was_killed(
    configure: Callable[..., Settings], request: pytest.FixtureRequest, backend: str, mode: Mode
) -> None:
    options = {}
    if backend == "realtime":
        address = request.getfixturevalue("loopback")
        named = {"endpoint": address, "key": "any", "pace": "100", "retry_seconds": "0"}
        options = {f"backends__realtime__{name}": value for name, value in named.items()}
    settings = configure(backend=backend, take_over_seconds="600", **options)
    safe = RANDOM.randint(2, SECONDS - 2)
    record_and_kill(mode, safe)
    position = RANDOM.randint(1, safe)
    second = start("take_over", "m", mode.value, position, SECONDS)
    go(second)
    assert output(second).endswith("CLOSED\n")
    assert_all_audio_is_transcribed_once(settings)


def test_a_meeting_is_continued_twice(configure: Callable[..., Settings]) -> None:
    settings = configure(backend="local", take_over_seconds="600")
    record_and_kill(Mode.BOTH, 3)
    with start("take_over", "m", "both", 2, SECONDS) as second:
        go(second)
        assert second.stdout is not None
        for line in second.stdout:
            if line == "SAFE 6\n":
                second.kill()
                break
    third = start("take_over", "m", "both", 5, SECONDS)
    go(third)
    assert output(third).endswith("CLOSED\n")
    assert_all_audio_is_transcribed_once(settings)


@pytest.mark.timeout(900)  # against hanging; a busy machine is slow
def test_a_take_over_that_is_killed_at_any_step_loses_nothing(
    configure: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = configure(backend="local")
    step, killed, continued = 0, True, 0
    while killed:
        step += 1
        # Two recordings of earlier steps are deleted or completed; this is the newest.
        cut_off(settings, 6)
        crash = {"CRASH_PROGRAM": str(step), "CRASH_ONCE": str(tmp_path / f"once {step}")}
        with start("take_over", "m", "stored", 5, SECONDS, **crash) as program:
            if program.poll() is None:
                go(program)
            printed = program.communicate(timeout=PATIENCE)[0]
        killed = program.returncode == -signal.SIGKILL
        safe = max(map(int, re.findall(r"SAFE (\d+)", printed)), default=5)
        transcript = run(settings, fetch)
        found = transcribed(transcript)
        assert safe * BYTES <= found <= max(safe + 1, 6) * BYTES, (step, printed)
        assert (CUT_SHORT in transcript.provenance.notes) == killed or found == SECONDS * BYTES
        continued += "SAFE" in printed
    assert step > 10
    assert continued > 3


def test_one_of_several_processes_takes_a_meeting_over(configure: Callable[..., Settings]) -> None:
    settings = configure(backend="local", take_over_seconds="600")
    cut_off(settings, 6)
    programs = [start("take_over", "m", "stored", 5, SECONDS) for _ in range(3)]
    for program in programs:
        go(program)
    outputs = sorted(output(program).splitlines()[-1] for program in programs)
    assert outputs[0] == "CLOSED"
    assert set(outputs[1:]) <= {"REFUSED MeetingBusyError", "REFUSED MeetingNotFoundError"}
    assert len(outputs) == 3
    assert_all_audio_is_transcribed_once(settings)
