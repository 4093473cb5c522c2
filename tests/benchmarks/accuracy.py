"""Accuracy, speed and memory of the local backend, side by side with other engines.

::

    make accuracy RECORDINGS=FOLDER

For the recordings that the folder should hold, see :mod:`benchmarks.recordings`, and for the
error rates :mod:`benchmarks.scores`.  Three systems are measured in one run:

* ``local``: the backend with its defaults, by ``speech-compat transcribe``;
* ``moonshine's speakers``: the same with ``diarizer = "moonshine"``;
* ``previous engine``: words and speakers of moonshine-voice, see
  :mod:`benchmarks.previous_engine`.

The DER is that of the spans in which utterances have words without a longer pause, as the
format ``rttm`` has them.
Speed is given as seconds of audio per CPU second and per second that passed: the first is
comparable on a busy machine, the second only on an idle one.  Memory is the peak of the
largest process.  CPU time and memory are measured on Linux only, where this program becomes the
parent of the engine's process when the command ends.
"""

from __future__ import annotations

import argparse
import ctypes
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

from benchmarks.recordings import Recording, find_recordings, parse_rttm
from benchmarks.scores import diarization_error, word_errors
from speech_adapters.audio import WavFile
from speech_adapters.export import render
from speech_adapters.transcript import Provenance, Transcript, Utterance, Word, seconds

__all__ = ["Result", "main"]

_COLLARS: Final = (0.0, 0.25)
_MEBIBYTE: Final = 1024
_PR_SET_CHILD_SUBREAPER: Final = 36
# For each system, a module with its arguments, before the names of output and recording, and
# settings.
_TRANSCRIBE: Final = ("speech_compat", "transcribe", "--format", "json", "-o")
_SYSTEMS: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]]] = {
    "local": (_TRANSCRIBE, {}),
    "moonshine's speakers": (
        _TRANSCRIBE,
        {"SPEECH_COMPAT_BACKENDS__LOCAL__DIARIZER": "moonshine"},
    ),
    "previous engine": (("benchmarks.previous_engine",), {}),
}


@attrs.frozen
class Result:
    """What a system made of a recording.

    Attributes:
        transcript: the transcript.
        passed: seconds that passed.
        cpu: CPU seconds of all its processes.
        memory: peak of the largest of them, in MiB.
    """

    transcript: Transcript
    passed: float
    cpu: float
    memory: float


def main() -> int:
    """Print a table of all recordings and systems."""
    parser = argparse.ArgumentParser(description="Measure the local backend.")
    parser.add_argument("folder", type=Path, help="the folder of recordings")
    parser.add_argument("--only", default="", help="measure only files whose name contains this")
    parser.add_argument("--system", choices=_SYSTEMS, help="measure only this system")
    options = parser.parse_args()
    _adopt_orphans()
    print(
        "| recording | system | WER | cpWER | DER 0 / 0.25 s | speakers | audio s per CPU s"
        " | times real time | peak MiB |\n|---|---|---|---|---|---|---|---|---|"
    )
    systems = [options.system] if options.system else list(_SYSTEMS)
    for recording in find_recordings(options.folder):
        if options.only in recording.path.name:
            for system in systems:
                print(_row(recording, system, _transcribe(recording.path, system)), flush=True)
    return 0


def _transcribe(path: Path, system: str) -> Result:
    arguments, settings = _SYSTEMS[system]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "transcript.json"
        own = {"SPEECH_COMPAT_STATE_DIR": folder, "SPEECH_COMPAT_BACKEND": "local"}
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments, str(output), str(path)],
            env={**os.environ, **own, **settings},
        )
        _, status, used = os.wait4(process.pid, 0)
        passed = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{system} failed on {path} with code {process.returncode}.")
        parts = [used, *_orphans()]
        document = json.loads(output.read_text(encoding="utf-8"))
    return Result(
        _read(document),
        passed,
        sum(part.ru_utime + part.ru_stime for part in parts),
        max(part.ru_maxrss for part in parts) / _MEBIBYTE,
    )


def _adopt_orphans() -> None:
    """Become the parent of processes whose parents end first; without effect but on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _orphans() -> Iterator[resource.struct_rusage]:
    """Wait for the processes that a command left; yield what each used."""
    while True:
        try:
            yield os.wait4(-1, 0)[2]
        except ChildProcessError:
            return


def _read(document: dict[str, Any]) -> Transcript:
    """Read a transcript in the JSON format of the command line."""
    utterances = tuple(
        Utterance(
            each["id"],
            each["text"],
            each["offset"],
            each["duration"],
            each["speaker_number"],
            words=tuple(Word(**word) for word in each["words"]),
        )
        for each in document["utterances"]
    )
    return Transcript(document["meeting_id"], utterances, document["duration"], Provenance("", ""))


def _row(recording: Recording, system: str, result: Result) -> str:
    with WavFile(recording.path) as file:
        length = seconds(file.duration or 0)
    found = result.transcript
    words = errors = ""
    if recording.texts:
        spoken = [(str(utterance.speaker), utterance.text) for utterance in found.utterances]
        words = " | ".join(f"{rate:.1%}" for rate in word_errors(recording.texts, spoken))
    if recording.turns:
        turns = parse_rttm(render(found, "rttm"))
        errors = " / ".join(
            f"{diarization_error(recording.turns, turns, length, collar):.1%}"
            for collar in _COLLARS
        )
    return (
        f"| {recording.path.name} | {system} | {words or ' | '} | {errors}"
        f" | {len(found.speakers)} of {recording.speakers} | {length / result.cpu:.1f}"
        f" | {length / result.passed:.1f} | {result.memory:.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
