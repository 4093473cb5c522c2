"""What the commands do that look after stored meetings; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import importlib.resources
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Final

import anyio

from speech_adapters.asking import (
    delete_meeting,
    meeting_status,
    meeting_transcript,
    resume_meeting,
)
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError, SpeechError
from speech_adapters.export import one_line, render
from speech_adapters.registry import create_backend
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, seconds
from speech_compat._session.mapping import remote_document
from speech_compat.cli.output import how_far, write

__all__ = ["convert", "delete", "demo", "list_meetings", "resume", "show"]

_DEMO_RECORDING: Final = "endgame_nagg_nell.wav"


def show(meeting_id: str, format: str, output: Path | None) -> int:  # noqa: A002
    """Show a stored transcript, or how far it has come."""
    settings = load_settings()
    status = anyio.run(meeting_status, settings, meeting_id)
    if not status.state.final:
        _tell(meeting_id, f"{how_far(status)}: ask again later.")
        return 1
    transcript = anyio.run(meeting_transcript, settings, meeting_id)
    if status.reason:
        _tell(meeting_id, status.reason)
    write(render(transcript, format), output)
    return 0


def resume(meeting_id: str) -> int:
    """Take up a meeting again that has failed."""
    status = anyio.run(resume_meeting, load_settings(), meeting_id)
    _tell(meeting_id, f"{how_far(status)}.")
    return 0


def _tell(meeting_id: str, what: str) -> None:
    sys.stderr.write(f"speech-compat: meeting {meeting_id!r}: {what}\n")


def convert(result: Path, format: str, output: Path | None) -> int:  # noqa: A002
    """Convert a result file of batch or fast transcription."""
    from speech_adapters.azure.results import read_result

    origin = Provenance("azure", "batch or fast transcription")
    transcript = read_result(result, result.stem, origin)
    if format == "legacy":
        write(json.dumps(remote_document(transcript), ensure_ascii=False, indent=2) + "\n", output)
    else:
        write(render(transcript, format), output)
    return 0


def list_meetings() -> int:
    """List the recordings: when, state, length, id."""
    with Store.open(load_settings().state_dir) as store:
        recordings = store.recordings()
    for recording in recordings:
        when = recording.created.astimezone().strftime("%Y-%m-%d %H:%M")
        size = recording.audio_bytes or 0
        length = seconds(recording.request.audio.ticks(size))
        identity = one_line(recording.meeting_id)
        sys.stdout.write(f"{when}  {recording.state.value:<10}  {length:>9.1f} s  {identity}\n")
    if not recordings:
        sys.stderr.write("speech-compat: no meeting is stored.\n")
    return 0


def delete(meeting_ids: list[str]) -> int:
    """Delete meetings; goes on after one that cannot be, and says so."""
    settings = load_settings()
    code = 0
    for meeting_id in meeting_ids:
        try:
            anyio.run(delete_meeting, settings, meeting_id)
        except SpeechError as error:
            sys.stderr.write(f"speech-compat: {error}\n")
            code = 1
    return code


def demo() -> int:
    """Run the legacy program on the recording that the engine's package ships."""
    create_backend(load_settings({"backend": "local"}))  # complains where it is not installed
    recording = importlib.resources.files("moonshine_voice") / "assets" / _DEMO_RECORDING
    with importlib.resources.as_file(recording) as path:
        program = _demo_program()
        sys.stderr.write(
            f"Running {program.name}, a program for the retired service with only its import"
            " changed, on a recording of half a minute ...\n"
        )
        os.environ["SPEECH_COMPAT_BACKEND"] = "local"
        runpy.run_path(str(program))["transcribe_meeting"](str(path))
    return 0


def _demo_program() -> Path:
    """Give the program: installed beside this module, or in the repository."""
    here = Path(__file__).resolve().parents[1]
    places = (here / "_demo", here.parents[1] / "docs" / "examples")
    for folder in places:
        if (folder / "legacy_meeting.py").is_file():
            return folder / "legacy_meeting.py"
    raise ConfigurationError("The demo's program is missing: install speech-compat again.")
