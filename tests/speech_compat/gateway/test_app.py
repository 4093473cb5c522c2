from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import anyio
import pytest

from double.frames import BINARY, frame, read_text
from double.gateway_program import MEETING, gateway_process
from double.gateway_server import handshake, read_until, serving
from speech_adapters.contract import JobState
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store


def test_a_meeting_of_a_dead_process_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        gateway_process(tmp_path) as running,
        socket.create_connection(("127.0.0.1", running.port), timeout=60) as client,
    ):
        client.sendall(handshake())
        read_until(client, b"\r\n\r\n")
        client.sendall(frame(BINARY, bytes(32_000)))
        assert read_text(client) == "stored"
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(60)
    monkeypatch.setattr("speech_compat.gateway.service._GRACE_SECONDS", 0)
    monkeypatch.setattr("speech_compat.gateway.app._SWEEP_SECONDS", 0.1)
    with serving(tmp_path, reconnect_seconds=0), Store.open(tmp_path) as store:
        while store.recordings(MEETING)[0].state is JobState.UPLOADING:
            time.sleep(0.05)


def test_a_gateway_ends_although_a_sweep_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    async def slow(service: MeetingService) -> None:
        started.append(service.settings.take_over_seconds)
        await anyio.sleep(600)

    monkeypatch.setattr("speech_adapters.meetings.MeetingService.sweep", slow)
    with serving(tmp_path, reconnect_seconds=5):
        while not started:
            time.sleep(0.01)
    assert started == [35.0]
