"""Asking about meetings by id, whoever has them.

What is finished is read from the meeting store of this machine, and needs no backend, no
key and no network; anything else is asked of the backend that recorded the meeting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from anyio.to_thread import run_sync

from speech_adapters.config import Settings
from speech_adapters.contract import Backend, JobState, MeetingStatus
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.registry import meeting_backend
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Transcript

__all__ = ["delete_meeting", "meeting_status", "meeting_transcript", "resume_meeting"]

T = TypeVar("T")

_FINISHED: Final = (JobState.COMPLETED, JobState.FAILED)


async def meeting_status(settings: Settings, meeting_id: str) -> MeetingStatus:
    """Tell what became of a meeting; moves it on where it is not finished.

    Raises:
        MeetingNotFoundError: there is none of that id.
        SpeechError: its backend cannot be had, or asked.
    """
    kept = await run_sync(_kept, settings, meeting_id)
    if kept is not None and kept.state in _FINISHED:
        return kept.status()
    return await _ask(settings, meeting_id, lambda backend: backend.status(meeting_id))


async def meeting_transcript(settings: Settings, meeting_id: str) -> Transcript:
    """Give the transcript of a meeting.

    Raises:
        MeetingNotFoundError: there is none of that id, or it was deleted.
        MeetingFailedError: it failed, with the reason.
        MeetingBusyError: it is not finished yet.
        SpeechError: its backend cannot be had, or asked.
    """
    kept = await run_sync(_kept, settings, meeting_id)
    if kept is not None and kept.state in _FINISHED:
        return await run_sync(_transcript, settings, kept)
    return await _ask(settings, meeting_id, lambda backend: backend.transcript(meeting_id))


async def resume_meeting(settings: Settings, meeting_id: str) -> MeetingStatus:
    """Take up a meeting again that has failed.

    Raises:
        MeetingNotFoundError: there is none of that id.
        MeetingFailedError: it cannot be tried again.
        SpeechError: its backend cannot be had, or asked.
    """
    return await _ask(settings, meeting_id, lambda backend: backend.resume(meeting_id))


async def delete_meeting(settings: Settings, meeting_id: str) -> None:
    """Delete audio and transcript of a meeting, here and at its service.

    Raises:
        MeetingNotFoundError: there is none of that id.
        MeetingBusyError: it is being recorded just now.
        SpeechError: its backend cannot be had, or asked.
    """
    await _ask(settings, meeting_id, lambda backend: backend.delete(meeting_id))


async def _ask(
    settings: Settings, meeting_id: str, question: Callable[[Backend], Awaitable[T]]
) -> T:
    backend = await run_sync(meeting_backend, settings, meeting_id)
    try:
        return await question(backend)
    finally:
        await backend.aclose()


def _kept(settings: Settings, meeting_id: str) -> Recording | None:
    with suppress(MeetingNotFoundError), Store.open(settings.state_dir) as store:
        return store.newest(meeting_id)
    return None


def _transcript(settings: Settings, recording: Recording) -> Transcript:
    with Store.open(settings.state_dir) as store:
        return store.transcript(recording.id)
