from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import job as module
from speech_adapters.backends.local.job import TranscriptionJob, command, spawn_detached
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.recording import workers


def job(audio: Path) -> TranscriptionJob:
    return TranscriptionJob(audio, PcmFormat(), LocalOptions(), "auto", "en-US", True, "m")


def test_a_job_survives_the_command_line() -> None:
    job = TranscriptionJob(
        audio=Path("/x/ü.pcm"),
        pcm=PcmFormat(44_100, 2),
        options=LocalOptions(model_path=Path("/m"), diarization_cadence=1.5),
        downmix="channel:1",
        language="en-GB",
        diarize=False,
        meeting_id="'quoted' \"id\" \ud800 🎉\n",
        live=True,
        store=Path("/s"),
        recording="f" * 32,
    )
    assert job.dump().isascii()
    assert "\n" not in job.dump()
    assert TranscriptionJob.load(job.dump()) == job


def test_the_working_directory_replaces_no_module_of_the_worker(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')\n")
    # Without a job the worker ends with an error, after its imports.
    done = subprocess.run(
        command(job(tmp_path / "a.pcm"))[:-1],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "IndexError" in done.stderr
    assert "the wrong json" not in done.stderr


def test_a_detached_worker_writes_its_errors_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module, "command", lambda job: [sys.executable, "-c", "import sys; sys.exit('no engine')"]
    )
    log = tmp_path / "a.log"
    spawn_detached(attrs.evolve(job(tmp_path / "a.pcm"), recording="r" * 32), log)
    workers._children.pop("r" * 32).wait(60)
    assert log.read_text() == "no engine\n"
