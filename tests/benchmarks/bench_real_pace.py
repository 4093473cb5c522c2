"""Many meetings at the speed of speech: processor time, and how long audio and results take.

::

    python tests/benchmarks/bench_real_pace.py [--meetings 300] [--chunks 10 20 100] [--live]
        [--seconds 15] [--rounds 1] [--baseline TREE]

A program writes chunks of some milliseconds to the push streams of all its meetings, as a
capture of sound does.  The backend is scripted (``pace_backend.py``), so recording itself is
measured.  Each measurement is a process of its own.  Its processor time includes the program's
writes.  It also records one meeting of the same chunks as fast as possible, for comparison.

A stored meeting's chunk is timed from the end of its write until the recording's file has it; a
live meeting's, from the last write of a phrase until its callback.  The heart of the event loop of
live meetings beats every 10 ms; a gap is the processor time of the process between two beats, which
other programs on the machine do not change.

``--baseline`` names another checkout of the project, which is measured in turns with this one.
The exit code is 1 if a chunk of a stored meeting took longer than 0.5 s, or a gap of live meetings
was longer than 0.2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any, Final

import anyio
import attrs

import speech_compat as speechsdk
from benchmarks.pace_backend import NAME, PHRASE_SECONDS, install
from speech_compat._session import event_loop

__all__ = ["main"]

LONGEST: Final = 0.5
LONGEST_GAP: Final = 0.2
_BYTES_PER_SECOND: Final = 32_000
_TICKS: Final = 10_000_000
# Chunks are written in so many groups per interval: programs do not write in the same instant.
_GROUPS: Final = 5
_POLL_SECONDS: Final = 0.02
_BEAT_SECONDS: Final = 0.01
_SETTLE_SECONDS: Final = 1.0
_FLAT_SECONDS: Final = 600
_STAGGERED: Final = 10 * PHRASE_SECONDS
_HEAD: Final = (
    "tree   meetings chunk  cores  CPU/hour  to flat  median  99/100  longest     gap  writes"
    "    late"
)


class _Meeting:
    """One meeting of the program, with the time of each second's last write."""

    def __init__(self, config: speechsdk.SpeechConfig, name: str, lags: list[float]) -> None:
        self.size = 0
        self.written: dict[int, float] = {}
        self.stream = speechsdk.audio.PushAudioInputStream()
        audio = speechsdk.audio.AudioConfig(stream=self.stream)
        self.transcriber = speechsdk.transcription.MeetingTranscriber(audio)
        self.transcriber.transcribed.connect(lambda event: self._note(event, lags))
        meeting = speechsdk.transcription.Meeting(config, name)
        self.transcriber.join_meeting_async(meeting).get()
        self.transcriber.start_transcribing_async().get()

    def write(self, chunk: bytes) -> None:
        self.stream.write(chunk)
        before, self.size = self.size, self.size + len(chunk)
        second = self.size // _BYTES_PER_SECOND
        if second > before // _BYTES_PER_SECOND:
            self.written[second] = time.monotonic()

    def _note(self, event: Any, lags: list[float]) -> None:
        end = (event.result.offset + event.result.duration) // _TICKS
        lags.append(time.monotonic() - self.written[end])


