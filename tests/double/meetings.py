"""Meetings that tests record and fetch through the meeting service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from speech_adapters import MeetingRequest, Mode, Transcript
from speech_adapters.config import Settings, load_settings
from speech_adapters.meetings import MeetingService

__all__ = ["SOUND", "Properties", "fetch", "record", "run", "use", "whole"]

T = TypeVar("T")
Properties = Callable[..., dict[str, str]]
SOUND = b"\x01\x00" * 16_000


def run(settings: Settings, work: Callable[[MeetingService], Awaitable[T]]) -> T:
    """Run a coroutine function with a meeting service, which is closed afterwards."""

    async def closing() -> T:
        async with MeetingService(settings) as meetings:
            return await work(meetings)

    return anyio.run(closing)


def use(properties: dict[str, str], work: Callable[[MeetingService], Awaitable[T]]) -> T:
    """Run a coroutine function as :func:`run`, with settings by their names."""
    return run(load_settings(properties), work)


async def record(meetings: MeetingService, meeting_id: str = "m", **asked: Any) -> None:
    """Record a stored meeting; keywords are further attributes of its request."""
    request = MeetingRequest(meeting_id, mode=Mode.STORED, **asked)
    session = await meetings.open_session(request)
    try:
        await session.push(SOUND)
        await session.finish()
    finally:
        await session.aclose()


async def fetch(meetings: MeetingService, meeting_id: str = "m") -> Transcript:
    with anyio.fail_after(30):
        while not (await meetings.status(meeting_id)).state.final:
            pass
    return await meetings.transcript(meeting_id)


async def whole(meetings: MeetingService) -> Transcript:
    await record(meetings)
    return await fetch(meetings)
