"""Accuracy, speed and memory of the local backend, side by side with other engines.

::

    make accuracy RECORDINGS=FOLDER

For the recordings that the folder should hold, see :mod:`benchmarks.recordings`, and for the
error rates :mod:`benchmarks.scores`.  Three systems are measured in one run:

* ``local``: the backend with its defaults;
* ``moonshine``: the backend with ``diarizer = "moonshine"``, the engine of version 0.1;
* ``local words, moonshine speakers``: the words of the first at the speakers of the second.

Each transcribes every recording by ``speech-compat transcribe`` in a process of its own.
Speed is given as seconds of audio per CPU second and per second that passed: the first is
comparable on a busy machine, the second only on an idle one.  Memory is the peak of the
largest process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.recordings import Recording, Turn, find_recordings, parse_rttm
from benchmarks.scores import diarization_error, word_errors
from speech_adapters.audio import WavFile
from speech_adapters.transcript import seconds

__all__ = ["Result", "main"]

_COLLARS: Final = (0.0, 0.25)
_SYSTEMS: Final[Mapping[str, Mapping[str, str]]] = {
    "local": {},
    "moonshine": {"SPEECH_COMPAT_BACKENDS__LOCAL__DIARIZER": "moonshine"},
}
_MIXED: Final = "local words, moonshine speakers"
_MEBIBYTE: Final = 1024


@attrs.frozen
class Result:
    """What a system made of a recording.

    Attributes:
        words: speaker and text, word by word or utterance by utterance.
        spans: start and end of each entry of ``words``, in seconds.
        turns: the turns of its RTTM document.
        cpu: CPU seconds of all its processes; ``None`` if not measured.
        passed: seconds that passed.
        memory: peak of its largest process in MiB.
    """

    words: tuple[tuple[str, str], ...]
    spans: tuple[tuple[float, float], ...]
    turns: tuple[Turn, ...]
    cpu: float | None = None
    passed: float = 0.0
    memory: float = 0.0


def main() -> int:
    """Print a table of all recordings and systems."""
    parser = argparse.ArgumentParser(description="Measure the local backend.")
    parser.add_argument("folder", type=Path, help="the folder of recordings")
    parser.add_argument("--only", default="", help="measure only files whose name contains this")
    options = parser.parse_args()
    print("| recording | system | WER | cpWER | DER 0 / 0.25 s | speakers | audio s per CPU s | times real time | peak MiB |")  # fmt: skip  # noqa: E501
    print("|---|---|---|---|---|---|---|---|---|")
    for recording in find_recordings(options.folder):
        if options.only in recording.path.name:
            for system, result in _results(recording.path):
                print(_row(recording, system, result), flush=True)
    return 0


def _results(path: Path) -> Iterator[tuple[str, Result]]:
    found = {}
    for system, environment in _SYSTEMS.items():
        found[system] = _transcribe(path, environment)
        yield system, found[system]
    yield _MIXED, _mix(found["local"], found["moonshine"])


def _transcribe(path: Path, environment: Mapping[str, str]) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        own = {"SPEECH_COMPAT_STATE_DIR": folder, "SPEECH_COMPAT_BACKEND": "local"}
        run = _Run({**os.environ, **own, **environment}, Path(folder) / "output")
        started = time.monotonic()
        transcript = run("transcribe", str(path), "--meeting-id", "m", "--format", "json")
        passed = time.monotonic() - started
        used = run.used
        turns = parse_rttm(run("show", "m", "--format", "rttm"))
    entries = list(_entries(json.loads(transcript)["utterances"]))
    return Result(
        words=tuple((speaker, text) for speaker, text, _ in entries),
        spans=tuple(span for _, _, span in entries),
        turns=tuple(turns),
        cpu=used.ru_utime + used.ru_stime,
        passed=passed,
        memory=used.ru_maxrss / _MEBIBYTE,
    )


class _Run:
    """Runs commands of ``speech-compat`` and returns their output.

    Attributes:
        used: the resources of the last command and of all processes that it waited for.
    """

    def __init__(self, environment: Mapping[str, str], output: Path) -> None:
        self._environment = environment
        self._output = output
        self.used: resource.struct_rusage

    def __call__(self, *arguments: str) -> str:
        program = [sys.executable, "-m", "speech_compat", *arguments, "-o", str(self._output)]
        process = subprocess.Popen(program, env=self._environment)
        _, status, self.used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed with code {process.returncode}.")
        return self._output.read_text(encoding="utf-8")


def _entries(utterances: list[dict[str, Any]]) -> Iterator[tuple[str, str, tuple[float, float]]]:
    """Yield speaker, text and span of each word, or of each utterance without words."""
    for utterance in utterances:
        for part in utterance["words"] or [utterance]:
            start, end = part["offset"], part["offset"] + part["duration"]
            yield utterance["speaker"], part["text"], (seconds(start), seconds(end))


def _mix(words: Result, turns: Result) -> Result:
    """Return the words of one result at the speakers of another, by their common time."""
    mixed = tuple(
        (_speaker(span, turns.turns), text)
        for (_, text), span in zip(words.words, words.spans, strict=True)
    )
    return Result(mixed, words.spans, turns.turns)


def _speaker(span: tuple[float, float], turns: tuple[Turn, ...]) -> str:
    """Return the speaker of the turn that a span overlaps most, or to which it is nearest."""
    start, end = span

    def common(turn: Turn) -> float:
        return min(end, turn.end) - max(start, turn.start)

    return max(turns, key=common).speaker if turns else ""


def _row(recording: Recording, system: str, result: Result) -> str:
    with WavFile(recording.path) as file:
        length = seconds(file.duration or 0)
    cells = [recording.path.name, system, "", "", "", _speakers(recording, result), "", "", ""]
    if recording.texts:
        cells[2:4] = [f"{rate:.1%}" for rate in word_errors(recording.texts, result.words)]
    if recording.turns:
        errors = [
            diarization_error(recording.turns, result.turns, length, collar) for collar in _COLLARS
        ]
        cells[4] = " / ".join(f"{error:.1%}" for error in errors)
    if result.cpu:
        cells[6:] = [
            f"{length / result.cpu:.1f}",
            f"{length / result.passed:.1f}",
            f"{result.memory:.0f}",
        ]
    return "| " + " | ".join(cells) + " |"


def _speakers(recording: Recording, result: Result) -> str:
    return f"{len({speaker for speaker, _ in result.words})} of {recording.speakers}"


if __name__ == "__main__":
    sys.exit(main())
