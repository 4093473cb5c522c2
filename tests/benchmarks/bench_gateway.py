"""Latency and memory of a gateway with many meetings at the speed of speech.

::

    PYTHONPATH=tests python -m benchmarks.bench_gateway [--meetings 50 200 400] [--seconds 60]

Clients and gateway run on the same machine, so the clients' share of the processor is part of
the result.  The backend behind the gateway is scripted (``tests/double/clock_backend.py``): it
returns a phrase for every two seconds of audio and costs nearly nothing, so the gateway itself
is measured.  The exit code is 1 if a phrase was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.gateway_load import Heard, Plan, talk
from double.clock_backend import NAME, install, numbers
from double.gateway_program import gateway_process
from double.gateway_server import KEY

__all__ = ["main"]

_SPREAD_SECONDS: Final = 5.0


def memory_mib(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _meetings(address: str, count: int, seconds: int, mode: str) -> list[Heard]:
    async def one(number: int) -> Heard:
        # Spread, as programs are: they do not send their frames in the same instant.
        await asyncio.sleep(_SPREAD_SECONDS * number / count)
        plan = Plan((f"ws://{address}",), KEY, f"meeting-{count}-{number}", seconds * 10, mode)
        return await talk(plan)

    return await asyncio.gather(*(one(number) for number in range(count)))


def _complete(heard: Heard, tenths: int, mode: str) -> bool:
    if mode == "async":
        return heard.ended  # without results; the transcript comes by the meeting's id
    found = [tenth for text in heard.phrases for tenth in numbers(text)]
    return heard.ended and found == list(range(tenths))


def _measure(folder: Path, count: int, seconds: int, mode: str) -> bool:
    """Print a line for one number of meetings; return whether every phrase arrived."""
    limits = {
        "connections": 2_000,
        "connections_per_owner": 2_000,
        "handshakes_per_minute": 100_000,
    }
    with gateway_process(folder, **limits) as gateway:
        process, address = gateway.process, f"127.0.0.1:{gateway.port}"
        idle, cpu, start = memory_mib(process), cpu_seconds(process), time.monotonic()
        results = asyncio.run(_meetings(address, count, seconds, mode))
        cores = (cpu_seconds(process) - cpu) / (time.monotonic() - start)
        each = (memory_mib(process) - idle) / count
    latencies = sorted(latency for heard in results for latency in heard.latencies)
    lost = sum(not _complete(heard, seconds * 10, mode) for heard in results)
    longest = max(latencies, default=float("nan"))
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [float("nan")] * 99
    print(
        f"{mode or 'live':<18} {count:>5} meetings  median {cuts[49] * 1000:7.1f} ms"
        f"  p99 {cuts[98] * 1000:7.1f} ms  longest {longest * 1000:7.1f} ms"
        f"  {each:6.2f} MiB each  {cores:.2f} cores  {lost} incomplete",
        flush=True,
    )
    for error in {heard.error for heard in results if heard.error}:
        print("   ", error)
    return not lost


def main() -> int:
    """Measure, print a line for each number of meetings, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--meetings", type=int, nargs="+", default=[50, 200, 400])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--mode", default="", help="transcriptionMode, by default live")
    options = parser.parse_args()
    complete = True
    os.environ["SPEECH_COMPAT_BACKEND"] = NAME
    for count in options.meetings:
        with tempfile.TemporaryDirectory() as folder:
            sys.path.append(str(install(Path(folder, "site"))))  # for the gateway's process
            complete &= _measure(Path(folder), count, options.seconds, options.mode)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
