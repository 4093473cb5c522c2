"""Recording of files: all of their audio, and what is known at their end only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import attrs

from speech_adapters import threads
from speech_adapters.audio import AudioFile
from speech_adapters.contract import BlockingSession, MeetingRequest, Session

__all__ = ["FileKeeper", "record_file"]

_BLOCK_FRAMES: Final = 65_536


class FileKeeper(Protocol):
    """What :class:`.meetings.MeetingService` does for a recorded file."""

    async def replace_notes(self, request: MeetingRequest) -> None:
        """Replace the notes of a meeting that is being recorded."""
        ...

    async def keep_original(self, meeting_id: str, file: Path) -> None:
        """Keep a compressed file beside its recording."""
        ...


async def record_file(
    meetings: FileKeeper,
    session: Session,
    request: MeetingRequest,
    file: AudioFile,
    on_block: Callable[[int], object] | None = None,
) -> None:
    """Push all of a file into a session, which is not finished yet.

    Args:
        meetings: the meeting service.
        session: a session with a stored mode.
        request: its request.
        file: the file.
        on_block: is called with the offset in ticks after each block.

    Raises:
        AudioError: the file cannot be read.
        StoreError: the audio cannot be stored.
    """
    if on_block is None and isinstance(session, BlockingSession):
        # One change of threads for the whole file, instead of three for each block.
        await threads.AUDIO.run(_copy, file, session)
    else:
        while block := await threads.AUDIO.run(file.read, _BLOCK_FRAMES):
            await session.push(block)
            if on_block is not None:
                on_block(file.pcm.ticks(file.pcm.frame_bytes * file.frames_read))
    if file.notes != request.notes:
        await meetings.replace_notes(attrs.evolve(request, notes=file.notes))
    if file.original is not None:
        await meetings.keep_original(request.meeting_id, file.original)


def _copy(file: AudioFile, session: BlockingSession) -> None:
    while block := file.read(_BLOCK_FRAMES):
        session.push_blocking(block)
