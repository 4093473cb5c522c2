"""A long meeting with the real Speech SDK, whose connection is cut again and again.

    python tests/benchmarks/bench_realtime.py [--hours 2] [--pace 20] [--cuts 50] [--seed 1]

A program of the meeting era runs on the realtime backend; the loopback speech service
runs in a process of its own.  Prints the number of results that are lost, doubled or out
of order; the growth of the program's memory after the first tenth; and the latency that
the facade adds to the SDK's own callback, for the same results.  The exit code is 1 if a
target is missed.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from speech_compat.testing.loopback import ABORT, Line, LoopbackService, Script, clock_audio

SECOND: Final = 10_000_000
EVERY: Final = 5  # seconds from one line to the next
CODES: Final = (ABORT, 1000, 1001, 1011, 1012)
MEMORY_TARGET: Final = 16.0  # MiB; the audio of two hours is 220
LATENCY_TARGET: Final = 1.0  # ms


def main() -> int:
    """Run the benchmark; return 0 if the targets are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--pace", type=float, default=20.0)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options)
    command = [sys.executable, __file__, "--serve", *sys.argv[1:]]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        found = measure(url, options)
        served, _ = server.communicate("\n")
    sys.stdout.write(served)
    return report(found, options)


def serve(options: argparse.Namespace) -> int:
    """Serve until standard input has a line; print the number of connections."""
    generator = random.Random(options.seed)
    length = round(options.hours * 3600)
    cuts = tuple(
        (generator.randrange(length * SECOND), generator.choice(CODES)) for _ in range(options.cuts)
    )
    service = LoopbackService(Script(lines(options.hours), cuts=cuts, clock=True))
    with service.running() as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        sys.stdin.readline()
    own = len({found.connection_id for found in service.connections})
    sys.stdout.write(
        f"{options.cuts} cuts, {len(service.connections)} connections of {own} session(s) of the"
        f" SDK, {service.received / SECOND / length:.2f} of the audio sent\n"
    )
    return 0


def lines(hours: float) -> tuple[Line, ...]:
    """Return the lines: four speakers in turn, four of every five seconds."""
    return tuple(
        Line(f"line {n}", n * EVERY * SECOND, 4 * SECOND, f"Guest-{n % 4 + 1}", (f"line {n}",))
        for n in range(round(hours * 3600) // EVERY)
    )


def measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run the program; return the results that it received, latencies and memory."""
    import speech_compat as speechsdk
    from speech_adapters.speech_sdk import recognizer

    received: dict[int, float] = {}  # when the SDK's callback had a result, by its offset
    real = recognizer.Recognizer._send

    def timed(self: Any, read: Any, event: Any) -> None:
        now = time.perf_counter()
        if hasattr(event, "result"):
            received[event.result.offset] = now
        real(self, read, event)

    recognizer.Recognizer._send = timed  # type: ignore[method-assign]
    config = speechsdk.SpeechConfig(endpoint=url, subscription="none")
    for name, value in {"backend": "realtime", "backends.realtime.pace": str(options.pace)}.items():
        config.set_property_by_name(f"speech-compat.{name}", value)
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    stream = speechsdk.audio.PushAudioInputStream()
    transcriber = speechsdk.transcription.MeetingTranscriber(
        speechsdk.audio.AudioConfig(stream=stream)
    )
    transcriber.join_meeting_async(speechsdk.transcription.Meeting(config, "long")).get()
    results: list[tuple[str, int, str]] = []
    added: list[float] = []
    memory: list[float] = []
    errors: list[str] = []
    stopped = threading.Event()

    def transcribed(event: Any) -> None:
        now = time.perf_counter()
        began = received.pop(event.result.offset, None)
        if began is not None:
            added.append((now - began) * 1000)
        results.append((event.result.text, event.result.offset, event.result.user_id))
        memory.append(resident())

    def canceled(event: Any) -> None:
        errors.append(event.cancellation_details.error_details)

    transcriber.transcribed.connect(transcribed)
    transcriber.canceled.connect(canceled)
    transcriber.session_stopped.connect(lambda _: stopped.set())
    transcriber.start_transcribing_async().get()
    tenths = round(options.hours * 36_000)
    for first in range(0, tenths, 10):
        # As a program pushes a meeting that is being held, only faster.
        stream.write(clock_audio(first, min(10, tenths - first)))
        time.sleep(1 / options.pace * 0.9)
    stream.close()
    stopped.wait(options.hours * 3600)
    transcriber.stop_transcribing_async().get()
    return {
        "results": results,
        "added": added,
        "memory": memory,
        "errors": [error for error in errors if error],
    }


def report(found: dict[str, Any], options: argparse.Namespace) -> int:
    """Print the figures; return the exit code."""
    wanted = [(line.text, line.offset) for line in lines(options.hours)]
    got = [(text, offset) for text, offset, _ in found["results"]]
    lost, doubled = len(set(wanted) - set(got)), len(got) - len(set(got))
    ordered = got == sorted(got, key=lambda item: item[1])
    memory = found["memory"]
    grown = max(memory) - max(memory[: max(len(memory) // 10, 1)]) if memory else 0.0
    latency = statistics.median(found["added"]) if found["added"] else 0.0
    sys.stdout.write(
        f"{options.hours:g} h at {options.pace:g}x: {len(got)} results, {lost} lost, {doubled}"
        f" doubled, {'in order' if ordered else 'OUT OF ORDER'}\n"
        f"errors: {found['errors'] or 'none'}\n"
        f"memory: {max(memory, default=0):.0f} MiB, {grown:.1f} MiB more than in the first tenth"
        f" (target {MEMORY_TARGET:g})\n"
        f"added latency: {latency:.2f} ms in the median of {len(found['added'])} results"
        f" (target {LATENCY_TARGET:g})\n"
    )
    tenths = [memory[len(memory) * n // 10] for n in range(10)] if memory else []
    sys.stdout.write(f"memory by tenths: {' '.join(f'{value:.1f}' for value in tenths)}\n")
    sys.stdout.write(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB\n")
    good = not lost and not doubled and ordered and grown <= MEMORY_TARGET
    return 0 if good and latency <= LATENCY_TARGET else 1


def resident() -> float:
    """Return the memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


if __name__ == "__main__":
    sys.exit(main())
