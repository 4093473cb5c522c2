"""The command ``record``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Sequence

import anyio
from anyio.to_thread import run_sync

from speech_adapters.audio import AudioFile, open_audio
from speech_adapters.config import load_settings
from speech_adapters.contract import MeetingRequest, Mode, SessionEvent
from speech_adapters.meetings import MeetingService
from speech_adapters.replay_script import dump_script, transcript_events
from speech_adapters.transcript import Provenance, Transcript
from speech_compat._session.mapping.requests import log_gaps
from speech_compat.cli.live import play_file
from speech_compat.cli.output import report, write
from speech_compat.cli.service import with_service

__all__ = ["record"]

_POLL_SECONDS = 0.5
_Recorded = tuple[Sequence[SessionEvent], Provenance]


def record(options: argparse.Namespace) -> int:
    """Write a replay script of a recording that is transcribed now, or of a stored meeting.

    Raises:
        SpeechError: the recording cannot be transcribed, or there is no such meeting.
        OSError: a file cannot be read or written.
    """

    async def work(meetings: MeetingService) -> _Recorded:
        if options.meeting is not None:
            return _of_transcript(await meetings.transcript(options.meeting))
        with open_audio(options.file) as file:
            return await _transcribe(meetings, file, options)

    properties = {} if options.backend is None else {"backend": options.backend}
    events, source = with_service(work, load_settings(properties))
    write(dump_script(events, source), options.output)
    report(
        f"{options.output} has {len(events)} events. It is a transcript, so it may be personal"
        " data: read it before you add it to a repository."
    )
    return 0


async def _transcribe(
    meetings: MeetingService, file: AudioFile, options: argparse.Namespace
) -> _Recorded:
    backend = await run_sync(meetings.backend)
    live = backend.capabilities.live
    request = MeetingRequest(
        f"speech-compat-{uuid.uuid4().hex}",
        audio=file.pcm,
        mode=Mode.LIVE if live else Mode.STORED,
        language=options.language,
        max_speakers=options.speakers,
        notes=file.notes,
    )
    backend, gaps = await meetings.choose(request)
    log_gaps(backend.name, gaps)
    events: list[SessionEvent] = []
    async with await meetings.open_session(request) as session:
        await play_file(session, file, events.append)
    if live:
        return events, backend.provenance
    return _of_transcript(await _fetch(meetings, request.meeting_id))


async def _fetch(meetings: MeetingService, meeting_id: str) -> Transcript:
    """Wait for a transcript; the script is all that is kept of it."""
    while not (await meetings.status(meeting_id)).state.final:
        await anyio.sleep(_POLL_SECONDS)
    try:
        return await meetings.transcript(meeting_id)
    finally:
        # Of a meeting that failed too: the user has the recording, and stored nothing.
        await meetings.delete(meeting_id)


def _of_transcript(transcript: Transcript) -> _Recorded:
    return list(transcript_events(transcript.utterances)), transcript.provenance
