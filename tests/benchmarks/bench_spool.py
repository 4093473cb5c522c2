"""The cost of recording: a long meeting written in chunks of 100 ms.

::

    python tests/benchmarks/bench_spool.py [--hours 8] [--folder DIR]

Every chunk is written to each file in turn, so that all writers meet the same state of
the disk.  The first writer is a plain buffered file, with which the others are compared.
Then a meeting receives its chunks as fast as it accepts them.  It is measured separately,
because its threads would slow down the other writers.  Prints the cost of a write and the
growth of the process.  The exit code is 1 if a target is missed.
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
    """A destination of audio."""

    def write(self, pcm: bytes, /) -> object:
        """Write one chunk."""
        ...

    def close(self) -> None:
        """End the recording."""
        ...


class Blocks:
    """Writes chunks to the spool in blocks of one second."""

    def __init__(self, path: Path) -> None:
        self._spool = SpoolWriter(path)
        self._chunks: list[bytes] = []

    def write(self, pcm: bytes) -> None:
        """Add the chunk to the block, and write a complete block."""
        self._chunks.append(pcm)
        if len(self._chunks) == _BLOCK_CHUNKS:
            self._flush()

    def close(self) -> None:
        """Write the incomplete block, and close the spool."""
        self._flush()
        self._spool.close()

    def _flush(self) -> None:
        self._spool.write(b"".join(self._chunks))
        self._chunks.clear()


class Meeting:
    """An asynchronous meeting, from a program's push stream to the disk."""

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
        while not any(folder.glob("audio/*.pcm")):  # everything is imported and running then
            sleep(0.05)

    def close(self) -> None:
        """End the meeting and delete it."""
        self._stream.close()
        self._transcriber.stop_transcribing_async().get()
        self._client.delete_remote_transcription("benchmark")


# The others are compared with the first.  Further writers are added here.
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
    def median(self) -> float:
        """Median cost."""
        return median(self.costs)

    def percentile(self, share: float) -> int:
        """Return the cost that a share of the writes, 0 to 1, does not exceed."""
        return sorted(self.costs)[int(share * (len(self.costs) - 1))]


def measure(hours: float, folder: Path) -> tuple[list[Result], float]:
    """Write a meeting of ``hours`` with every writer; return the costs and the growth in MiB."""
    files, growth = _measure_together(FILES, hours, folder)
    meetings, more = _measure_together(MEETINGS, hours, folder)
    return files + meetings, max(growth, more)


def _measure_together(
    makers: dict[str, Callable[[Path], Writer]], hours: float, folder: Path
) -> tuple[list[Result], float]:
    count = round(hours * 3600 / CHUNK_SECONDS)
    # Allocated and filled before, so that the results do not count as growth.
    costs = [array("q", bytes(8 * count)) for _ in makers]
    with ExitStack() as opened:
        writers = [make(folder / name.replace(" ", "-")) for name, make in makers.items()]
        for writer in writers:
            opened.callback(writer.close)
        growth = _record(writers, costs, count)
    return [Result(name, found) for name, found in zip(makers, costs, strict=True)], growth


def _record(writers: list[Writer], costs: list[array[int]], count: int) -> float:
    pcm = bytearray(os.urandom(round(PcmFormat().bytes_per_second * CHUNK_SECONDS)))
    before = most = _memory_mib()
    for at in range(count):
        for writer, found in zip(writers, costs, strict=True):
            chunk = bytes(pcm)  # new memory each time, as a program has it
            start = perf_counter_ns()
            writer.write(chunk)
            found[at] = perf_counter_ns() - start
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
        cells = (result.mean, result.median, float(result.percentile(0.99)))
        row = "".join(f"{cell / 1000:>7.2f} us" for cell in cells)
        row += f"{max(result.costs) / 1e6:>10.2f} ms"
        print(f"{result.name:<22}{row}{result.mean / base.mean:>11.2f}x")
    print(f"memory: grew by {growth:.1f} MiB (target < {MAX_GROWTH_MIB:.0f})")
    print(f"cost: target < {MAX_RATIO:.0f}x the mean of the {base.name}")


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the benchmark; return 0 if the targets are met."""
    parser = argparse.ArgumentParser(description="Measure the cost of recording.")
    parser.add_argument("--hours", type=float, default=8.0, help="length of the meeting")
    parser.add_argument("--folder", type=Path, help="folder to write to (default: a temporary one)")
    options = parser.parse_args(None if arguments is None else list(arguments))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results, growth = measure(options.hours, Path(folder))
    _print(results, growth)
    slow = [r.name for r in results[1:] if r.mean >= MAX_RATIO * results[0].mean]
    if slow or growth >= MAX_GROWTH_MIB:
        print(f"target missed: {', '.join(slow) or 'memory'}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
