"""A program that works on the stored meetings of a cluster until all are final: ``sweeper.py``."""

from __future__ import annotations

import anyio

from speech_adapters.config import load_settings
from speech_adapters.errors import SpeechError
from speech_adapters.meetings import MeetingService

PAUSE = 0.1


async def main() -> None:
    async with MeetingService(load_settings()) as meetings:
        while True:
            try:
                await meetings.sweep(0.0)
                recordings = await meetings.recordings()
            except SpeechError as error:  # the server is away for longer than a call waits
                print("ERROR", type(error).__name__, flush=True)
            else:
                if all(recording.state.final for recording in recordings):
                    print("DONE", flush=True)
                    return
            await anyio.sleep(PAUSE)


anyio.run(main)
