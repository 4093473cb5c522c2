"""Threads, files and memory that remain after meetings were opened and closed.

::

    python tests/benchmarks/bench_meetings.py [--meetings 10000]

All meetings run in one process, on the ``local`` backend: each joins, starts, receives a
little silence or none, and stops.  Only every hundredth has audio, because the engine's
process that it starts takes a second.  Prints the threads, open files and memory of the
process after a tenth of the meetings and at the end.  The exit code is 1 if more than eight
threads, any file or more than 8 MiB of memory were added.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import attrs

import speech_compat as speechsdk

__all__ = ["Resources", "main"]

MAX_GROWTH_MIB: Final = 8.0
# The event loop's idle worker threads come and go; a leak adds a thread for each meeting.
MAX_MORE_THREADS: Final = 8
_WITH_AUDIO: Final = 100


@attrs.frozen
class Resources:
    """The resources of this process."""

    threads: int
    files: int
    memory_mib: float


def _resources() -> Resources:
    time.sleep(0.5)  # a thread that has ended counts for a moment longer
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return Resources(threading.active_count(), len(os.listdir("/proc/self/fd")), memory)  # noqa: PTH208


def _hold(config: speechsdk.SpeechConfig, number: int) -> None:
    stream = speechsdk.audio.PushAudioInputStream()
    audio = speechsdk.audio.AudioConfig(stream=stream)
    transcriber = speechsdk.transcription.MeetingTranscriber(audio)
    meeting = speechsdk.transcription.Meeting(config, f"meeting {number}")
    person = speechsdk.transcription.Participant("someone@example.com", "en-US")
    meeting.add_participant_async(person).get()
    transcriber.join_meeting_async(meeting).get()
    transcriber.transcribed.connect(lambda _: None)
    transcriber.start_transcribing_async().get()
    if number % _WITH_AUDIO == 0:
        stream.write(bytes(3200))
    stream.close()
    transcriber.stop_transcribing_async().get()


def main() -> int:
    """Run the benchmark; return 0 if the target is met."""
    parser = argparse.ArgumentParser(description="Measure what meetings leave behind.")
    parser.add_argument("--meetings", type=int, default=10_000)
    count = parser.parse_args().meetings
    logging.disable(logging.ERROR)  # a meeting without audio logs an error
    marks: dict[int, Resources] = {}
    with tempfile.TemporaryDirectory() as folder:
        config = speechsdk.SpeechConfig("key", "region")
        config.set_property_by_name("speech-compat.state_dir", folder)
        started = time.monotonic()
        for number in range(1, count + 1):
            _hold(config, number)
            if number in (count // 10, count):
                marks[number] = _resources()
        seconds = time.monotonic() - started
    print(f"{'meetings':>9}{'threads':>9}{'files':>7}{'memory':>12}")
    for number, mark in marks.items():
        print(f"{number:>9}{mark.threads:>9}{mark.files:>7}{mark.memory_mib:>8.1f} MiB")
    print(f"{seconds / count * 1000:.1f} ms each on average")
    first, last = marks.values()
    grown = last.memory_mib - first.memory_mib
    leaks = last.threads - first.threads > MAX_MORE_THREADS or last.files > first.files
    return 1 if leaks or grown > MAX_GROWTH_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
