from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local.job import Job
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.protocol import Done, Failed, decode
from speech_adapters.contract import Recognized

pytestmark = pytest.mark.engine

# Ends the process when it looks up a host or sends anything.  (A package of the
# engine's binds a socket to this machine's own address, to see whether it has IPv6.)
GUARDED = """
import sys
def guard(event, _):
    if event.startswith(("socket.connect", "socket.send", "socket.getaddr", "socket.gethostby")):
        sys.stdout.write('{"kind": "Failed", "reason": "touched the network: ' + event + '"}\\n')
        sys.stdout.flush()
        import os
        os._exit(9)
sys.addaudithook(guard)
from speech_adapters.backends.local.worker import main
sys.exit(main(sys.argv[1:]))
"""


def job(audio: Path, **options: Any) -> Job:
    return Job(audio, PcmFormat(), LocalOptions(**options), "auto", "en-US", True, "m", live=True)


def work(job: Job, program: list[str]) -> list[object]:
    size = job.audio.stat().st_size
    done = subprocess.run(
        [sys.executable, *program, job.dump()],
        input=f"end {size}\n",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return [decode(line) for line in done.stdout.splitlines()]


def test_the_network_is_never_touched(shipped_recordings: Path, tmp_path: Path) -> None:
    audio = tmp_path / "a.pcm"
    audio.write_bytes((shipped_recordings / "beckett.wav").read_bytes()[44 : 44 + 128_000])
    said = work(job(audio), ["-c", GUARDED])
    assert isinstance(said[-1], Done), said[-1]
    assert any(isinstance(item, Recognized) for item in said)


def test_what_goes_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    audio = tmp_path / "a.pcm"
    audio.write_bytes(bytes(3200))
    (said,) = work(
        job(audio, model_path=tmp_path), ["-P", "-m", "speech_adapters.backends.local.worker"]
    )
    assert isinstance(said, Failed)
    assert "cannot be loaded" in said.reason
