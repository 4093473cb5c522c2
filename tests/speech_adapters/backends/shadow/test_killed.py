"""A program that is killed: both transcripts have what was recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from double import faulty_backend
from double.clock_backend import numbers
from double.meetings import run
from double.packages import install_entry_points
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.meetings import MeetingService
from speech_adapters.store.recovery import CUT_SHORT

TESTS = Path(__file__).parents[3]
ENTRY_POINTS = """\
[speech_adapters.backends]
clock = double.clock_backend:create
faulty = double.faulty_backend:create
shadow = speech_adapters.backends.shadow:create
"""
# Enough for the program to have recorded two seconds.
WRITTEN = 64_000


@pytest.mark.parametrize("mode", ["async", "RealTimeAndAsync"])
def test_both_transcripts_survive_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    plugins = install_entry_points(tmp_path / "plugins", "shadow_backend", ENTRY_POINTS)
    settings = {
        "backend": "shadow",
        "state_dir": str(tmp_path / "state"),
        "backends.shadow.primary": "clock",
        "backends.shadow.second": "faulty",
    }
    names = {f"SPEECH_COMPAT_{k.upper().replace('.', '__')}": v for k, v in settings.items()}
    path = os.pathsep.join([str(plugins), str(TESTS), *sys.path[1:]])
    with subprocess.Popen(
        [sys.executable, str(TESTS / "crash" / "recorder.py"), "m", mode, "60"],
        env={**os.environ, **names, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        for line in program.stdout:
            if line.startswith("WRITTEN") and int(line.split()[1]) >= WRITTEN:
                break
        program.kill()
    faulty_backend.install(monkeypatch)

    async def fetch(meetings: MeetingService) -> list[list[int]]:
        found = []
        for meeting_id in ("m", "m-shadow"):
            assert (await meetings.status(meeting_id)).state is JobState.COMPLETED
            transcript = await meetings.transcript(meeting_id)
            assert CUT_SHORT in transcript.provenance.notes
            found.append([tenth for u in transcript.utterances for tenth in numbers(u.text)])
        return found

    for tenths in run(load_settings(settings), fetch):
        assert tenths == list(range(len(tenths)))
        assert len(tenths) >= WRITTEN // 3_200
