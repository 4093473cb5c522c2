"""A program that records a meeting, or takes it over: ``continuer.py CALL MEETING MODE START END``.

CALL is ``record`` or ``take_over``, and START and END are seconds of the audio.  It waits for a
line on its standard input, and prints how many seconds of audio are safe.  A refused take-over
prints the class of the error.
"""

from __future__ import annotations

import sys

import anyio

from double.recognition import SECOND, audio
from speech_adapters.config import load_settings
from speech_adapters.contract import MeetingRequest, Mode, Session
from speech_adapters.errors import SpeechError
from speech_adapters.meetings import MeetingService

PAUSE = 0.05


async def push(session: Session, start: int, end: int) -> None:
    for second in range(start, end):
        await session.push(audio(second, 1))
        print("SAFE", second + 1, flush=True)
        await anyio.sleep(PAUSE)
    await session.finish()


async def main(call: str, meeting_id: str, mode: str, start: int, end: int) -> None:
    request = MeetingRequest(meeting_id, mode=Mode(mode))
    async with MeetingService(load_settings()) as meetings:
        await meetings.recordings()  # imports and opens what the call needs
        print("READY", flush=True)
        sys.stdin.readline()
        try:
            if call == "record":
                session = await meetings.open_session(request)
            else:
                session = await meetings.take_over_session(request, start * SECOND)
        except SpeechError as error:
            print("REFUSED", type(error).__name__, flush=True)
            return
        async with session, anyio.create_task_group() as tasks:
            tasks.start_soon(push, session, start, end)
            async for _ in session.events():
                pass
        print("CLOSED", flush=True)


anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
