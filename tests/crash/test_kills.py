"""Recording programs and workers are killed again and again, and nothing is lost or left.

Each round records one meeting.  The program, its worker, a program that fetches the meeting and
one that deletes it are killed with SIGKILL: at a random step (see ``site/sitecustomize.py``)
or at a random time.  ``make crash`` runs as many rounds as CRASH_ROUNDS states.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from double.batch_parts import blob_names
from double.recognition import audio, lines
from double.remote_meetings import KEY as REMOTE_KEY
from double.remote_meetings import RemoteMeetings
from double.service import KEY, ServiceDouble, running
from oracle.test_oracle import why_not
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Transcript
from speech_compat.testing.loopback import LoopbackService, Script

HERE = Path(__file__).parent
SECONDS = 12
ROUNDS = int(os.environ.get("CRASH_ROUNDS", "3"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
PATIENCE = 120.0
STORED = ("async", "RealTimeAndAsync")
MODES = {"batch": ("async",), "fast": ("async",), "auto": ("async",)}


@attrs.define
class Crashes:
    """The rounds of one backend."""

    settings: Settings
    environment: dict[str, str]
    random: random.Random
    kills: int = 0

    def start(self, *arguments: str, killed: bool, steps: int = 40) -> subprocess.Popen[str]:
        """Start a process, which kills itself at a step if it comes so far."""
        environment = dict(
            self.environment, CRASH_ONCE=tempfile.mktemp(dir=self.environment["ONCE"])
        )
        if killed:
            environment["CRASH_PROGRAM"] = str(self.random.randint(1, steps))
        if self.random.random() < 0.5:
            environment["CRASH_WORKER"] = str(self.random.randint(1, 20))
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], after: float | None = None) -> str:
        """Wait for the end of a process, or kill it ``after`` seconds; return its output."""
        with process:
            try:
                output, _ = process.communicate(timeout=PATIENCE if after is None else after)
            except subprocess.TimeoutExpired:
                assert after is not None, "a process never ended"
                process.kill()
                output, _ = process.communicate()
        self.kills += process.returncode == -signal.SIGKILL
        return output

    def record(self, meeting_id: str, mode: str) -> str:
        """Record a meeting with a program that may be killed; return its output."""
        by_step = self.random.random() < 0.5
        program = self.start(
            str(HERE / "recorder.py"), meeting_id, mode, str(SECONDS), killed=by_step
        )
        return self.finish(program, None if by_step else 0.3 + 3 * self.random.random())

    def command(self, *arguments: str) -> None:
        """Run a command of the package that may be killed."""
        self.finish(self.start("-m", "speech_compat", *arguments, killed=True, steps=25))

    def kill_worker(self) -> None:
        """Kill a worker of these meetings, if there is one."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                ours = self.environment["ONCE"].encode() in (process / "environ").read_bytes()
                if ours and b".worker" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
                    self.kills += 1
                    return
            except OSError:
                continue  # it has ended

    def use(self, work: Callable[[MeetingService], Any]) -> Any:
        async def run() -> Any:
            async with MeetingService(self.settings) as meetings:
                return await work(meetings)

        return anyio.run(run)

    def recover(self, meeting_id: str) -> Transcript | None:
        """Query a meeting to its final state; return its transcript, or None without audio."""

        async def query(meetings: MeetingService) -> Transcript | None:
            with anyio.fail_after(PATIENCE):
                while not (status := await meetings.status(meeting_id)).state.final:
                    await anyio.sleep(0.05)
            if status.state is JobState.FAILED:
                assert "no audio" in status.reason
                return None
            return await meetings.transcript(meeting_id)

        try:
            found: Transcript | None = self.use(query)
        except MeetingNotFoundError:
            return None
        return found

    def delete(self, meeting_id: str) -> None:
        async def delete(meetings: MeetingService) -> None:
            with anyio.fail_after(PATIENCE):
                await meetings.delete(meeting_id)

        try:
            self.use(delete)
        except MeetingNotFoundError as error:
            # The process that was killed had deleted it already, or it never existed.
            if "deleted already" not in str(error) and "There is no meeting" not in str(error):
                raise


def transcribed(transcript: Transcript) -> int:
    """Return the bytes of audio that a transcript proves; nothing may be doubled or missing."""
    texts = [utterance.text for utterance in transcript.utterances]
    if transcript.provenance.backend == "local":
        sound, end = audio(0, SECONDS), 0
        for number, text in enumerate(texts):
            size = int(text.split()[2])
            digest = hashlib.md5(sound[end : end + size]).hexdigest()
            assert text == f"{number} {digest} {size}"
            end += size
        return end
    if transcript.provenance.backend in ("realtime", "remote_meeting"):
        assert texts == [f"line {number}" for number in range(len(texts))]
        return len(texts) * 32_000
    (text,) = texts
    found = re.fullmatch(r"A double heard (\d+\.\d+) seconds\.", text)
    assert found is not None
    return round(float(found[1]) * 32_000)


@pytest.fixture
def double() -> Iterator[ServiceDouble]:
    double = ServiceDouble(polls=0)
    with running(double):
        yield double


@pytest.fixture(scope="module")
def loopback() -> Iterator[str]:
    if why_not():
        pytest.skip(why_not())
    with LoopbackService(Script(lines(SECONDS), clock=True)).running() as url:
        yield url


@pytest.fixture(scope="module")
def remote() -> Iterator[RemoteMeetings]:
    if why_not():
        pytest.skip(why_not())
    service = RemoteMeetings(Script(lines(SECONDS, "Guest_0"), clock=True))
    with service.running():
        yield service


