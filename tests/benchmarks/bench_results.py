"""The cost of reading a large result, for each shape that the services write.

::

    pip install --group measure
    python tests/benchmarks/bench_results.py [--megabytes 106] [--shape NAME]

Compares with ``orjson.loads`` of the same bytes, each in a process of its own, best of
three, and the two in turn.  The files have the shape of a service's result; their text is made
up.  The exit code is 1 if reading takes more than twice the processor time of ``orjson.loads``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

__all__ = ["SHAPES", "main", "write_result"]

MAX_TIME: Final = 2.0
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
started = time.process_time()
found = {work}
print(time.process_time() - started, peak() - before, len(found))
"""
_ORJSON: Final = _MEASURE.format(
    prepare="import orjson",
    work="orjson.loads(Path(sys.argv[1]).read_bytes())",
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


def _batch(number: int, *, words: bool = True) -> dict[str, Any]:
    start = number * 3_000
    timed = [
        {"word": word, **_timed(start + 180 * at, 170), "confidence": 0.9}
        for at, word in enumerate(_WORDS)
    ]
    forms = {"lexical": _TEXT, "itn": _TEXT, "maskedITN": _TEXT, "display": f"{_TEXT}."}
    best: list[dict[str, Any]] = [{"confidence": 0.9, **forms}]
    best += [{"confidence": 0.5 - at / 10, **forms} for at in range(4)]
    if words:
        best[0]["words"] = timed
    return {
        "recognitionStatus": "Success",
        "channel": 0,
        "speaker": number % 4 + 1,
        **_timed(start, 2_700),
        "nBest": best,
    }


def _fast(number: int, *, words: bool = True) -> dict[str, Any]:
    start = number * 3_000
    timed = [
        {"text": word, "offsetMilliseconds": start + 180 * at, "durationMilliseconds": 170}
        for at, word in enumerate(_WORDS)
    ]
    return {
        "channel": 0,
        "speaker": number % 4 + 1,
        "offsetMilliseconds": start,
        "durationMilliseconds": 2_700,
        "text": _TEXT,
        **({"words": timed} if words else {}),
        "locale": "en-US",
        "confidence": 0.9,
    }


# Makes a phrase, name of the array, and indentation; batch results are often indented.
_Shape = tuple[Callable[[int], dict[str, Any]], str, int | None]
SHAPES: Final[dict[str, _Shape]] = {
    "batch, words, indented": (_batch, "recognizedPhrases", 2),
    "batch, words": (_batch, "recognizedPhrases", None),
    "batch": (partial(_batch, words=False), "recognizedPhrases", None),
    "fast, words, indented": (_fast, "phrases", 2),
    "fast, words": (_fast, "phrases", None),
    "fast": (partial(_fast, words=False), "phrases", None),
}


def write_result(path: Path, shape: str, size: int) -> int:
    """Write a result of about ``size`` bytes phrase by phrase; return the number of phrases."""
    phrase, name, indent = SHAPES[shape]
    separators = (",", ":") if indent is None else (",", ": ")
    with path.open("w") as file:
        head = f'"source": "made up", "durationMilliseconds": {size}'
        file.write(f'{{{head}, "{name}": [')
        number = 0
        while file.tell() < size:
            text = json.dumps([phrase(number)], indent=indent, separators=separators)
            file.write(("," if number else "") + text[1:-1])
            number += 1
        file.write("]}")
    return number


def _run(program: str, path: Path) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    seconds, memory, _count = done.stdout.split()
    return float(seconds), float(memory)


def _measure(shape: str, size: int) -> float:
    """Print a line of the table; return the ratio of the times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        write_result(path, shape, size)
        # In turn, so that a machine that is busy for a while slows down both.
        pairs = [(_run(_ORJSON, path), _run(_OURS, path)) for _ in range(3)]
    their_time, their_memory = (min(theirs[at] for theirs, _ in pairs) for at in (0, 1))
    our_time, our_memory = (min(ours[at] for _, ours in pairs) for at in (0, 1))
    ratio = our_time / their_time
    print(
        f"{shape:<24}{their_time:>8.2f} s{our_time:>8.2f} s{ratio:>7.2f}x"
        f"{their_memory:>8.0f} MiB{our_memory:>8.0f} MiB"
    )
    return ratio


def main() -> int:
    """Run the benchmark; return 0 if the target is met for every shape."""
    parser = argparse.ArgumentParser(description="Measure reading large results.")
    parser.add_argument("--megabytes", type=int, default=106)
    parser.add_argument("--shape", choices=SHAPES, action="append", help="default: all")
    options = parser.parse_args()
    print(f"{'':<24}{'orjson':>10}{'ours':>10}{'ratio':>8}{'orjson':>12}{'ours':>12}")
    ratios = [_measure(shape, options.megabytes * _MEGABYTE) for shape in options.shape or SHAPES]
    return 1 if max(ratios) > MAX_TIME else 0


if __name__ == "__main__":
    sys.exit(main())
