"""The cost of reading a large result: a synthetic batch result of ten hours.

::

    pip install --group measure
    python tests/benchmarks/bench_results.py [--megabytes 106]

Compares with ``orjson.loads`` of the same bytes, each in a process of its own, best of
three.  The file has the shape of a service's result with words and five alternatives;
its text is made up.  The exit code is 1 if reading takes more than twice the time of
``orjson.loads`` or more than a third of its memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

__all__ = ["main"]

MAX_TIME: Final = 2.0
MAX_MEMORY: Final = 1 / 3
_MEGABYTE: Final = 1_000_000
_TEXT: Final = "the quick brown fox jumps over a lazy dog and then rests in the shade"
_WORDS: Final = _TEXT.split(" ")

# Each program prints the seconds, and by how many MiB its process grew at most.
_MEASURE: Final = """
import resource, sys, time
from pathlib import Path
{prepare}
def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
before = peak()
started = time.perf_counter()
found = {work}
print(time.perf_counter() - started, peak() - before, len(found))
"""
_ORJSON: Final = _MEASURE.format(
    prepare="import orjson",
    work='orjson.loads(Path(sys.argv[1]).read_bytes())["recognizedPhrases"]',
)
_OURS: Final = _MEASURE.format(
    prepare="from speech_adapters.azure.results import read_result\n"
    "from speech_adapters.transcript import Provenance\n"
    "origin = Provenance('batch', '')",
    work="read_result(Path(sys.argv[1]), 'm', origin).utterances",
)


def _timed(offset: int, duration: int) -> dict[str, Any]:
    return {
        "offset": f"PT{offset / 1000}S",
        "duration": f"PT{duration / 1000}S",
        "offsetInTicks": offset * 10_000.0,
        "durationInTicks": duration * 10_000.0,
        "offsetMilliseconds": offset,
        "durationMilliseconds": duration,
    }


def _phrase(number: int) -> dict[str, Any]:
    start = number * 3_000
    words = [
        {"word": word, **_timed(start + 180 * at, 170), "confidence": 0.9}
        for at, word in enumerate(_WORDS)
    ]
    text = " ".join(_WORDS)
    forms = {"lexical": text, "itn": text, "maskedITN": text, "display": text.capitalize() + "."}
    best = [{"confidence": 0.9, **forms, "words": words}]
    best += [{"confidence": 0.5 - at / 10, **forms} for at in range(4)]
    return {
        "recognitionStatus": "Success",
        "channel": 0,
        "speaker": number % 4 + 1,
        **_timed(start, 2_700),
        "nBest": best,
    }


def _write(path: Path, size: int) -> int:
    one = len(json.dumps([_phrase(1)], indent=2)) * 1.1
    count = int(size / one)
    document = {
        "source": "made up",
        "timestamp": "2026-01-01T00:00:00Z",
        "durationInTicks": count * 30_000_000,
        "recognizedPhrases": [_phrase(number) for number in range(count)],
    }
    path.write_text(json.dumps(document, indent=2))
    return count


def _best(program: str, path: Path) -> tuple[float, float]:
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds, memory, _count = done.stdout.split()
        runs.append((float(seconds), float(memory)))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def main() -> int:
    """Run the benchmark; return 0 if the targets are met."""
    parser = argparse.ArgumentParser(description="Measure reading a large result.")
    parser.add_argument("--megabytes", type=int, default=106)
    size = parser.parse_args().megabytes * _MEGABYTE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        count = _write(path, size)
        print(f"{path.stat().st_size / _MEGABYTE:.0f} MB, {count} phrases")
        theirs, ours = _best(_ORJSON, path), _best(_OURS, path)
    print(f"{'':<22}{'time':>9}{'memory':>12}")
    print(f"{'orjson.loads':<22}{theirs[0]:>7.2f} s{theirs[1]:>8.0f} MiB")
    print(f"{'to a transcript':<22}{ours[0]:>7.2f} s{ours[1]:>8.0f} MiB")
    print(f"{'ratio':<22}{ours[0] / theirs[0]:>8.2f}x{ours[1] / theirs[1]:>11.2f}x")
    return 1 if ours[0] > MAX_TIME * theirs[0] or ours[1] > MAX_MEMORY * theirs[1] else 0


if __name__ == "__main__":
    sys.exit(main())
