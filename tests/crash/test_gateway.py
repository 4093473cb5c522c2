"""A gateway is killed while clients stream to it; another one continues their meetings.

The audio is numbered (clock audio), so a test sees whether every tenth of a second is in the
transcript, and only once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.gateway_load import Heard, Plan, talk
from double import clock_backend
from double.clock_backend import numbers
from double.gateway_program import GatewayProcess, gateway_process
from double.gateway_server import KEY
from double.proxy import Cut, broken_network
from double.sdk_client import transcribe
from oracle.test_oracle import why_not

SECOND = 10_000_000
TENTHS = 130
# More than the client sends at once, and not the end of a phrase.
KILLED_AFTER = 250_000
MEETINGS = 5
FINISHED_TENTHS = 25


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = clock_backend.install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", clock_backend.NAME)


def stored(gateway: GatewayProcess, meeting_id: str = "m") -> list[dict[str, Any]]:
    address = f"http://127.0.0.1:{gateway.port}/api/v1/offlinetask"
    headers = {"Ocp-Apim-Subscription-Key": KEY}
    for _ in range(600):
        found = httpx.get(address, params={"id": meeting_id}, headers=headers).json()
        if found["processingStatus"] == 2:
            items: list[dict[str, Any]] = found["transcriptions"]
            return items
        time.sleep(0.1)
    raise AssertionError("the meeting does not end")


@pytest.mark.parametrize("mode", ["realtime", "RealTimeAndAsync", "async"])
def test_another_gateway_continues_the_meeting_of_a_killed_one(tmp_path: Path, mode: str) -> None:
    if why_not():
        pytest.skip(why_not())
    with ExitStack() as stack:
        first, second = (stack.enter_context(gateway_process(tmp_path)) for _ in range(2))

        def kill() -> None:
            first.process.kill()
            first.process.wait()

        def port_of_a_gateway() -> int:
            return first.port if first.process.poll() is None else second.port

        cut = Cut(KILLED_AFTER, action=kill)
        port = stack.enter_context(broken_network(port_of_a_gateway, [cut]))
        events = transcribe(
            "meeting", f"ws://127.0.0.1:{port}", KEY, tenths=TENTHS, mode=mode, meeting_id="m"
        )
        assert first.process.returncode == -signal.SIGKILL
        items = [] if mode == "realtime" else stored(second)
    assert events[-2]["code"] == "NoError"
    phrases = [event for event in events if event["event"] == "transcribed"]
    if mode != "async":
        heard = [number for phrase in phrases for number in numbers(phrase["text"])]
        assert heard == list(range(TENTHS))
        for phrase in phrases:
            assert phrase["offset"] == numbers(phrase["text"])[0] * SECOND // 10
    if mode != "realtime":
        kept = [number for item in items for number in numbers(item["text"])]
        assert kept == list(range(TENTHS))


@pytest.mark.parametrize("mode", ["RealTimeAndAsync", "async"])
def test_a_gateway_killed_under_load_loses_nothing_of_any_meeting(
    tmp_path: Path, mode: str
) -> None:
    with gateway_process(tmp_path) as first, gateway_process(tmp_path) as second:
        urls = tuple(f"ws://127.0.0.1:{gateway.port}" for gateway in (first, second))
        plans = [
            Plan(urls, KEY, f"m{number}", tenths, mode, reconnects=True)
            for number, tenths in enumerate([FINISHED_TENTHS] * MEETINGS + [TENTHS] * MEETINGS)
        ]
        heard = asyncio.run(_kill_during(plans, first))
        items = [stored(second, plan.meeting_id) for plan in plans]
    # Those of the first half had ended before, and only they.
    assert [result.connections for result in heard] == [1] * MEETINGS + [2] * MEETINGS
    for plan, result, kept in zip(plans, heard, items, strict=True):
        everything = list(range(plan.tenths))
        assert result.ended, result.error
        assert [number for item in kept for number in numbers(item["text"])] == everything
        if mode == "RealTimeAndAsync":
            assert [number for text in result.phrases for number in numbers(text)] == everything


async def _kill_during(plans: list[Plan], gateway: GatewayProcess) -> list[Heard]:
    """Hold all meetings; kill the gateway once those of the first half have ended."""
    tasks = [asyncio.create_task(talk(plan)) for plan in plans]
    await asyncio.gather(*tasks[:MEETINGS])
    gateway.process.kill()
    return await asyncio.gather(*tasks)
