"""The memory that a large result needs, from the file to the store and to every format.

::

    python tests/benchmarks/bench_export.py [--megabytes 1000] [--shape "fast, words"]

Each step is a process of its own: ``speech-compat convert`` to each format, the child process that
stores a result, and ``speech-compat show`` of the stored transcript.  The exit code is 1 if one of
them has more than 200 MB resident at any time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.bench_results import SHAPES, write_result
from speech_adapters.export import FORMATS

__all__ = ["main"]

MAX_BYTES: Final = 200_000_000
_MEGABYTE: Final = 1_000_000
_CLI: Final = "import sys; from speech_compat.cli import main; sys.exit(main(sys.argv[1:]))"
_STORE: Final = """
import sys
from pathlib import Path
import msgspec
from speech_adapters import MeetingRequest, Mode
from speech_adapters.azure.result_files import ResultFiles, complete_in_child
from speech_adapters.backends.fast.backend import read_transcript
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance

folder, result = sys.argv[1:]
with Store.open(Path(folder)) as store:
    recording = store.create(MeetingRequest("long", mode=Mode.STORED), "local").id
    store.close_audio(recording, 2)
files = ResultFiles("long", Provenance("fast", "test"), {result: "result.json"})
order = {"directory": folder, "recording_id": recording, "files": files}
assert complete_in_child(msgspec.json.encode(order).decode(), read_transcript)
"""


def _run(step: str, program: str, arguments: Sequence[str], environment: dict[str, str]) -> int:
    """Run a Python program, print a line of the table, and return its peak in bytes."""
    started = time.perf_counter()
    command = [sys.executable, "-c", program, *arguments]
    child = os.posix_spawn(sys.executable, command, {**os.environ, **environment})
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{step} failed.")
    seconds, peak = time.perf_counter() - started, usage.ru_maxrss * 1024
    processor = usage.ru_utime + usage.ru_stime
    print(f"{step:<16}{seconds:>8.1f} s{processor:>8.1f} s{peak / _MEGABYTE:>8.0f} MB", flush=True)
    return peak


def main() -> int:
    """Run the benchmark; return 0 if the target is met."""
    parser = argparse.ArgumentParser(description="Measure the memory of large results.")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--shape", choices=SHAPES, default="fast, words")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result, output = Path(folder) / "result.json", str(Path(folder) / "output")
        count = write_result(result, options.shape, options.megabytes * _MEGABYTE)
        print(f"{options.shape}: {options.megabytes} MB, {count} phrases")
        print(f"{'':<16}{'time':>10}{'processor':>10}{'memory':>11}")
        environment = {"SPEECH_COMPAT_STATE_DIR": str(Path(folder) / "state")}
        peaks = [_run("store", _STORE, [environment["SPEECH_COMPAT_STATE_DIR"], str(result)], {})]
        for name in FORMATS:
            convert = ["convert", str(result), "--format", name, "-o", output]
            show = ["show", "long", "--format", name, "-o", output]
            peaks.append(_run(f"convert {name}", _CLI, convert, environment))
            peaks.append(_run(f"show {name}", _CLI, show, environment))
    return 1 if max(peaks) > MAX_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
