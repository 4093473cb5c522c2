from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from speech_adapters.config import load_settings
from speech_adapters.errors import StoreError
from speech_adapters.meetings import MeetingService
from speech_compat.gateway import health
from speech_compat.gateway.health import Readiness, check_store


def test_a_disk_that_accepts_no_data_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def __init__(self, **_: Any) -> None:
            super().__init__()

        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    async def check() -> None:
        async with MeetingService(load_settings({"state_dir": tmp_path})) as meetings:
            await check_store(meetings)
            monkeypatch.setattr("tempfile.TemporaryFile", Full)
            with pytest.raises(StoreError) as raised:
                await check_store(meetings)
            assert str(raised.value) == (
                f"The folder {tmp_path} cannot be written: No space left on device."
            )
            assert not await Readiness(meetings).check()

    asyncio.run(check())


def test_probes_in_short_order_check_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[Path] = []

    async def check() -> None:
        async with MeetingService(load_settings({"state_dir": tmp_path})) as meetings:
            readiness = Readiness(meetings)
            monkeypatch.setattr(health, "_write", writes.append)
            assert all(await asyncio.gather(*[readiness.check() for _ in range(20)]))

    asyncio.run(check())
    assert writes == [tmp_path]
