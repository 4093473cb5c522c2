"""What is left of meetings that were opened and closed: threads, files, memory.

::

    python tests/benchmarks/bench_meetings.py [--meetings 10000]

Each meeting joins, starts, gets a little silence or none, and stops, in one process,
on the ``local`` backend.  Live meetings without audio go the whole way but for the
engine's process, which would take a second each; every hundredth has audio and
starts it.  Prints what there is after a tenth of the meetings and at the end; ends with
1 when there are more threads or files, or more than 8 MiB more memory.
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

__all__ = ["Left", "main"]

MAX_GROWTH_MIB: Final = 8.0
_WITH_AUDIO: Final = 100


@attrs.frozen
class Left:
    """What a process holds."""

    threads: int
    files: int
    memory_mib: float


def _left() -> Left:
    time.sleep(0.5)  # threads that have ended take a moment to go
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return Left(threading.active_count(), len(os.listdir("/proc/self/fd")), memory)  # noqa: PTH208


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
    """Run the benchmark; gives 0 when nothing is left."""
    parser = argparse.ArgumentParser(description="Look for what meetings leave behind.")
    parser.add_argument("--meetings", type=int, default=10_000)
    count = parser.parse_args().meetings
    logging.disable(logging.ERROR)  # that there is no audio is told each time
    marks: dict[int, Left] = {}
    with tempfile.TemporaryDirectory() as folder:
        config = speechsdk.SpeechConfig("key", "region")
        config.set_property_by_name("speech-compat.state_dir", folder)
        started = time.monotonic()
        for number in range(1, count + 1):
            _hold(config, number)
            if number in (count // 10, count):
                marks[number] = _left()
        seconds = time.monotonic() - started
    print(f"{'meetings':>9}{'threads':>9}{'files':>7}{'memory':>12}")
    for number, left in marks.items():
        print(f"{number:>9}{left.threads:>9}{left.files:>7}{left.memory_mib:>8.1f} MiB")
    print(f"{seconds / count * 1000:.1f} ms each on average")
    first, last = marks.values()
    grown = last.memory_mib - first.memory_mib
    more = last.threads > first.threads or last.files > first.files
    return 1 if more or grown > MAX_GROWTH_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
