from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from double.voices import MODEL, signature_text
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import job as module
from speech_adapters.backends.local.job import Processing, TranscriptionJob, command, spawn_detached
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.recording import workers
from speech_adapters.request import Attendee, MeetingRequest


def test_a_job_survives_its_text() -> None:
    job = TranscriptionJob(
        audio=Path("/x/ü.pcm"),
        pcm=PcmFormat(44_100, 2),
        options=LocalOptions(model_path=Path("/m"), device="cuda", speakers=3),
        downmix="channel:1",
        language="en-GB",
        diarize=False,
        meeting_id="'quoted' \"id\" \ud800 🎉\n",
        store=Path("/s"),
        recording="f" * 32,
        max_speakers=5,
    )
    assert job.dump().isascii()
    assert "\n" not in job.dump()
    assert TranscriptionJob.load(job.dump()) == job


def test_attendees_are_in_the_job_alone() -> None:
    katie = Attendee("katie \ud800\n@example.com", "en", signature_text())
    request = MeetingRequest("m", attendees=(katie, Attendee("b")))
    processing = Processing(LocalOptions(), "auto")
    signed = TranscriptionJob.create(request, Path("a.pcm"), processing)
    assert signed.attendees == (katie,)
    assert TranscriptionJob.load(signed.dump()) == signed
    assert signed.dump().isascii()
    assert "\n" not in signed.dump()
    for text in (repr(signed), processing.dump()):
        assert "katie" not in text
        assert MODEL not in text


def test_the_order_in_the_store_is_ascii_whatever_the_paths() -> None:
    processing = Processing(LocalOptions(model_path=Path("/m/\udcff ü")), "channel:1")
    assert processing.dump().isascii()
    assert Processing.load(processing.dump()) == processing


def test_the_working_directory_replaces_no_module_of_the_worker(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')\n")
    # Without arguments the worker ends with an error, after its imports.
    done = subprocess.run(
        command(),
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
        module, "command", lambda *_: [sys.executable, "-c", "import sys; sys.exit('no engine')"]
    )
    log = tmp_path / "a.log"
    spawn_detached(tmp_path, "r" * 32, log)
    workers._children.pop("r" * 32).wait(60)
    assert log.read_text() == "no engine\n"
