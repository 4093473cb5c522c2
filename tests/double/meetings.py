"""Meetings that tests record and fetch through the meeting service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from speech_adapters import MeetingRequest, Mode, Transcript
from speech_adapters.audio import PcmFormat
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService

__all__ = ["SOUND", "Properties", "fetch", "record", "use", "whole"]

Properties = Callable[..., dict[str, str]]
SOUND = b"\x01\x00" * 16_000


def use(properties: dict[str, str], work: Callable[[MeetingService], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with MeetingService(load_settings(properties)) as meetings:
            return await work(meetings)

    return anyio.run(run)


async def record(
    meetings: MeetingService, meeting_id: str = "m", pcm: PcmFormat | None = None
) -> None:
    request = MeetingRequest(meeting_id, mode=Mode.STORED, audio=pcm or PcmFormat())
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
