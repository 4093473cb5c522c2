"""A backlog of short recordings that is killed again and again: once each, memory, throughput.

::

    python tests/benchmarks/bench_backlog.py [--recordings 10000] [--kills 10] [--backend batch]
        [--jobs 8] [--in-flight 500] [--seconds 2] [--seed 1]

The recordings are tones of half a second, each with a content of its own.  The service is the
project's double, in the process of this program; its storage account is Azurite.  The command is a
process of its own, which is killed with SIGKILL at random moments, spread over the work.

The exit code is 1 unless each recording has one transcript, and for ``batch`` one job.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from double.azurite import azurite
from double.service import KEY, ServiceDouble, running
from speech_adapters.backlog.items import Counts
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.config import StoreOptions
from speech_adapters.contract import JobState
from speech_adapters.store import Store

__all__ = ["main"]

_RATE: Final = 8_000
_FRAMES: Final = _RATE // 2
# After the point of the work at which a process is to be killed.
_LATER_SECONDS: Final = 2.0
_SAMPLE_SECONDS: Final = 0.2


@attrs.define
class _Figures:
    """What was measured of all processes."""

    peak: int = 0
    cpu: float = 0.0
    kills: int = 0
    runs: int = 0


def _write_recordings(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        step = 2 * math.pi * (200 + number % 2000) / _RATE
        samples = [int(8000 * math.sin(step * frame)) for frame in range(50)]
        # The number itself makes each content another one.
        data = struct.pack("<50hI", *samples, number) * (_FRAMES // 52)
        with wave.open(str(folder / f"{number:05}.wav"), "wb") as file:
            file.setparams((1, 2, _RATE, 0, "NONE", ""))
            file.writeframes(data)


@contextmanager
def _environment(folder: Path, double: ServiceDouble, backend: str) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        url = stack.enter_context(running(double))
        values = {
            "BACKEND": backend,
            "STATE_DIR": str(folder / "state"),
            "SERVICE__ENDPOINT": url,
            "SERVICE__KEY": KEY,
            "BACKENDS__BATCH__POLL_SECONDS": "1",
            "BACKENDS__BATCH__GROUP_SECONDS": "5",
        }
        if backend == "batch":
            connection = stack.enter_context(azurite())
            values["BACKENDS__BATCH__STORAGE_CONNECTION_STRING"] = connection
        settings = {f"SPEECH_COMPAT_{name}": value for name, value in values.items()}
        yield {**os.environ, **settings}


def _sample(process: subprocess.Popen[bytes], figures: _Figures, before: float) -> float:
    """Note the peak of the memory; return the processor time of a process in seconds."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{process.pid}/status").read_text()
        # A process that has just ended has none.
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), "0 0")
        figures.peak = max(figures.peak, int(peak.split()[1]))
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return before


def _watch(
    process: subprocess.Popen[bytes],
    figures: _Figures,
    double: ServiceDouble,
    kill_at: float,
    later: float,
) -> bool:
    """Wait for the end of a process, or kill it; return whether it was killed."""
    cpu, due = 0.0, math.inf
    try:
        while process.poll() is None:
            cpu = _sample(process, figures, cpu)
            begun = len(double.uploads) + sum(
                len(job.body["contentUrls"]) for job in list(double.jobs.values())
            )
            if due == math.inf and begun >= kill_at:
                due = time.monotonic() + later
            if time.monotonic() >= due:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
            time.sleep(min(_SAMPLE_SECONDS, max(due - time.monotonic(), 0.001)))
        return False
    finally:
        figures.cpu += cpu


def _run(options: argparse.Namespace, folder: Path, double: ServiceDouble) -> _Figures:
    figures, dice = _Figures(), random.Random(options.seed)
    command = [
        *(sys.executable, "-m", "speech_compat", "backlog", "run", str(folder / "recordings")),
        *("--yes", "--progress", "30", "--jobs", str(options.jobs)),
        *("--in-flight", str(options.in_flight), "--report", str(folder / "report.html")),
    ]
    with _environment(folder, double, options.backend) as environment:
        while True:
            figures.runs += 1
            left = figures.kills < options.kills
            share = (figures.kills + 1) / (options.kills + 1)
            kill_at = options.recordings * share if left else math.inf
            with subprocess.Popen(command, env=environment, cwd=folder) as process:
                killed = _watch(process, figures, double, kill_at, dice.random() * _LATER_SECONDS)
            if not killed:
                print(f"the last run ended with {process.returncode}")
                return figures
            figures.kills += 1
            print(f"killed {figures.kills} times, {len(double.submitted)} jobs", flush=True)


def _check(folder: Path, double: ServiceDouble, options: argparse.Namespace) -> bool:
    """Return whether each recording was transcribed exactly once."""
    with Journal(journal_path(folder / "state", "recordings")) as journal:
        counts = journal.counts()
    states, meetings = Counter[JobState](), Counter[str]()
    with Store.open(folder / "state", StoreOptions()) as store:
        for recording in store.recordings():
            states[recording.state] += 1
            if recording.state is JobState.COMPLETED:
                meetings[recording.meeting_id] += 1
                store.transcript(recording.id)
    urls = [str(url) for job in double.jobs.values() for url in job.body["contentUrls"]]
    sent = Counter(urlsplit(url).path for url in urls)
    print("journal:", {k: n for k, n in attrs.asdict(counts).items() if n})
    print("recordings in the store:", {state.value: number for state, number in states.items()})
    print(f"transcripts per meeting: {_times(meetings)}")
    print(f"jobs: {len(double.submitted)}, times that an audio was submitted: {_times(sent)}")
    print(f"requests for fast transcription: {len(double.uploads)}")
    once = counts == Counts(completed=options.recordings)
    once = once and len(meetings) == options.recordings and set(meetings.values()) == {1}
    if options.backend == "batch":
        once = once and len(sent) == options.recordings == len(urls)
    return once


def _times(found: Counter[str]) -> dict[int, int]:
    """Return how many were counted once, how many twice and so on."""
    return dict(Counter(found.values()))


def main() -> int:
    """Run the benchmark; return 0 if each recording was transcribed once."""
    parser = argparse.ArgumentParser(description="Kill a backlog again and again.")
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--backend", choices=("batch", "fast"), default="batch")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--in-flight", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=2.0, help="that a job takes")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="backlog-"))
    double = ServiceDouble(seconds=options.seconds)
    double.page = 100
    try:
        _write_recordings(folder / "recordings", options.recordings)
        start = time.monotonic()
        figures = _run(options, folder, double)
        wall = time.monotonic() - start
        once = _check(folder, double, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    count = options.recordings
    print(
        f"{count} recordings on {options.backend}, {figures.kills} kills: {wall:.0f} s,"
        f" {count / wall:.1f} recordings/s, {figures.cpu / count * 1000:.0f} ms of processor time"
        f" each, peak {figures.peak / 1024:.0f} MB"
    )
    print("each exactly once" if once else "NOT each exactly once")
    return 0 if once else 1


if __name__ == "__main__":
    sys.exit(main())
