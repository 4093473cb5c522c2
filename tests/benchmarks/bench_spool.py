"""What it costs to record: a long meeting written in chunks of 100 ms.

::

    python tests/benchmarks/bench_spool.py [--hours 8] [--folder DIR]

Every chunk goes to each writer of a file in turn, so all meet the same disk and the
same moment.  The first is a plain buffered file, the measure of the others.  Then a
meeting gets its chunks as fast as it takes them: by itself, since its own threads
would slow down the others and so flatter it.  Prints the
cost of a write and how much the process grew; ends with 1 when a writer that
promises it is over a target.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter_ns, sleep
from typing import Final, Protocol

import attrs

import speech_compat as speechsdk
from speech_adapters.audio import PcmFormat
from speech_adapters.recording.spool import SpoolWriter
from speech_compat.remote_meeting import RemoteMeetingTranscriptionClient

__all__ = ["FILES", "MEETINGS", "Result", "Writer", "main", "measure"]

CHUNK_SECONDS: Final = 0.1
MAX_GROWTH_MIB: Final = 32.0
MAX_RATIO: Final = 3.0
_BLOCK_CHUNKS: Final = 10


class Writer(Protocol):
    """Anything that takes audio."""

    def write(self, pcm: bytes, /) -> object:
        """Take one chunk."""
        ...

    def close(self) -> None:
        """End the recording."""
        ...


class Blocks:
    """Joins chunks to blocks of one second for the spool, as a session may do."""

    def __init__(self, path: Path) -> None:
        self._spool = SpoolWriter(path)
        self._chunks: list[bytes] = []

    def write(self, pcm: bytes) -> None:
        """Keep the chunk, or hand over a block."""
        self._chunks.append(pcm)
        if len(self._chunks) == _BLOCK_CHUNKS:
            self._flush()

    def close(self) -> None:
        """Hand over the rest."""
        self._flush()
        self._spool.close()

    def _flush(self) -> None:
        self._spool.write(b"".join(self._chunks))
        self._chunks.clear()


class Meeting:
    """An asynchronous meeting: the whole way from a program's stream to the disk."""

    def __init__(self, folder: Path) -> None:
        config = speechsdk.SpeechConfig("key", "region")
        config.set_property_by_name("speech-compat.state_dir", str(folder))
        mode = speechsdk.ServicePropertyChannel.UriQueryParameter
        config.set_service_property("transcriptionMode", "async", mode)
        self._stream = speechsdk.audio.PushAudioInputStream()
        audio = speechsdk.audio.AudioConfig(stream=self._stream)
        self._transcriber = speechsdk.transcription.MeetingTranscriber(audio)
        meeting = speechsdk.transcription.Meeting(config, "benchmark")
        self._transcriber.join_meeting_async(meeting).get()
        self._transcriber.start_transcribing_async().get()
        self._client = RemoteMeetingTranscriptionClient(config)
        self.write = self._stream.write
        self.write(bytes(PcmFormat().bytes_per_second))
        while not any(folder.glob("audio/*.pcm")):  # until all is imported and running
            sleep(0.05)

    def close(self) -> None:
        """End the meeting; nobody wants to read it."""
        self._stream.close()
        self._transcriber.stop_transcribing_async().get()
        self._client.delete_remote_transcription("benchmark")


# The first is the measure.  To measure another way of recording, add it here.
FILES: Final[dict[str, Callable[[Path], Writer]]] = {
    "buffered file": lambda path: path.open("wb"),
    "spool, each chunk": SpoolWriter,
    "spool, 1 s blocks": Blocks,
}
MEETINGS: Final[dict[str, Callable[[Path], Writer]]] = {"meeting, push stream": Meeting}


@attrs.frozen
class Result:
    """Nanoseconds per write of one writer."""

    name: str
    costs: array[int]

    @property
    def mean(self) -> float:
        """Average cost."""
        return sum(self.costs) / len(self.costs)

    @property
    def middle(self) -> float:
        """Cost of the write in the middle."""
        return median(self.costs)

    def rank(self, share: float) -> int:
        """Cost that ``share`` of the writes do not exceed."""
        return sorted(self.costs)[int(share * (len(self.costs) - 1))]


def measure(hours: float, folder: Path) -> tuple[list[Result], float]:
    """Write a meeting of ``hours`` with every writer; give the costs and the growth in MiB."""
    files, growth = _measure_together(FILES, hours, folder)
    meetings, more = _measure_together(MEETINGS, hours, folder)
    return files + meetings, max(growth, more)


def _measure_together(
    makers: dict[str, Callable[[Path], Writer]], hours: float, folder: Path
) -> tuple[list[Result], float]:
    count = round(hours * 3600 / CHUNK_SECONDS)
    # Allocated and touched before, so that the notes are not taken for growth.
    costs = [array("q", bytes(8 * count)) for _ in makers]
    with ExitStack() as opened:
        writers = [make(folder / name.replace(" ", "-")) for name, make in makers.items()]
        for writer in writers:
            opened.callback(writer.close)
        growth = _record(writers, costs, count)
    return [Result(name, noted) for name, noted in zip(makers, costs, strict=True)], growth


def _record(writers: list[Writer], costs: list[array[int]], count: int) -> float:
    pcm = bytearray(os.urandom(round(PcmFormat().bytes_per_second * CHUNK_SECONDS)))
    before = most = _memory_mib()
    for at in range(count):
        for writer, noted in zip(writers, costs, strict=True):
            chunk = bytes(pcm)  # fresh memory each time, as from a program
            start = perf_counter_ns()
            writer.write(chunk)
            noted[at] = perf_counter_ns() - start
        if at % 500 == 0:
            most = max(most, _memory_mib())
    return max(most, _memory_mib()) - before


def _memory_mib() -> float:
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _print(results: list[Result], growth: float) -> None:
    base = results[0]
    print(f"{'writer':<22}{'mean':>10}{'median':>10}{'p99':>10}{'longest':>13}{'mean ratio':>12}")
    for result in results:
        cells = (result.mean, result.middle, float(result.rank(0.99)))
        row = "".join(f"{cell / 1000:>7.2f} us" for cell in cells)
        row += f"{max(result.costs) / 1e6:>10.2f} ms"
        print(f"{result.name:<22}{row}{result.mean / base.mean:>11.2f}x")
    print(f"memory: grew by {growth:.1f} MiB (target < {MAX_GROWTH_MIB:.0f})")
    print(f"cost: target < {MAX_RATIO:.0f}x the mean of the {base.name}")


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the benchmark; gives 0 when the targets are met."""
    parser = argparse.ArgumentParser(description="Measure what recording costs.")
    parser.add_argument("--hours", type=float, default=8.0, help="length of the meeting")
    parser.add_argument("--folder", type=Path, help="on which disk (default: temporary)")
    options = parser.parse_args(None if arguments is None else list(arguments))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results, growth = measure(options.hours, Path(folder))
    _print(results, growth)
    slow = [r.name for r in results[1:] if r.mean >= MAX_RATIO * results[0].mean]
    if slow or growth >= MAX_GROWTH_MIB:
        print(f"over target: {', '.join(slow) or 'memory'}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