class _Disk:
    """Waits until the files of recordings have what was written; by sampling."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self._pending: deque[tuple[float, Path, int]] = deque()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Disk:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def expect(self, path: Path, size: int) -> None:
        self._pending.append((time.monotonic(), path, size))

    def _watch(self) -> None:
        while not self._end.wait(_POLL_SECONDS) or self._pending:
            for _ in range(len(self._pending)):
                since, path, size = self._pending.popleft()
                if path.stat().st_size >= size:
                    self.lags.append(time.monotonic() - since)
                else:
                    self._pending.append((since, path, size))


@attrs.frozen
class _Order:
    """One measurement: how many meetings, their mode, and their chunks in milliseconds."""

    meetings: int
    chunk: int
    seconds: float
    live: bool


def _run(order: _Order, folder: Path) -> dict[str, float]:
    """Hold the meetings in this process; return what was measured."""
    lags: list[float] = []
    config = _config(folder, live=order.live)
    meetings: list[_Meeting] = []
    paths: list[Path] = []
    for number in range(order.meetings):
        meetings.append(_Meeting(config, f"meeting {number}", lags))
        # Of different lengths, so that not all phrases end in the same instant.
        meetings[-1].write(bytes(_BYTES_PER_SECOND // 10 * (number % _STAGGERED + 1)))
        if not order.live:
            paths.append(_new_file(folder, set(paths)))
    time.sleep(_SETTLE_SECONDS)
    lags.clear()
    # The heart costs as much as a meeting, and stored ones do not use the loop.
    with _Disk() as disk, _beating() if order.live else nullcontext([0.0]) as gaps:
        start, cpu, own = time.monotonic(), time.process_time(), time.thread_time()
        sent, slow = _write(meetings, paths, disk, order)
        cpu, own = time.process_time() - cpu, time.thread_time() - own
        wall = time.monotonic() - start
    found = sorted(lags if order.live else disk.lags) or [float("nan")]
    for meeting in meetings:
        meeting.stream.close()
    for meeting in meetings:
        meeting.transcriber.stop_transcribing_async().get()
    flat = _flat_out(_config(folder, live=False), order.chunk)
    return {
        "cores": cpu / wall,
        "writes": own / cpu,
        "per_hour": cpu / sent * 3600,
        "flat_per_hour": flat,
        "median": median(found),
        "p99": found[int(len(found) * 0.99)],
        "longest": found[-1],
        "gap": max(gaps),
        "behind": slow,
        "samples": len(found),
    }


def _write(
    meetings: list[_Meeting], paths: list[Path], disk: _Disk, order: _Order
) -> tuple[float, float]:
    """Write at real pace; return the seconds of audio, and how late a group was at most."""
    chunk = bytes(_BYTES_PER_SECOND * order.chunk // 1000)
    groups = [range(number, len(meetings), _GROUPS) for number in range(_GROUPS)]
    steps = round(order.seconds * 1000 / order.chunk)
    per_second = max(round(1000 / order.chunk), 1)
    start, late = time.monotonic(), 0.0
    for step in range(steps):
        for number, group in enumerate(groups):
            due = start + (step + number / _GROUPS) * order.chunk / 1000
            pause = due - time.monotonic()
            late = max(late, -pause)
            if pause > 0:
                time.sleep(pause)
            for index in group:
                meetings[index].write(chunk)
                # Of each meeting one chunk a second, in turns.
                if paths and (step + index) % per_second == 0:
                    disk.expect(paths[index], meetings[index].size)
    return steps * order.chunk / 1000 * len(meetings), late


def _flat_out(config: speechsdk.SpeechConfig, chunk: int) -> float:
    """Return the processor time per hour of audio of a meeting that is written without pause."""
    meeting = _Meeting(config, "flat out", [])
    data = bytes(_BYTES_PER_SECOND * chunk // 1000)
    cpu = time.process_time()
    for _ in range(_FLAT_SECONDS * 1000 // chunk):
        meeting.write(data)
    meeting.stream.close()
    meeting.transcriber.stop_transcribing_async().get()
    return (time.process_time() - cpu) / _FLAT_SECONDS * 3600


@contextmanager
def _beating() -> Iterator[list[float]]:
    """Yield the processor time between the beats of the event loop."""
    gaps = [0.0]

    async def beat() -> None:
        while True:
            before = time.process_time()
            await anyio.sleep(_BEAT_SECONDS)
            gaps.append(time.process_time() - before)

    heart = event_loop.submit(beat)
    yield gaps
    heart.cancel()


def _config(folder: Path, *, live: bool) -> speechsdk.SpeechConfig:
    config = speechsdk.SpeechConfig("key", "region")
    for name, value in {"backend": NAME, "state_dir": str(folder / "store")}.items():
        config.set_property_by_name(f"speech-compat.{name}", value)
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    if not live:
        channel = speechsdk.ServicePropertyChannel.UriQueryParameter
        config.set_service_property("transcriptionMode", "async", channel)
    return config


def _new_file(folder: Path, known: set[Path]) -> Path:
    while True:
        new = set((folder / "store" / "audio").glob("*.pcm")) - known
        if new:
            return new.pop()
        time.sleep(0.001)


def _measure(order: _Order, tree: Path) -> dict[str, float]:
    """Measure in a process of its own, with the code of a checkout."""
    sources = (tree / "adapters", tree / "compat", Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as folder:
        site = install(Path(folder, "site"))
        path = os.pathsep.join(map(str, (*sources, site)))
        command = [sys.executable, __file__, "--order", json.dumps(attrs.asdict(order))]
        done = subprocess.run(
            [*command, "--folder", folder],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _line(name: str, order: _Order, found: dict[str, float]) -> str:
    writes = f"{found['writes']:.0%}"
    return (
        f"{name:<9}{order.meetings:>5}{order.chunk:>6} ms{found['cores']:>7.2f}"
        f"{found['per_hour']:>9.2f} s{found['per_hour'] / found['flat_per_hour']:>8.1f}x"
        f"{found['median'] * 1000:>8.0f}{found['p99'] * 1000:>8.0f}{found['longest'] * 1000:>9.0f}"
        f"{found['gap'] * 1000:>8.0f}{writes:>8}{found['behind'] * 1000:>8.0f}"
    )


def main() -> int:
    """Run the benchmark; return 0 if the targets are met."""
    parser = argparse.ArgumentParser(description="Measure meetings at the speed of speech.")
    parser.add_argument("--meetings", type=int, default=300)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10, 20, 100], metavar="MS")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--order", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.order:
        print(json.dumps(_run(_Order(**json.loads(options.order)), options.folder)))
        return 0
    trees = {"this": Path(__file__).parents[2]}
    if options.baseline:
        trees = {"baseline": options.baseline.resolve(), **trees}
    print(_HEAD)
    longest = 0.0
    for chunk in options.chunks:
        order = _Order(options.meetings, chunk, options.seconds, options.live)
        costs: dict[str, list[float]] = {name: [] for name in trees}
        for _ in range(options.rounds):
            for name, tree in trees.items():
                found = _measure(order, tree)
                costs[name].append(found["per_hour"])
                print(_line(name, order, found), flush=True)
                if name == "this":
                    longest = max(longest, found["gap" if options.live else "longest"])
        if options.baseline:
            share = median(costs["this"]) / median(costs["baseline"])
            print(f"processor time of the baseline: {share:.2f}")
    limit = LONGEST_GAP if options.live else LONGEST
    print(f"times in ms; longest {longest * 1000:.0f} ms (target: below {limit * 1000:.0f})")
    return 0 if longest < limit else 1


if __name__ == "__main__":
    sys.exit(main())
