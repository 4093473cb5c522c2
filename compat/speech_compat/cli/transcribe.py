"""The command ``transcribe``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import shlex
import sys
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

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
from speech_adapters.errors import AudioError, SpeechError
from speech_adapters.export import SUFFIXES, one_line, render
from speech_adapters.registry import choose_backend, create_backend
from speech_adapters.transcript import Transcript, Utterance
from speech_compat._session.mapping import tell_gaps
from speech_compat.cli.output import how_far, write

__all__ = ["transcribe"]

_TRUNCATED: Final = 3
_BLOCK_FRAMES: Final = 65_536
# Seconds between two looks at a meeting; the backends decide how often the service is asked.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0


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
        for source in options.files:
            transcript, found = _transcribe_source(source, options, settings)
            code = max(code, found)
            document = render(transcript, options.format)
            if folder is not None:
                name = _name_of(source) or transcript.meeting_id
                write(document, folder / f"{name}.{SUFFIXES[options.format]}")
            else:
                documents.append(document)
    finally:
        if documents:
            write(_joined(documents, options), options.output)
    return code


def _transcribe_source(
    source: Path | str, options: argparse.Namespace, settings: Settings
) -> tuple[Transcript, int]:
    """Transcribe a file or what is at an address; gives the exit code beside it."""
    if isinstance(source, str):
        return anyio.run(_transcribe_stored, (source,), None, options, settings), 0
    with WavFile(source) as file:
        if file.duration == 0:
            raise AudioError(
                f"{file.path} has no audio (0 seconds): there is nothing to transcribe."
            )
        live = create_backend(settings).capabilities.live
        if live:
            transcript = anyio.run(_transcribe_file, file, options, settings)
        else:
            transcript = anyio.run(_transcribe_stored, (), file, options, settings)
        return transcript, _report_missing(file)


async def _transcribe_file(
    file: WavFile, options: argparse.Namespace, settings: Settings
) -> Transcript:
    mode = Mode.BOTH if options.meeting_id is not None else Mode.LIVE
    meeting_id = options.meeting_id or file.path.stem or uuid.uuid4().hex
    request = _request(options, meeting_id, mode, file)
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


async def _transcribe_stored(
    addresses: tuple[str, ...],
    file: WavFile | None,
    options: argparse.Namespace,
    settings: Settings,
) -> Transcript:
    """Transcribe with a backend that gives no events: record, then wait for the result."""
    meeting_id = options.meeting_id or f"speech-compat-{uuid.uuid4().hex}"
    request = _request(options, meeting_id, Mode.STORED, file)
    request = attrs.evolve(request, addresses=addresses)
    backend, gaps = choose_backend(request, settings)
    tell_gaps(backend.name, gaps)
    try:
        session = await backend.open_session(request)
        try:
            if file is not None:
                with _meter(file) as meter:
                    await _push(session, file, meter)
            await session.finish()
        finally:
            await session.aclose()
        transcript = await _await_result(backend, meeting_id)
        if options.meeting_id is None:
            await backend.delete(meeting_id)
        return transcript
    finally:
        await backend.aclose()


def _request(
    options: argparse.Namespace, meeting_id: str, mode: Mode, file: WavFile | None
) -> MeetingRequest:
    request = MeetingRequest(
        meeting_id, mode=mode, language=options.language, max_speakers=options.speakers
    )
    return request if file is None else attrs.evolve(request, audio=file.pcm, notes=file.notes)


async def _push(session: Session, file: WavFile, meter: Meter) -> None:
    while block := await run_sync(file.read, _BLOCK_FRAMES):
        await session.push(block)
        meter(file.pcm.ticks(file.pcm.frame_bytes * file.frames_read))


async def _await_result(backend: Backend, meeting_id: str) -> Transcript:
    """Wait as long as it takes; whoever interrupts is told how to come back."""
    pause = _FIRST_PAUSE
    try:
        with _standing(meeting_id) as tell:
            while not (status := await backend.status(meeting_id)).state.final:
                tell(how_far(status))
                await anyio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
    except BaseException as error:
        if not isinstance(error, SpeechError) or error.retryable:
            sys.stderr.write(
                "speech-compat: the meeting is kept and goes on; see it later with:"
                f" speech-compat show {shlex.quote(meeting_id)}\n"
            )
        raise
    return await backend.transcript(meeting_id)


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
    from speech_compat.cli.progress import progress_bar

    return progress_bar(file.path.name, file.duration)


def _standing(title: str) -> Any:
    if not sys.stderr.isatty():
        return nullcontext(_silent)
    from speech_compat.cli.progress import standing_line

    return standing_line(title)


def _silent(_: object) -> None:
    """Show nothing."""


def _report_missing(file: WavFile) -> int:
    for note in file.notes:
        sys.stderr.write(f"speech-compat: {file.path}: {note}\n")
    return _TRUNCATED if file.truncated else 0


def _joined(documents: list[str], options: argparse.Namespace) -> str:
    """Put documents together; text gets a heading each where there are several."""
    if len(options.files) == 1 or options.format != "text":
        return "".join(documents)
    heads = (f"== {one_line(_shown(source))}\n" for source in options.files)
    return "\n".join(head + text for head, text in zip(heads, documents, strict=False))


def _shown(source: Path | str) -> str:
    """Give a source without an address's query, which may be a signature."""
    return str(source).split("?")[0] if isinstance(source, str) else str(source)


def _name_of(source: Path | str) -> str:
    path = source if isinstance(source, Path) else Path(urlsplit(source).path)
    return path.stem
