"""The transcription of a file by a backend that sends live events."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import attrs
from anyio.to_thread import run_sync

from speech_adapters.audio import AudioFile
from speech_adapters.contract import Mode, Origin, Progress, Recognized, Session, SessionEvent
from speech_adapters.errors import SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.transcript import Provenance, Transcript, Utterance
from speech_compat._session.mapping.requests import log_gaps
from speech_compat.cli.display import Display
from speech_compat.cli.output import report
from speech_compat.cli.requests import request_for
from speech_compat.cli.sources import Source

__all__ = ["play_file", "transcribe_live"]

_BLOCK_FRAMES: Final = 65_536


@attrs.define
class _Collected:
    """What the events of a session have.

    Attributes:
        provenance: that of the transcript.
        utterances: by id, so that a corrected utterance replaces the first one.
    """

    provenance: Provenance
    utterances: dict[str, Utterance] = attrs.field(factory=dict)

    def add(self, event: SessionEvent) -> None:
        """Note an event; what was emulated is reported."""
        if isinstance(event, Recognized):
            self.utterances[event.utterance.id] = event.utterance
        elif isinstance(event, Origin):
            self.provenance = event.provenance
            for sentence in event.provenance.emulated:
                report(sentence)


async def transcribe_live(
    meetings: MeetingService,
    source: Source,
    file: AudioFile,
    options: argparse.Namespace,
    display: Display,
) -> Transcript:
    """Transcribe a file; with ``--meeting-id`` the backend also stores the meeting.

    Raises:
        SpeechError: the recognition failed, or the meeting cannot be stored.
    """
    mode = Mode.BOTH if options.meeting_id is not None else Mode.LIVE
    meeting_id = options.meeting_id or Path(source.name).stem or uuid.uuid4().hex
    request = request_for(options, meeting_id, mode, file)
    backend, gaps = await meetings.choose(request)
    log_gaps(backend.name, gaps)
    collected = _Collected(backend.provenance)
    async with await meetings.open_session(request) as session:
        with display.bar(source.name, file.duration, source.weight) as show:

            def receive(event: SessionEvent) -> None:
                collected.add(event)
                if isinstance(event, Progress):
                    show(event.offset)

            await play_file(session, file, receive)
    length = file.pcm.ticks(file.pcm.frame_bytes * file.frames_read)
    # Those of the file, since damage is known only at its end.
    provenance = attrs.evolve(collected.provenance, notes=file.notes)
    utterances = tuple(sorted(collected.utterances.values(), key=lambda u: u.offset))
    return Transcript(request.meeting_id, utterances, length, provenance)


async def play_file(
    session: Session, file: AudioFile, receive: Callable[[SessionEvent], object]
) -> None:
    """Push a file into a session, and pass its events on.

    Raises:
        SpeechError: the first error of either side, which is the cause of the other's.
    """
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

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        try:
            async for event in session.events():
                receive(event)
        except SpeechError as error:
            failures.append(error)
            # Without events, a push may wait for ever.
            tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]
