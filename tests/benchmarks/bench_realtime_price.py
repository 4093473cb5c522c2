"""The price of the backend ``realtime`` beside the bare Speech SDK.

::

    python tests/benchmarks/bench_realtime_price.py [--meetings 1 20] [--seconds 20] [--rounds 3]
        [--chunk 100] [--flat-out] [--baseline TREE]

The same program, once with ``azure.cognitiveservices.speech`` and once with ``speech_compat`` and
the backend ``realtime``: each meeting has a ConversationTranscriber, a push stream that is written
chunk by chunk at the pace of speech, and callbacks for both kinds of results.  Each is a process of
its own, in turns, against the loopback speech service in another process, with a phrase every five
seconds.  ``--flat-out`` writes without pause, and both send at twenty times the speed of speech:
at a hundred times, the bare SDK returned no results.

What is measured begins three seconds after all meetings have started, flat out at once, and ends
with their last result.  The program's own writes and callbacks count on both sides.  A wake-up is
a voluntary change of context.  The threads are those in the middle, and the memory is the most of
the whole process.  ``--baseline`` names another checkout of the project, which is measured in turns
too.  There is no target.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

__all__ = ["main"]

_EVERY: Final = 5
_TICKS: Final = 10_000_000
_BYTES_PER_SECOND: Final = 32_000
_FLAT_OUT: Final = 20
_THROTTLE: Final = "SPEECH-AudioThrottleAsPercentageOfRealTime"
_LIMIT_SECONDS: Final = 120.0
# Until everything is imported and connected.
_BEFORE_SECONDS: Final = 3.0
_FIGURES: Final = ("processor", "wakes", "threads", "memory")


def _serve(seconds: float) -> None:
    from speech_compat.testing.loopback import Line, LoopbackService, Script

    lines = tuple(
        Line(f"line {n}", n * _EVERY * _TICKS, 4 * _TICKS, f"Guest-{n % 4 + 1}", (f"li {n}",))
        for n in range(int(seconds) // _EVERY)
    )
    with LoopbackService(Script(lines)).running() as url:
        print(url, flush=True)
        sys.stdin.readline()


class _Meeting:
    """A meeting of the program; both packages have the names that it uses."""

    def __init__(self, sdk: Any, config: Any) -> None:
        self.results = 0
        self.ended = threading.Event()
        self.stream = sdk.audio.PushAudioInputStream()
        audio = sdk.audio.AudioConfig(stream=self.stream)
        self._transcriber = sdk.transcription.ConversationTranscriber(config, audio)
        self._transcriber.transcribing.connect(lambda event: str(event.result.text))
        self._transcriber.transcribed.connect(self._count)
        self._transcriber.session_stopped.connect(lambda _: self.ended.set())
        self._transcriber.start_transcribing_async().get()

    def _count(self, event: Any) -> None:
        self.results += bool(event.result.text)

    def stop(self) -> None:
        self._transcriber.stop_transcribing_async().get()


def _run(options: argparse.Namespace) -> dict[str, float]:
    """Hold the meetings in this process; return what was measured."""
    if options.run == "bare":
        import azure.cognitiveservices.speech as sdk
    else:
        import speech_compat as sdk
    config = sdk.SpeechConfig(endpoint=options.url, subscription="none")
    if options.run == "bare":
        if options.flat_out:
            config.set_property_by_name(_THROTTLE, str(_FLAT_OUT * 100))
    else:
        config.set_property_by_name("speech-compat.backend", "realtime")
        if options.flat_out:
            config.set_property_by_name("speech-compat.backends.realtime.pace", str(_FLAT_OUT))
    meetings = [_Meeting(sdk, config) for _ in range(options.meetings[0])]
    before, threads = _write(meetings, options)
    after = resource.getrusage(resource.RUSAGE_SELF)
    for meeting in meetings:
        meeting.stop()
    return {
        "processor": sum(_processor(after)) - sum(_processor(before)),
        "wakes": after.ru_nvcsw - before.ru_nvcsw,
        "threads": threads,
        "memory": after.ru_maxrss / 1024,
        "results": sum(meeting.results for meeting in meetings),
    }


def _processor(usage: resource.struct_rusage) -> tuple[float, float]:
    return usage.ru_utime, usage.ru_stime


def _write(
    meetings: list[_Meeting], options: argparse.Namespace
) -> tuple[resource.struct_rusage, int]:
    """Write all audio; return what was used at the start, and the threads in the middle."""
    chunk = bytes(_BYTES_PER_SECOND * options.chunk // 1000)
    first, steps = (
        round(seconds * 1000 / options.chunk)
        for seconds in (_BEFORE_SECONDS, _BEFORE_SECONDS + options.seconds)
    )
    start, threads = time.monotonic(), 0
    before = resource.getrusage(resource.RUSAGE_SELF)
    for step in range(steps):
        if step == first and not options.flat_out:
            before = resource.getrusage(resource.RUSAGE_SELF)
        pause = start + step * options.chunk / 1000 - time.monotonic()
        if pause > 0 and not options.flat_out:
            time.sleep(pause)
        for meeting in meetings:
            meeting.stream.write(chunk)
        if step == steps // 2:
            threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    for meeting in meetings:
        meeting.stream.close()
    for meeting in meetings:
        if not meeting.ended.wait(_LIMIT_SECONDS):
            raise RuntimeError("a meeting did not end")
    return before, threads


def _measure(kind: str, tree: Path, url: str, options: argparse.Namespace) -> dict[str, float]:
    arguments = [f"--seconds={options.seconds}", f"--chunk={options.chunk}"]
    arguments += ["--flat-out"] if options.flat_out else []
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, __file__, "--run", kind, "--url", url, *arguments),
                *("--meetings", str(options.meetings[0])),
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(str(tree / name) for name in ("adapters", "compat")),
                "SPEECH_COMPAT_STATE_DIR": folder,
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _compare(meetings: int, trees: dict[str, Path], options: argparse.Namespace) -> None:
    """Print a line for each kind of program, the last one's against the bare SDK."""
    one = argparse.Namespace(**{**vars(options), "meetings": [meetings]})
    command = [
        sys.executable,
        __file__,
        "--run",
        "serve",
        "--seconds",
        str(options.seconds + _BEFORE_SECONDS),
    ]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for _ in range(options.rounds):
            for name, tree in trees.items():
                found[name].append(_measure(name, tree, url, one))
        server.communicate("\n")
    audio = options.seconds * meetings
    bare = {figure: median(run[figure] for run in found["bare"]) for figure in _FIGURES}
    for name, runs in found.items():
        own = {figure: median(run[figure] for run in runs) for figure in _FIGURES}
        ratios = " ".join(f"{own[figure] / bare[figure]:>8.2f}x" for figure in _FIGURES)
        print(
            f"{name:<10}{meetings:>5}{own['processor'] / audio * 3600:>9.1f} s"
            f"{own['wakes'] / audio:>10.0f}{own['threads']:>9.0f}{own['memory']:>8.0f} MiB"
            f"   {ratios}   {min(run['results'] for run in runs):.0f} results",
            flush=True,
        )


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Compare the backend realtime with the bare SDK.")
    parser.add_argument("--meetings", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunk", type=int, default=100, metavar="MS")
    parser.add_argument("--flat-out", action="store_true")
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run == "serve":
        _serve(options.seconds)
        return 0
    if options.run:
        print(json.dumps(_run(options)), flush=True)
        # The bare SDK sometimes aborts when the interpreter ends, from a thread of its own.
        os._exit(0)
    here = Path(__file__).parents[2]
    trees = {"bare": here, "realtime": here}
    if options.baseline:
        trees = {"bare": here, "baseline": options.baseline.resolve(), "realtime": here}
    print("program   meetings CPU/hour  wakes/s  threads      memory   CPU, wakes, threads, memory")
    for meetings in options.meetings:
        _compare(meetings, trees, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