@pytest.fixture
def options(request: pytest.FixtureRequest, backend: str) -> dict[str, dict[str, str]]:
    """Return the options of the backends that ``backend`` needs; starts their services."""
    if backend == "local":
        return {}
    if backend == "realtime":
        url = request.getfixturevalue("loopback")
        return {"realtime": {"endpoint": url, "key": "any", "pace": "100", "retry_seconds": "0"}}
    if backend == "remote_meeting":
        fast = {"key": REMOTE_KEY, "pace": "100", "retry_seconds": "0", "poll_seconds": "0"}
        return {"remote_meeting": {**request.getfixturevalue("remote").addresses, **fast}}
    url = request.getfixturevalue("double").url
    service = {"endpoint": url, "key": KEY, "retry_seconds": "0"}
    if backend == "fast":
        return {"fast": service}
    container = {
        "storage_connection_string": request.getfixturevalue("storage"),
        "storage_container": f"crash-{backend}",
        "poll_seconds": "0",
    }
    return {"fast": service, "batch": {**service, **container}}


@pytest.fixture
def crashes(
    database: str,
    options: dict[str, dict[str, str]],
    backend: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Crashes:
    for folder in ("once", "temporary"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    path = [str(HERE / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    common = {
        "PYTHONPATH": os.pathsep.join(path),
        "TMPDIR": str(tmp_path / "temporary"),
        "ONCE": str(tmp_path / "once"),
    }
    for name, value in common.items():
        monkeypatch.setenv(name, value)  # for the workers that this process starts
    named = {f"backends.{b}.{n}": v for b, given in options.items() for n, v in given.items()}
    properties = {"backend": backend, "state_dir": str(tmp_path / "state"), **named}
    settings = {f"SPEECH_COMPAT_{n.upper().replace('.', '__')}": v for n, v in properties.items()}
    environment = {**os.environ, **settings}
    return Crashes(load_settings(properties), environment, random.Random(f"{SEED} {backend}"))


@pytest.mark.timeout(300 + 60 * ROUNDS)  # against hanging; a busy machine is slow
@pytest.mark.parametrize(
    "backend", ["local", "realtime", "remote_meeting", "batch", "fast", "auto"]
)
def test_nothing_is_lost_doubled_or_left_by_kills(
    crashes: Crashes,
    backend: str,
    double: ServiceDouble,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    deleted: set[str] = set()
    for number in range(ROUNDS):
        meeting_id = f"{backend}-{number}"
        mode = crashes.random.choice(MODES.get(backend, STORED))
        output = crashes.record(meeting_id, mode)
        if crashes.random.random() < 0.5:
            crashes.kill_worker()
        if crashes.random.random() < 0.5:
            crashes.command("show", meeting_id)
        if crashes.random.random() < 0.3:
            crashes.command("delete", meeting_id)
            crashes.delete(meeting_id)
            deleted.add(meeting_id)
            continue
        transcript = crashes.recover(meeting_id)
        written = max(map(int, re.findall(r"WRITTEN (\d+)", output)), default=0)
        found = transcribed(transcript) if transcript is not None else 0
        assert found >= written // 32_000 * 32_000, (meeting_id, mode, output)
    if backend in ("local", "realtime", "remote_meeting"):
        crashes.record("live", "RealTime")  # and what it left is removed by the next lines
    assert_nothing_is_left(crashes, deleted, double, tmp_path)
    if backend == "remote_meeting":
        remote: RemoteMeetings = request.getfixturevalue("remote")
        assert not deleted & (remote.held - remote.deleted)
    print(f"{backend}: {crashes.kills} kills")


def assert_nothing_is_left(
    crashes: Crashes, deleted: set[str], double: ServiceDouble, tmp_path: Path
) -> None:
    for job in list(double.jobs.values()):
        job.status = "Succeeded"  # a service deletes no job that is running
    deadline = time.monotonic() + PATIENCE
    # Workers that were started last may still be at work; each listing cleans up.
    while (left := _left(crashes, tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    recordings = crashes.use(lambda meetings: meetings.recordings())
    for recording in recordings:
        assert recording.state.final
        if recording.meeting_id in deleted:
            assert recording.state is JobState.DELETED
            assert recording.backend_state == ""
    names = [job.body["displayName"] for job in double.jobs.values()]
    assert not deleted & set(names)
    assert len(names) == len(set(names)), "a meeting was submitted twice"
    assert _blobs(crashes.settings) == []


def _left(crashes: Crashes, tmp_path: Path) -> list[str]:
    """Return what is left of files and cleanups, after a listing of the meetings."""
    recordings: list[Recording] = crashes.use(lambda meetings: meetings.recordings())
    with Store.open(crashes.settings.state_dir) as store:
        due = [f"cleanup of {recording.meeting_id}" for recording in store.due_cleanups(1e12)]
    open_ones = [recording.meeting_id for recording in recordings if not recording.state.final]
    files = list((crashes.settings.state_dir / "audio").iterdir())
    # Python itself writes a file there to see whether it can.
    folders = [path for path in (tmp_path / "temporary").iterdir() if path.is_dir()]
    return [*due, *open_ones, *(path.name for path in (*files, *folders))]


def _blobs(settings: Settings) -> list[str]:
    options = settings.backends.get("batch", {})
    connection = options.get("storage_connection_string", "")
    if not connection:
        return []
    return blob_names(str(connection), str(options["storage_container"]))
