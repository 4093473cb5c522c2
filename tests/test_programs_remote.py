"""Legacy programs on a service with the retired interface, with the real SDK underneath."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from double.remote_meetings import RemoteMeetings
from oracle.test_oracle import why_not
from speech_compat.testing.loopback import Line, Script

PROGRAMS = Path(__file__).parent / "programs"
MEETING = 'it\'s "my" meeting/№ 🎉'
PATIENCE = 120
# The first is corrected after the third.
LINES = (
    Line("Who is there?", 1_000_000, 8_000_000, "Unidentified", ("who",)),
    Line("It is me.", 10_000_000, 8_000_000, "Guest_0", ("it", "it is")),
    Line("And me.", 20_000_000, 5_000_000, "Guest_1"),
    Line("Who is there?", 1_000_000, 8_000_000, "Guest_0"),
)
STORED = ["Guest_0 Who is there?", "Guest_0 It is me.", "Guest_1 And me."]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteMeetings]:
    if why_not():
        pytest.skip(why_not())
    service = RemoteMeetings(Script(LINES))
    service.accepted = {"key"}  # that of the programs
    with service.running() as addresses:
        options = {**addresses, "pace": "100", "poll_seconds": "0.1"}
        named = {f"BACKENDS__REMOTE_MEETING__{n.upper()}": v for n, v in options.items()}
        for name, value in {"BACKEND": "remote_meeting", **named}.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
        yield service


@pytest.fixture
def recording(shipped_recordings: Path) -> Path:
    return shipped_recordings / "clone-test.wav"


def start(name: str, *arguments: object, lost: str = "") -> subprocess.Popen[str]:
    # The later filter has precedence.
    filters = ["-W", "error", *(["-W", f"default:{lost}:"] if lost else [])]
    return subprocess.Popen(
        [sys.executable, *filters, str(PROGRAMS / name), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(name: str, *arguments: object, lost: str = "") -> list[str]:
    """Run a program; ``lost`` is the code of the one warning that it must cause."""
    with start(name, *arguments, lost=lost) as program:
        output, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, errors
    assert "Traceback" not in errors
    codes = re.findall(rf"{name}:\d+: GapWarning: (SC\d+):", errors)
    assert codes == ([lost] if lost else [])
    return output.splitlines()


@pytest.mark.usefixtures("service")
def test_meeting_era(recording: Path) -> None:
    lines = run("meeting_era.py", recording)
    assert sorted(line for line in lines if line.startswith("TRANSCRIBED")) == [
        "TRANSCRIBED Guest_0 It is me.",
        "TRANSCRIBED Guest_0 Who is there?",
        "TRANSCRIBED Guest_1 And me.",
        "TRANSCRIBED Unidentified Who is there?",
    ]
    assert lines[0] == "SessionEventArgs"
    assert lines[-2:] == ["CANCELED CancellationReason.EndOfStream", "SessionEventArgs"]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("program", "lost"), [("conversation_era.py", ""), ("diarization_era.py", "SC203")]
)
def test_the_other_eras(recording: Path, program: str, lost: str) -> None:
    lines = run(program, recording, lost=lost)
    assert [line for line in lines if line.endswith("And me.")]


@pytest.mark.parametrize("program", ["async_meeting.py", "both_meeting.py"])
def test_another_program_fetches_the_transcript(
    service: RemoteMeetings, recording: Path, program: str
) -> None:
    run(program, recording, MEETING)
    assert run("fetch_meeting.py", MEETING) == STORED
    (meeting,) = service.loopback.meetings
    assert meeting.id == MEETING
    assert meeting.only_stored is (program == "async_meeting.py")


def test_a_program_that_is_killed_leaves_its_meeting_to_another(
    service: RemoteMeetings, recording: Path
) -> None:
    with start("both_meeting.py", recording, MEETING, "hang") as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("TRANSCRIBED")
        program.kill()
        program.communicate(timeout=PATIENCE)
    assert run("fetch_meeting.py", MEETING) == STORED
    assert [meeting.only_stored for meeting in service.loopback.meetings] == [False, True]
