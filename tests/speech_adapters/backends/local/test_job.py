from __future__ import annotations

from pathlib import Path

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local.job import Job
from speech_adapters.backends.local.options import LocalOptions


def test_a_job_survives_the_command_line() -> None:
    job = Job(
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
    assert Job.load(job.dump()) == job
