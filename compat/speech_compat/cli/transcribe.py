"""The command ``transcribe``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
import attrs
from anyio.to_thread import run_sync

from speech_adapters import threads
from speech_adapters.audio import WavFile
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import (
    Attendee,
    MeetingRequest,
    Mode,
    Origin,
    Progress,
    Recognized,
    Session,
)
from speech_adapters.errors import AudioError, SpeechError, VoiceSignatureError
from speech_adapters.export import SUFFIXES, one_line, render
from speech_adapters.meetings import MeetingService
from speech_adapters.signatures import parse_signature
from speech_adapters.transcript import Provenance, Transcript, Utterance
from speech_compat._session.mapping.requests import log_gaps
from speech_compat.cli.output import format_status, reason_of, report, write

if TYPE_CHECKING:
    from speech_compat.cli.progress import ProgressDisplay

__all__ = ["transcribe"]

# Exit code: transcribed, but the file was truncated.
_TRUNCATED: Final = 3
_BLOCK_FRAMES: Final = 65_536
# Seconds between two status queries; the backends limit how often they query the service.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0


@attrs.define
class _Outcome:
    """What became of one file or address.

    Attributes:
        document: the transcript in the requested format; ``None`` if it was written already,
            or there is none.
        notes: what the user has to know about the file.
        code: its exit code.
        error: why there is no transcript.
    """

    document: str | None = None
    notes: tuple[str, ...] = ()
    code: int = 0
    error: SpeechError | OSError | None = None


@attrs.define
class _Collected:
    """What the events of a session have.

    Attributes:
        provenance: that of the transcript.
        utterances: by id, so that a corrected utterance replaces the first one.
    """

    provenance: Provenance
    utterances: dict[str, Utterance] = attrs.field(factory=dict)


def transcribe(options: argparse.Namespace) -> int:
    """Transcribe files, several at a time; transcripts completed before an error are written.

    Returns:
        The exit code: 0, 1 if one of several files failed, or 3 if a file was truncated.

    Raises:
        SpeechError: the only file could not be transcribed, or none can be.
        OSError: an output file could not be written.
    """
    properties = {} if options.backend is None else {"backend": options.backend}
    settings = load_settings(properties)
    outcomes = [_Outcome() for _ in options.files]
    try:
        anyio.run(_transcribe_all, options, settings, outcomes)
    finally:
        # In the order of the files; also after an interrupt.
        _write_documents(options, outcomes)
    for source, outcome in zip(options.files, outcomes, strict=True):
        for note in outcome.notes:
            report(f"{source}: {note}")
        if outcome.error is not None:
            if len(outcomes) == 1:
                raise outcome.error
            report(f"{_name(source)}: {reason_of(outcome.error)}")
    failed = any(outcome.error is not None for outcome in outcomes)
    return 1 if failed else max(outcome.code for outcome in outcomes)


async def _transcribe_all(
    options: argparse.Namespace, settings: Settings, outcomes: list[_Outcome]
) -> None:
    async with MeetingService(settings) as meetings:
        backend = await threads.COMPUTE.run(meetings.backend)
        # A service may limit the requests at a time, and charges for them.
        cores = (os.cpu_count() or 1) if getattr(backend, "offline", False) else 1
        limiter = anyio.CapacityLimiter(options.jobs or cores)
        with _display() as display:
            async with anyio.create_task_group() as tasks:
                for source, outcome in zip(options.files, outcomes, strict=True):
                    tasks.start_soon(
                        _transcribe_one, meetings, source, options, display, limiter, outcome
                    )


async def _transcribe_one(
    meetings: MeetingService,
    source: Path | str,
    options: argparse.Namespace,
    display: ProgressDisplay | None,
    limiter: anyio.CapacityLimiter,
    outcome: _Outcome,
) -> None:
    """Transcribe a file or address; an error of it is none of the others."""
    async with limiter:
        try:
            transcript = await _transcribe_source(meetings, source, options, display, outcome)
            document = render(transcript, options.format)
            if options.output is not None and options.output.is_dir():
                name = _stem(source) or transcript.meeting_id
                write(document, options.output / f"{name}.{SUFFIXES[options.format]}")
            else:
                outcome.document = document
        except (SpeechError, OSError) as error:
            outcome.error = error


async def _transcribe_source(
    meetings: MeetingService,
    source: Path | str,
    options: argparse.Namespace,
    display: ProgressDisplay | None,
    outcome: _Outcome,
) -> Transcript:
    """Transcribe a file or the audio at an address in the way that the backend allows."""
    if isinstance(source, str):
        return await _transcribe_stored(meetings, (source,), None, options, display)
    with WavFile(source) as file:
        if file.duration == 0:
            raise AudioError(
                f"{file.path} has no audio (0 seconds): there is nothing to transcribe."
            )
        if meetings.backend().capabilities.live:
            transcript = await _transcribe_live(meetings, file, options, display)
        else:
            transcript = await _transcribe_stored(meetings, (), file, options, display)
        # After the transcription: truncation is known only at the end of the file.
        outcome.notes = file.notes
        outcome.code = _TRUNCATED if file.truncated else 0
        return transcript


async def _transcribe_live(
    meetings: MeetingService,
    file: WavFile,
    options: argparse.Namespace,
    display: ProgressDisplay | None,
) -> Transcript:
    """Transcribe with a backend that sends live events."""
    mode = Mode.BOTH if options.meeting_id is not None else Mode.LIVE
    meeting_id = options.meeting_id or file.path.stem or uuid.uuid4().hex
    request = _request(options, meeting_id, mode, file)
    backend, gaps = await meetings.choose(request)
    log_gaps(backend.name, gaps)
    collected = _Collected(backend.provenance)
    async with await meetings.open_session(request) as session:
        with _audio_progress(display, file) as show:
            await _collect(session, file, show, collected)
    length = file.pcm.ticks(file.pcm.frame_bytes * file.frames_read)
    provenance = attrs.evolve(collected.provenance, notes=request.notes)
    utterances = tuple(sorted(collected.utterances.values(), key=lambda u: u.offset))
    return Transcript(request.meeting_id, utterances, length, provenance)


async def _transcribe_stored(
    meetings: MeetingService,
    addresses: tuple[str, ...],
    file: WavFile | None,
    options: argparse.Namespace,
    display: ProgressDisplay | None,
) -> Transcript:
    """Transcribe with a backend that has no live events: record, then wait for the result."""
    meeting_id = options.meeting_id or f"speech-compat-{uuid.uuid4().hex}"
    request = _request(options, meeting_id, Mode.STORED, file)
    request = attrs.evolve(request, addresses=addresses)
    backend, gaps = await meetings.choose(request)
    log_gaps(backend.name, gaps)
    async with await meetings.open_session(request) as session:
        if file is not None:
            with _audio_progress(display, file) as show:
                while block := await run_sync(file.read, _BLOCK_FRAMES):
                    await session.push(block)
                    show(file.pcm.ticks(file.pcm.frame_bytes * file.frames_read))
        await session.finish()
    transcript = await _await_result(meetings, meeting_id, display)
    # Without --meeting-id the user keeps nothing, so neither does the service.
    if options.meeting_id is None:
        await meetings.delete(meeting_id)
    return transcript


def _attendee(path: Path) -> Attendee:
    """Return the participant whose voice signature is in a file; its name is the id."""
    signature = path.read_text("utf-8", errors="replace")
    # A file that cannot be used would only lose the name, which is easy to miss.
    try:
        parse_signature(signature)
    except VoiceSignatureError as error:
        raise VoiceSignatureError(f"{path}: {error}", error.reason) from None
    return Attendee(path.stem, voice_signature=signature)


def _request(
    options: argparse.Namespace, meeting_id: str, mode: Mode, file: WavFile | None
) -> MeetingRequest:
    request = MeetingRequest(
        meeting_id,
        mode=mode,
        language=options.language,
        immediate=False,
        max_speakers=options.speakers,
        attendees=tuple(_attendee(path) for path in options.participants),
    )
    return request if file is None else attrs.evolve(request, audio=file.pcm, notes=file.notes)


async def _await_result(
    meetings: MeetingService, meeting_id: str, display: ProgressDisplay | None
) -> Transcript:
    """Return the transcript once it is complete, however long that takes."""
    pause = _FIRST_PAUSE
    try:
        with _status(display, meeting_id) as show:
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


async def _collect(
    session: Session, file: WavFile, show: Callable[[int], Any], collected: _Collected
) -> None:
    """Push a file into a session, and collect what its events have."""
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
                    collected.utterances[event.utterance.id] = event.utterance
                elif isinstance(event, Origin):
                    collected.provenance = event.provenance
                    for sentence in event.provenance.emulated:
                        report(sentence)
                elif isinstance(event, Progress):
                    show(event.offset)
        except SpeechError as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        tasks.start_soon(receive)
    if failures:
        raise failures[0]


def _display() -> AbstractContextManager[ProgressDisplay | None]:
    """Open the display of the progress; on a terminal only."""
    if not sys.stderr.isatty():
        return nullcontext()
    # Imported only for a terminal, since rich takes longer to load than all the rest.
    from speech_compat.cli.progress import ProgressDisplay

    return ProgressDisplay()


def _audio_progress(
    display: ProgressDisplay | None, file: WavFile
) -> AbstractContextManager[Callable[[int], Any]]:
    """Show a progress bar; yields a function that sets the offset in ticks."""
    if display is None:
        return nullcontext(_show_nothing)
    return display.bar(file.path.name, file.duration)


def _status(
    display: ProgressDisplay | None, title: str
) -> AbstractContextManager[Callable[[str], Any]]:
    """Show a status line; yields a function that updates it."""
    return nullcontext(_show_nothing) if display is None else display.status(title)


def _show_nothing(_: object) -> None:
    """Do nothing: standard error is not a terminal."""


def _write_documents(options: argparse.Namespace, outcomes: list[_Outcome]) -> None:
    """Write the documents that are not written yet; several texts get a heading each."""
    found = [
        (source, outcome.document)
        for source, outcome in zip(options.files, outcomes, strict=True)
        if outcome.document is not None
    ]
    if not found:
        return
    if len(outcomes) == 1 or options.format != "text":
        write("".join(document for _, document in found), options.output)
    else:
        texts = (f"== {one_line(_name(source))}\n{text}" for source, text in found)
        write("\n".join(texts), options.output)


def _name(source: Path | str) -> str:
    """Return a file or address without its query, which may be a signature."""
    return source.split("?")[0] if isinstance(source, str) else str(source)


def _stem(source: Path | str) -> str:
    path = source if isinstance(source, Path) else Path(urlsplit(source).path)
    return path.stem
