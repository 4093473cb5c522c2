"""The transcription of a recording by a backend without live events, through the meeting store.

Without ``--meeting-id`` the meeting has an id that is derived from the file, and is deleted
once its transcript is here.  A command that is interrupted leaves it if its audio is complete;
the same command continues with it.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import attrs

from speech_adapters.audio import AudioFile
from speech_adapters.contract import JobState, Mode
from speech_adapters.errors import MeetingFailedError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.files import record_file
from speech_adapters.store import Store
from speech_adapters.transcript import Transcript
from speech_compat._session.mapping.requests import log_gaps
from speech_compat.cli.display import Display
from speech_compat.cli.output import format_status, report
from speech_compat.cli.requests import request_for
from speech_compat.cli.sources import Source

__all__ = ["transcribe_stored"]

# Seconds between two status queries; the backends limit how often they query the service.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0


async def transcribe_stored(
    meetings: MeetingService,
    source: Source,
    file: AudioFile | None,
    options: argparse.Namespace,
    display: Display,
) -> Transcript:
    """Record a file, or pass an address on, and wait for the result.

    Raises:
        SpeechError: there is no transcript; a meeting that is kept was reported.
    """
    meeting_id = options.meeting_id or _temporary_id(meetings, source, options)
    if options.meeting_id is not None or not await _continue(meetings, meeting_id):
        await _record(meetings, meeting_id, source, file, options, display)
    with _reported_if_kept(meeting_id):
        transcript = await _await_result(meetings, meeting_id, source, display)
    # Without --meeting-id the user keeps nothing, so neither does the service.
    if options.meeting_id is None:
        await meetings.delete(meeting_id)
    return transcript


def _temporary_id(meetings: MeetingService, source: Source, options: argparse.Namespace) -> str:
    """Return an id that is the same for a file with the same content, options and backend."""
    # Standard input and an address may have another content next time.
    if source.path is None or not source.repeatable:
        return f"speech-compat-{uuid.uuid4().hex}"
    status = source.path.stat()
    identity = (
        str(source.path.resolve()),
        status.st_size,
        status.st_mtime_ns,
        meetings.settings.backend,
        options.language,
        options.speakers,
        [path.read_bytes() for path in options.participants],
    )
    return f"speech-compat-{hashlib.sha256(repr(identity).encode()).hexdigest()[:32]}"


async def _continue(meetings: MeetingService, meeting_id: str) -> bool:
    """Return whether an interrupted command left the meeting; a failed one is retried."""
    recordings = await meetings.store.run(Store.recordings, meeting_id)
    state = recordings[0].state if recordings else JobState.DELETED
    if state is JobState.FAILED:
        try:
            await meetings.resume(meeting_id)
        except MeetingFailedError:  # its audio is gone, but here is the file
            return False
    return state is not JobState.DELETED


async def _record(
    meetings: MeetingService,
    meeting_id: str,
    source: Source,
    file: AudioFile | None,
    options: argparse.Namespace,
    display: Display,
) -> None:
    """Store the recording, complete."""
    request = request_for(options, meeting_id, Mode.STORED, file)
    if source.address is not None:
        request = attrs.evolve(request, addresses=(source.address,))
    backend, gaps = await meetings.choose(request)
    log_gaps(backend.name, gaps)
    complete = False
    session = await meetings.open_session(request)
    try:
        async with session:
            if file is not None:
                with display.bar(source.name, file.duration, source.weight) as show:
                    await record_file(meetings, session, request, file, show)
            complete = True
            with _reported_if_kept(meeting_id):
                await session.finish()
    except BaseException:
        if not complete:
            await _discard_part(meetings, meeting_id, wanted=options.meeting_id is not None)
        raise


async def _discard_part(meetings: MeetingService, meeting_id: str, *, wanted: bool) -> None:
    """Delete a recording that has only a part of the audio, unless its id is the user's.

    That id may have earlier recordings, which a deletion would include.
    """
    reason = ""
    if not wanted:
        # Shielded from the interrupt that may be the reason.
        with anyio.CancelScope(shield=True):
            try:
                await meetings.delete(meeting_id)
                return
            except SpeechError as error:
                reason = f" {error}"
    report(
        f"A part of the recording is stored as meeting {meeting_id}.{reason} Discard it with:"
        f" speech-compat delete {shlex.quote(meeting_id)}"
    )


@contextmanager
def _reported_if_kept(meeting_id: str) -> Iterator[None]:
    """Report how to continue with the complete recording, or to discard it, after an error."""
    name = shlex.quote(meeting_id)
    try:
        yield
    except BaseException as error:
        if not isinstance(error, SpeechError) or error.retryable:
            report(
                "The meeting is stored and still being transcribed. Show it later with:"
                f" speech-compat show {name}. Discard it with: speech-compat delete {name}"
            )
        else:
            report(
                f"The recording is stored as meeting {meeting_id}. Try it again with:"
                f" speech-compat resume {name}. Discard it with: speech-compat delete {name}"
            )
        raise


async def _await_result(
    meetings: MeetingService, meeting_id: str, source: Source, display: Display
) -> Transcript:
    """Return the transcript once it is complete, however long that takes."""
    pause = _FIRST_PAUSE
    with display.status(source.name) as show:
        while not (status := await meetings.status(meeting_id)).state.final:
            show(format_status(status))
            await anyio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    return await meetings.transcript(meeting_id)
