"""Fast transcription from a cassette."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from double.service import KEY
from speech_adapters import MeetingRequest, Mode, Transcript
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService

pytestmark = pytest.mark.vcr


def test_a_meeting(service: str, tmp_path: Path) -> None:
    settings = load_settings(
        {
            "backend": "fast",
            "state_dir": str(tmp_path),
            "backends.fast.endpoint": service,
            "backends.fast.key": KEY,
        }
    )

    async def work() -> Transcript:
        async with MeetingService(settings) as meetings:
            session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))
            await session.push(b"\x01\x00" * 16_000)
            await session.finish()
            await session.aclose()
            return await meetings.transcript("m")

    assert [u.text for u in anyio.run(work).utterances] == ["A double heard 1.000 seconds."]
