"""How long light commands take, beside Python itself and another version.

::

    python tests/benchmarks/bench_start.py [--rounds 15] [--meetings 1000] [--baseline TREE]

Each command is a process of its own, with a store of 1,000 meetings in SQLite.  All run in turn,
and the figures are medians: the processor time of the process, and the time until it ends.
``--baseline`` names another checkout of the project.  The exit code is 1 if ``list`` takes more
than half the processor time of the baseline.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

__all__ = ["main"]

TARGET: Final = 0.5
_COMMANDS: Final = {
    "list": ["list"],
    "show": ["show", "meeting 1"],
    "--version": ["--version"],
    "--help": ["--help"],
}
_EMPTY: Final = "python -c pass"
# Run with the code of each checkout, whose stores may differ.
_FILL: Final = """
import sys
from pathlib import Path
from speech_adapters import MeetingRequest, Mode, Provenance, Transcript, Utterance
from speech_adapters.store import Store
text = Utterance("0" * 32, "Good morning.", 0, 10)
with Store.open(Path(sys.argv[1])) as store:
    for number in range(int(sys.argv[2])):
        meeting = f"meeting {number}"
        found = store.create(MeetingRequest(meeting, mode=Mode.STORED), "local")
        store.close_audio(found.id, 32_000)
        store.complete(found.id, Transcript(meeting, (text,), 20, Provenance("local", "1")))
"""


def _environment(tree: Path, store: Path) -> dict[str, str]:
    path = os.pathsep.join(str(tree / name) for name in ("adapters", "compat"))
    return {**os.environ, "PYTHONPATH": path, "SPEECH_COMPAT_STATE_DIR": str(store)}


def _timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its processor time and how long it ran, in seconds."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, seconds


def _measure(trees: dict[str, Path], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Print a table; return the processor time of each command in each tree."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        environments = {}
        for name, tree in trees.items():
            environments[name] = _environment(tree, Path(folder, name))
            fill = ["-c", _FILL, str(Path(folder, name)), str(options.meetings)]
            subprocess.run([sys.executable, *fill], env=environments[name], check=True)
        commands = {name: ["-m", "speech_compat", *rest] for name, rest in _COMMANDS.items()}
        for command, arguments in {_EMPTY: ["-c", "pass"], **commands}.items():
            # The first run writes the compiled modules.
            runs = [
                {name: _timed(arguments, environment) for name, environment in environments.items()}
                for _ in range(options.rounds + 1)
            ][1:]
            found[command] = {name: median(run[name][0] for run in runs) for name in trees}
            line = f"{command:<18}"
            for name in trees:
                elapsed = median(run[name][1] for run in runs)
                line += f"{found[command][name] * 1000:>9.0f} ms{elapsed * 1000:>9.0f} ms"
            ratio = found[command]["this"] / found[command][next(iter(trees))]
            print(f"{line}{ratio:>8.2f}" if len(trees) > 1 else line, flush=True)
    return found


def main() -> int:
    """Run the benchmark; return 0 if the target is met."""
    parser = argparse.ArgumentParser(description="Measure how long light commands take.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--meetings", type=int, default=1000)
    parser.add_argument("--baseline", type=Path)
    options = parser.parse_args()
    trees = {"this": Path(__file__).parents[2]}
    if options.baseline:
        trees = {"baseline": options.baseline.resolve(), **trees}
    print(f"{'':<18}" + "".join(f"{name + ': processor':>12}{'elapsed':>12}" for name in trees))
    listing = _measure(trees, options)["list"]
    ratio = listing["this"] / listing.get("baseline", listing["this"])
    if options.baseline:
        print(f"list against the baseline: {ratio:.2f} (target: at most {TARGET})")
    return 1 if options.baseline and ratio > TARGET else 0


if __name__ == "__main__":
    sys.exit(main())
