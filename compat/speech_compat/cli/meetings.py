"""The commands that manage stored meetings; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import importlib.resources
import json
import os
import runpy
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import anyio

from speech_adapters import threads
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import MeetingStatus
from speech_adapters.errors import ConfigurationError, SpeechError
from speech_adapters.export import one_line, render
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording
from speech_adapters.transcript import Provenance, Transcript, seconds
from speech_compat._session.mapping.results import remote_document
from speech_compat.cli.output import format_status, report, write

__all__ = ["convert", "delete", "demo", "list_meetings", "resume", "show"]

T = TypeVar("T")

_DEMO_RECORDING: Final = "endgame_nagg_nell.wav"


def _with_service(
    work: Callable[[MeetingService], Awaitable[T]], settings: Settings | None = None
) -> T:
    """Run a coroutine function with a meeting service, which is closed afterwards."""

    async def run() -> T:
        async with MeetingService(settings or load_settings()) as meetings:
            return await work(meetings)

    return anyio.run(run)


def show(meeting_id: str, format: str, output: Path | None) -> int:  # noqa: A002
    """Write a stored transcript, or the meeting's status while there is none."""

    async def work(meetings: MeetingService) -> tuple[MeetingStatus, Transcript | None]:
        status = await meetings.status(meeting_id)
        return status, await meetings.transcript(meeting_id) if status.state.final else None

    status, transcript = _with_service(work)
    if transcript is None:
        _report(meeting_id, f"{format_status(status)}: ask again later.")
        return 1
    if status.reason:
        _report(meeting_id, status.reason)
    write(render(transcript, format), output)
    return 0


def resume(meeting_id: str) -> int:
    """Retry a meeting that has failed."""
    status = _with_service(lambda meetings: meetings.resume(meeting_id))
    _report(meeting_id, f"{format_status(status)}.")
    return 0


def _report(meeting_id: str, text: str) -> None:
    report(f"meeting {meeting_id!r}: {text}")


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
    """List the recordings: start time, state, length, id."""
    recordings = _with_service(MeetingService.recordings)
    for recording in recordings:
        sys.stdout.write(_line(recording))
    if not recordings:
        report("no meeting is stored.")
    return 0


def _line(recording: Recording) -> str:
    when = recording.created.astimezone().strftime("%Y-%m-%d %H:%M")
    length = seconds(recording.request.audio.ticks(recording.audio_bytes or 0))
    identity = one_line(recording.meeting_id)
    return f"{when}  {recording.state.value:<10}  {length:>9.1f} s  {identity}\n"


def delete(meeting_ids: list[str]) -> int:
    """Delete meetings; continue after one that cannot be deleted, and report it."""

    async def work(meetings: MeetingService) -> int:
        code = 0
        for meeting_id in meeting_ids:
            try:
                await meetings.delete(meeting_id)
            except SpeechError as error:
                report(str(error))
                code = 1
        return code

    return _with_service(work)


def demo() -> int:
    """Run the legacy program on the recording that the engine's package ships."""

    async def check(meetings: MeetingService) -> None:
        await threads.COMPUTE.run(meetings.backend)

    # Raises before anything is printed when the engine is not installed.
    _with_service(check, load_settings({"backend": "local"}))
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
    """Return the path of the program: installed beside this module, or in the repository."""
    here = Path(__file__).resolve().parents[1]
    places = (here / "_demo", here.parents[1] / "docs" / "examples")
    for folder in places:
        if (folder / "legacy_meeting.py").is_file():
            return folder / "legacy_meeting.py"
    raise ConfigurationError("The demo's program is missing: install speech-compat again.")
