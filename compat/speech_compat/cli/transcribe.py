"""The command ``transcribe``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import shlex
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import attrs
from anyio.to_thread import run_sync

from speech_adapters import threads
from speech_adapters.audio import WavFile
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import (
    MeetingRequest,
    Mode,
    Progress,
    Recognized,
    Session,
)
from speech_adapters.errors import AudioError, SpeechError
from speech_adapters.export import SUFFIXES, one_line, render
from speech_adapters.meetings import MeetingService
from speech_adapters.transcript import Transcript, Utterance
from speech_compat._session.mapping.requests import log_gaps
from speech_compat.cli.output import format_status, report, write

__all__ = ["transcribe"]

# Exit code: transcribed, but the file was truncated.
_TRUNCATED: Final = 3
_BLOCK_FRAMES: Final = 65_536
# Seconds between two status queries; the backends limit how often they query the service.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0


def transcribe(options: argparse.Namespace) -> int:
    """Transcribe files; transcripts completed before an error are written.

    Returns:
        The exit code: 0, or 3 if a file was truncated.

    Raises:
        SpeechError: a file could not be transcribed.
        OSError: an output file could not be written.
    """
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
                name = _stem(source) or transcript.meeting_id
                write(document, folder / f"{name}.{SUFFIXES[options.format]}")
            else:
                documents.append(document)
    finally:
        if documents:
            write(_join(documents, options), options.output)
    return code


def _transcribe_source(
    source: Path | str, options: argparse.Namespace, settings: Settings
) -> tuple[Transcript, int]:
    """Transcribe a file or the audio at an address; returns transcript and exit code."""
    if isinstance(source, str):
        return anyio.run(_transcribe_with_backend, settings, options, None, source), 0
    with WavFile(source) as file:
        if file.duration == 0:
            raise AudioError(
                f"{file.path} has no audio (0 seconds): there is nothing to transcribe."
            )
        transcript = anyio.run(_transcribe_with_backend, settings, options, file, "")
        # After the transcription: truncation is known only at the end of the file.
        for note in file.notes:
            report(f"{file.path}: {note}")
        return transcript, _TRUNCATED if file.truncated else 0


async def _transcribe_with_backend(
    settings: Settings, options: argparse.Namespace, file: WavFile | None, address: str
) -> Transcript:
    """Transcribe a file or the audio at an address in the way that the backend allows."""
    async with MeetingService(settings) as meetings:
        backend = await threads.COMPUTE.run(meetings.backend)
        if file is not None and backend.capabilities.live:
            return await _transcribe_live(meetings, file, options)
        addresses = (address,) if file is None else ()
        return await _transcribe_stored(meetings, addresses, file, options)


async def _transcribe_live(
    meetings: MeetingService, file: WavFile, options: argparse.Namespace
) -> Transcript:
    """Transcribe with a backend that sends live events."""
    mode = Mode.BOTH if options.meeting_id is not None else Mode.LIVE
    meeting_id = options.meeting_id or file.path.stem or uuid.uuid4().hex
    request = _request(options, meeting_id, mode, file)
    backend, gaps = await meetings.choose(request)
    log_gaps(backend.name, gaps)
    async with await meetings.open_session(request) as session:
        with _audio_progress(file) as show:
            utterances = await _collect_utterances(session, file, show)
    length = file.pcm.ticks(file.pcm.frame_bytes * file.frames_read)
    provenance = attrs.evolve(backend.provenance, notes=request.notes)
    return Transcript(request.meeting_id, utterances, length, provenance)


async def _transcribe_stored(
    meetings: MeetingService,
    addresses: tuple[str, ...],
    file: WavFile | None,
    options: argparse.Namespace,
) -> Transcript:
    """Transcribe with a backend that has no live events: record, then wait for the result."""
    meeting_id = options.meeting_id or f"speech-compat-{uuid.uuid4().hex}"
    request = _request(options, meeting_id, Mode.STORED, file)
    request = attrs.evolve(request, addresses=addresses)
    backend, gaps = await meetings.choose(request)
    log_gaps(backend.name, gaps)
    async with await meetings.open_session(request) as session:
        if file is not None:
            with _audio_progress(file) as show:
                while block := await run_sync(file.read, _BLOCK_FRAMES):
                    await session.push(block)
                    show(file.pcm.ticks(file.pcm.frame_bytes * file.frames_read))
        await session.finish()
    transcript = await _await_result(meetings, meeting_id)
    # Without --meeting-id the user keeps nothing, so neither does the service.
    if options.meeting_id is None:
        await meetings.delete(meeting_id)
    return transcript


def _request(
    options: argparse.Namespace, meeting_id: str, mode: Mode, file: WavFile | None
) -> MeetingRequest:
    request = MeetingRequest(
        meeting_id, mode=mode, language=options.language, max_speakers=options.speakers
    )
    return request if file is None else attrs.evolve(request, audio=file.pcm, notes=file.notes)


async def _await_result(meetings: MeetingService, meeting_id: str) -> Transcript:
    """Return the transcript once it is complete, however long that takes."""
    pause = _FIRST_PAUSE
    try:
        with _status(meeting_id) as show:
            while not (status := await meetings.status(meeting_id)).state.final:
                show(format_status(status))
                await anyio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
    except BaseException as error:
        # An interrupted wait loses nothing, so the user learns how to continue.
        if not isinstance(error, SpeechError) or error.retryable:
            report(
                "The meeting is stored and still being transcribed. Show it later with:"
                f" speech-compat show {shlex.quote(meeting_id)}"
            )
        raise
    return await meetings.transcript(meeting_id)


async def _collect_utterances(
    session: Session, file: WavFile, show: Callable[[int], Any]
) -> tuple[Utterance, ...]:
    """Push a file into a session; returns its final utterances by offset."""
    # By id, so that a corrected utterance replaces the first one.
    utterances: dict[str, Utterance] = {}
    # Each task collects its error; the first one is the cause of the other.
    failures: list[SpeechError] = []

    async def push() -> None:
        try:
            while block := await run_sync(file.read, _BLOCK_FRAMES):
                await session.push(block)
            await session.finish()
        except SpeechError as error:
            failures.append(error)
            # Ends the events, for which the other task waits.
            await session.aclose()

    async def receive() -> None:
        try:
            async for event in session.events():
                if isinstance(event, Recognized):
                    utterances[event.utterance.id] = event.utterance
                elif isinstance(event, Progress):
                    show(event.offset)
        except SpeechError as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        tasks.start_soon(receive)
    if failures:
        raise failures[0]
    return tuple(sorted(utterances.values(), key=lambda utterance: utterance.offset))


def _audio_progress(file: WavFile) -> AbstractContextManager[Callable[[int], Any]]:
    """Show a progress bar on a terminal; yields a function that sets the offset in ticks."""
    if not sys.stderr.isatty():
        return nullcontext(_show_nothing)
    # Imported only for a terminal, since rich takes longer to load than all the rest.
    from speech_compat.cli.progress import progress_bar

    return progress_bar(file.path.name, file.duration)


def _status(title: str) -> AbstractContextManager[Callable[[str], Any]]:
    """Show a status line on a terminal; yields a function that updates it."""
    if not sys.stderr.isatty():
        return nullcontext(_show_nothing)
    from speech_compat.cli.progress import status_line

    return status_line(title)


def _show_nothing(_: object) -> None:
    """Do nothing: standard error is not a terminal."""


def _join(documents: list[str], options: argparse.Namespace) -> str:
    """Join documents; several texts get a heading each."""
    if len(options.files) == 1 or options.format != "text":
        return "".join(documents)
    # Without the query of an address, which may be a signature.
    names = (s.split("?")[0] if isinstance(s, str) else str(s) for s in options.files)
    # After an error there are fewer documents than files.
    return "\n".join(
        f"== {one_line(name)}\n{text}" for name, text in zip(names, documents, strict=False)
    )


def _stem(source: Path | str) -> str:
    path = source if isinstance(source, Path) else Path(urlsplit(source).path)
    return path.stem
