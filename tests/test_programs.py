"""Unchanged legacy programs of the three eras, each in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from double.voices import RETIRED
from speech_adapters.contract import JobState
from speech_adapters.store import Store

pytestmark = pytest.mark.engine

PROGRAMS = Path(__file__).parent / "programs"
MEETING = 'it\'s "my" meeting/№ 🎉'
PATIENCE = 120


def command(name: str, *arguments: object, lost: str = "") -> list[str]:
    # The later filter has precedence.
    filters = ["-W", "error", *(["-W", f"default:{lost}:"] if lost else [])]
    return [sys.executable, *filters, str(PROGRAMS / name), *map(str, arguments)]


def run(name: str, *arguments: object, lost: str = "") -> list[str]:
    """Run a program; ``lost`` is the code of the one warning that it must cause."""
    done = subprocess.run(
        command(name, *arguments, lost=lost),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    codes = re.findall(rf"{name}:\d+: GapWarning: (SC\d+):", done.stderr)
    assert codes == ([lost] if lost else [])
    return done.stdout.splitlines()


@pytest.fixture
def recording(shipped_recordings: Path) -> Path:
    return shipped_recordings / "clone-test.wav"


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(Path(os.environ["SPEECH_COMPAT_STATE_DIR"])) as store:
        yield store


def test_meeting_era(recording: Path) -> None:
    lines = run("meeting_era.py", recording)
    assert lines[0] == "SessionEventArgs"
    assert any(line.startswith("TRANSCRIBED Guest_0") and "America" in line for line in lines)
    assert lines[-2:] == ["CANCELED CancellationReason.EndOfStream", "SessionEventArgs"]


def test_conversation_era(recording: Path) -> None:
    lines = run("conversation_era.py", recording)
    assert any(line.startswith("TRANSCRIBED Guest_0") and "America" in line for line in lines)
    assert lines[-1] == "CANCELED CancellationReason.EndOfStream"


def test_diarization_era(recording: Path) -> None:
    lines = run("diarization_era.py", recording, lost="SC203")
    assert any(line.startswith("TRANSCRIBED Guest-1") and "America" in line for line in lines)
    assert "CLOSING ConversationTranscriptionCanceledEventArgs" in lines


@pytest.mark.parametrize("name", ["conversation_signatures.py", "meeting_signatures.py"])
def test_voice_signatures_that_cannot_be_used_leave_numbers(
    name: str, recording: Path, tmp_path: Path
) -> None:
    signature = tmp_path / "signature.json"
    signature.write_text(RETIRED, "utf-8")
    lines = run(name, recording, signature, lost="SC107")
    assert any(line.startswith("TRANSCRIBED Guest_0") and "America" in line for line in lines)


@pytest.mark.parametrize("name", ["conversation_signatures.py", "meeting_signatures.py"])
def test_without_signatures_the_warning_names_the_property(name: str, recording: Path) -> None:
    lines = run(name, recording, lost="SC301")
    assert any(line.startswith("TRANSCRIBED Unidentified") and "America" in line for line in lines)


def test_an_asynchronous_meeting_outlives_its_program(recording: Path, store: Store) -> None:
    assert "EXIT" in run("async_meeting.py", recording, MEETING)
    assert "America" in " ".join(run("fetch_meeting.py", MEETING))
    assert [r.state for r in store.recordings()] == [JobState.COMPLETED]


def test_killed_while_audio_is_pushed(recording: Path, store: Store) -> None:
    with started("async_meeting.py", recording, MEETING, "hang") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "PUSHING\n"
        wait_for(lambda: any(r.audio_path.exists() for r in store.recordings()))
        time.sleep(0.2)
        program.kill()
    assert "America" in " ".join(run("fetch_meeting.py", MEETING))
    (recorded,) = store.recordings()
    assert recorded.state is JobState.COMPLETED
    assert "ended early" in recorded.notes[0]
    assert store.transcript(recorded.id).provenance.notes == recorded.notes


@pytest.mark.parametrize(
    "place",
    [
        "speech_adapters.recording.session.close_audio",
        "speech_adapters.backends.local.backend.spawn_detached",
    ],
)
def test_killed_while_spooling_ends(recording: Path, store: Store, place: str) -> None:
    """The program dies at ``place``: before the audio is closed, or before the worker starts."""
    module, name = place.rsplit(".", 1)
    code = (
        f"import os, runpy, signal, sys, {module} as place\n"
        f"place.{name} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"runpy.run_path({str(PROGRAMS / 'async_meeting.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(recording), MEETING],
        timeout=PATIENCE,
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL
    assert not store.recordings()[0].state.final
    assert "America" in " ".join(run("fetch_meeting.py", MEETING))
    assert [r.state for r in store.recordings()] == [JobState.COMPLETED]


def test_killed_while_the_engine_runs(shipped_recordings: Path, store: Store) -> None:
    run("async_meeting.py", shipped_recordings / "beckett.wav", MEETING)
    (recorded,) = store.recordings()
    wait_for(lambda: store.get(recorded.id).attempts == 1)
    kill_worker(recorded.id)
    assert store.get(recorded.id).state is JobState.PROCESSING
    assert "failed" in " ".join(run("fetch_meeting.py", MEETING))
    again = store.get(recorded.id)
    assert (again.state, again.attempts) == (JobState.COMPLETED, 2)
    assert len(store.transcript(recorded.id).utterances) == len(
        {u.offset for u in store.transcript(recorded.id).utterances}
    )


def test_a_meeting_whose_engine_always_dies_fails_with_a_reason(
    shipped_recordings: Path, store: Store
) -> None:
    run("async_meeting.py", shipped_recordings / "beckett.wav", MEETING)
    (recorded,) = store.recordings()
    for attempt in (1, 2, 3):
        show_until(lambda attempt=attempt: store.get(recorded.id).attempts == attempt)
        kill_worker(recorded.id)
    show_until(lambda: store.get(recorded.id).state.final)
    failed = store.get(recorded.id)
    assert failed.state is JobState.FAILED
    assert "died 3 times" in failed.reason
    assert failed.audio_path.exists()


class started:  # noqa: N801
    def __init__(self, name: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            command(name, *arguments), stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> subprocess.Popen[str]:
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def show_until(condition: object) -> None:
    def shown() -> bool:
        show = [sys.executable, "-m", "speech_compat", "show", MEETING]
        subprocess.run(show, capture_output=True, timeout=PATIENCE, check=False)
        return bool(condition())  # type: ignore[operator]

    wait_for(shown)


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill_worker(recording_id: str) -> None:
    """Kill the worker of one recording, found by its command line."""
    found = [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and recording_id.encode() in _command_line(folder)
    ]
    assert found
    for process in found:
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: not any(_command_line(Path(f"/proc/{process}")) for process in found))


def _command_line(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""
