"""What the commands do; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import importlib.resources
import json
import os
import runpy
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import anyio
import attrs
from anyio.to_thread import run_sync

from speech_adapters.audio import WavFile
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import (
    Backend,
    MeetingRequest,
    Mode,
    Progress,
    Recognized,
    Session,
)
from speech_adapters.errors import AudioError, ConfigurationError, SpeechError
from speech_adapters.formats import SUFFIXES, one_line, render
from speech_adapters.registry import choose_backend, create_backend, meeting_backend
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript, Utterance, seconds
from speech_compat._bridge import remote_document, tell_gaps

__all__ = ["convert", "delete", "demo", "list_meetings", "show", "transcribe"]

T = TypeVar("T")

_TRUNCATED: Final = 3
_BLOCK_FRAMES: Final = 65_536
_DEMO_RECORDING: Final = "endgame_nagg_nell.wav"


class Meter(Protocol):
    """Shows how far a file has come."""

    def __call__(self, offset: int) -> None:
        """Audio up to ``offset`` ticks is done."""
        ...


def transcribe(options: argparse.Namespace) -> int:
    """Transcribe files; what was done before an error is written."""
    properties = {} if options.backend is None else {"backend": options.backend}
    settings = load_settings(properties)
    folder = options.output if options.output is not None and options.output.is_dir() else None
    documents: list[str] = []
    code = 0
    try:
        for path in options.files:
            with WavFile(path) as file:
                transcript = anyio.run(_transcribe_file, file, options, settings)
                code = max(code, _report_missing(file))
            document = render(transcript, options.format)
            if folder is not None:
                _write(document, folder / f"{path.stem}.{SUFFIXES[options.format]}")
            else:
                documents.append(document)
    finally:
        if documents:
            _write(_joined(documents, options), options.output)
    return code


def show(meeting_id: str, format: str, output: Path | None) -> int:  # noqa: A002
    """Show a stored transcript, or how far it has come."""
    settings = load_settings()

    async def ask(backend: Backend) -> tuple[str, Transcript | None]:
        status = await backend.status(meeting_id)
        done = status.state.value == "Completed"
        if not done and not status.state.final:
            share = "" if status.progress is None else f", {status.progress:.0%} done"
            return f"{status.state.value}{share}: ask again later.", None
        return status.reason, await backend.transcript(meeting_id)

    note, transcript = _with(meeting_backend(settings, meeting_id), ask)
    if note:
        sys.stderr.write(f"speech-compat: meeting {meeting_id!r}: {note}\n")
    if transcript is None:
        return 1
    _write(render(transcript, format), output)
    return 0


def convert(result: Path, format: str, output: Path | None) -> int:  # noqa: A002
    """Convert a result file of batch or fast transcription."""
    from speech_adapters.results import read_result

    origin = Provenance("azure", "batch or fast transcription")
    transcript = read_result(result, result.stem, origin)
    if format == "legacy":
        _write(json.dumps(remote_document(transcript), ensure_ascii=False, indent=2) + "\n", output)
    else:
        _write(render(transcript, format), output)
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
            _with(meeting_backend(settings, meeting_id), partial(_delete, meeting_id))
        except SpeechError as error:
            sys.stderr.write(f"speech-compat: {error}\n")
            code = 1
    return code


async def _delete(meeting_id: str, backend: Backend) -> None:
    await backend.delete(meeting_id)


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
    here = Path(__file__).resolve().parent
    places = (here / "_demo", here.parents[1] / "docs" / "examples")
    for folder in places:
        if (folder / "legacy_meeting.py").is_file():
            return folder / "legacy_meeting.py"
    raise ConfigurationError("The demo's program is missing: install speech-compat again.")


async def _transcribe_file(
    file: WavFile, options: argparse.Namespace, settings: Settings
) -> Transcript:
    if file.duration == 0:
        raise AudioError(f"{file.path} has no audio (0 seconds): there is nothing to transcribe.")
    stored = options.meeting_id is not None
    request = MeetingRequest(
        meeting_id=options.meeting_id if stored else file.path.stem or uuid.uuid4().hex,
        audio=file.pcm,
        mode=Mode.BOTH if stored else Mode.LIVE,
        language=options.language,
        max_speakers=options.speakers,
        notes=file.notes,
    )
    backend, gaps = choose_backend(request, settings)
    tell_gaps(backend.name, gaps)
    try:
        session = await backend.open_session(request)
        try:
            with _meter(file) as meter:
                utterances = await _follow(session, file, meter)
        finally:
            await session.aclose()
    finally:
        await backend.aclose()
    length = file.pcm.ticks(file.pcm.frame_bytes * file.frames_read)
    origin = attrs.evolve(backend.provenance, notes=request.notes)
    return Transcript(request.meeting_id, utterances, length, origin)


async def _follow(session: Session, file: WavFile, meter: Meter) -> tuple[Utterance, ...]:
    said: dict[str, Utterance] = {}
    failures: list[SpeechError] = []

    async def push() -> None:
        try:
            while block := await run_sync(file.read, _BLOCK_FRAMES):
                await session.push(block)
            await session.finish()
        except SpeechError as error:
            failures.append(error)
            await session.aclose()

    async def listen() -> None:
        try:
            async for event in session.events():
                if isinstance(event, Recognized):
                    said[event.utterance.id] = event.utterance
                elif isinstance(event, Progress):
                    meter(event.offset)
        except SpeechError as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        tasks.start_soon(listen)
    if failures:
        raise failures[0]
    return tuple(sorted(said.values(), key=lambda utterance: utterance.offset))


def _meter(file: WavFile) -> Any:
    if not sys.stderr.isatty():
        return nullcontext(_silent)
    from speech_compat._progress import progress_bar

    return progress_bar(file.path.name, file.duration)


def _silent(offset: int) -> None:
    """Show nothing."""


def _report_missing(file: WavFile) -> int:
    for note in file.notes:
        sys.stderr.write(f"speech-compat: {file.path}: {note}\n")
    return _TRUNCATED if file.truncated else 0


def _joined(documents: list[str], options: argparse.Namespace) -> str:
    """Put documents together; text gets a heading each where there are several."""
    if len(options.files) == 1 or options.format != "text":
        return "".join(documents)
    heads = (f"== {one_line(str(path))}\n" for path in options.files)
    return "\n".join(head + text for head, text in zip(heads, documents, strict=False))


def _write(text: str, output: Path | None) -> None:
    """Write to standard output, or a file that is whole or untouched."""
    if output is None:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(output)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(output)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _with(backend: Backend, ask: Callable[[Backend], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            return await ask(backend)
        finally:
            await backend.aclose()

    return anyio.run(run)
