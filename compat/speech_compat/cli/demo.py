"""The command ``demo``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import importlib.resources
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from speech_adapters import threads
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError
from speech_adapters.transcript import seconds
from speech_compat.cli.output import write
from speech_compat.cli.service import with_service

__all__ = ["demo", "timeline"]

_RECORDING: Final = "endgame_nagg_nell.wav"
_COLUMNS: Final = 60


def demo() -> int:
    """Run the legacy program on the recording that the engine's package ships."""
    settings = load_settings({"backend": "local"})
    # Raises before anything is printed when the engine is not installed.
    with_service(lambda meetings: threads.COMPUTE.run(meetings.backend), settings)
    recording = importlib.resources.files("moonshine_voice") / "assets" / _RECORDING
    with importlib.resources.as_file(recording) as path:
        program = _program()
        sys.stderr.write(
            f"Running {program.name}, a program for the retired service with only its import"
            " changed, on a recording of half a minute ...\n"
        )
        os.environ["SPEECH_COMPAT_BACKEND"] = "local"
        lines = runpy.run_path(str(program))["transcribe_meeting"](str(path))
    write("\n" + timeline([(speaker, at, length) for at, length, speaker, _ in lines]), None)
    return 0


def timeline(spans: Sequence[tuple[str, int, int]]) -> str:
    """Draw one row per speaker, with a block wherever the speaker talks.

    Args:
        spans: speaker, offset and duration in ticks of each utterance.
    """
    end = max((offset + duration for _, offset, duration in spans), default=0)
    if not end:
        return ""
    rows: dict[str, list[str]] = {}
    for speaker, offset, duration in sorted(spans):
        row = rows.setdefault(speaker, ["."] * _COLUMNS)
        first = min(offset * _COLUMNS // end, _COLUMNS - 1)
        # An utterance of one column at least, so that no word is missing.
        last = max((offset + duration) * _COLUMNS // end, first + 1)
        row[first:last] = "#" * (last - first)
    width = max(map(len, rows))
    scale = f"{'':{width}}  0 s{f'{seconds(end):.0f} s':>{_COLUMNS - 3}}\n"
    return "".join(f"{name:{width}}  {''.join(row)}\n" for name, row in rows.items()) + scale


def _program() -> Path:
    """Return the path of the program: installed beside this module, or in the repository."""
    here = Path(__file__).resolve().parents[1]
    places = (here / "_demo", here.parents[1] / "docs" / "examples")
    for folder in places:
        if (folder / "legacy_meeting.py").is_file():
            return folder / "legacy_meeting.py"
    raise ConfigurationError("The demo's program is missing: install speech-compat again.")
