"""How many meetings a client can have at a time, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from double.gateway import KEYS, serving, settings_of
from double.raw_client import connected
from double.scripted_backend import Script, ScriptedSession

ALICE = KEYS["alice"]
_ASYNC = "/?transcriptionMode=async"
_AUDIO = bytes(32_000)
_PATIENCE = 30.0
_SECRET = "secret"


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_another_meeting_on_a_connection_ends_the_one_before(
    tmp_path: Path, script: Script
) -> None:
    """Its client cannot return to it, so it does not wait for ``reconnect_seconds``."""
    properties = {"backend": "scripted", "gateway.reconnect_seconds": "3600"}
    with (
        serving(settings_of(tmp_path, **properties)) as address,
        connected(address, ALICE, "cafe", path=_ASYNC) as client,
    ):
        for name in ("one", "two", "three"):
            client.start(id=name)
            client.audio(_AUDIO)
        wait_until(lambda: len(script.sessions) == 3)
        wait_until(lambda: [session.closed for session in script.sessions] == [True, True, False])
        client.audio(b"")
        client.until("turn.end")


def test_a_meeting_whose_audio_has_ended_is_completed_although_another_begins(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    async def finish(session: ScriptedSession) -> None:
        while not released.is_set():
            await anyio.sleep(0.01)
        session.finished = True

    monkeypatch.setattr(ScriptedSession, "finish", finish)
    with (
        serving(settings_of(tmp_path, backend="scripted")) as address,
        connected(address, ALICE, "cafe", path=_ASYNC) as client,
    ):
        client.start(id="one")
        client.audio(b"")
        client.start(id="two")
        for _ in range(3):
            client.audio(_AUDIO)
        wait_until(lambda: len(script.sessions) == 2 and len(script.sessions[1].audio) > 90_000)
        assert not script.sessions[0].closed
        released.set()
        wait_until(lambda: script.sessions[0].closed)
        assert script.sessions[0].finished


def test_meetings_that_wait_for_their_clients_count_to_the_limit(
    tmp_path: Path, script: Script
) -> None:
    limits = {"gateway.reconnect_seconds": "3600", "gateway.connections_per_owner": "2"}
    with serving(settings_of(tmp_path, backend="scripted", **limits)) as address:
        for name in ("one", "two"):
            with connected(address, ALICE, name) as client:
                client.start(id=name)
                client.audio(_AUDIO)
                wait_until(lambda: bool(script.sessions and script.sessions[-1].audio))
            script.sessions[-1].audio.clear()
        with connected(address, ALICE, "three") as client:
            client.start(id="three")
            (phrase,) = [m for m in client.until("turn.end") if m.path == "speech.phrase"]
            assert phrase.document()["RecognitionStatus"] == "TooManyRequests"
        with connected(address, KEYS["bob"], "three") as client:
            client.start(id="three")
            client.audio(b"")
            assert client.until("turn.end")[1].document()["RecognitionStatus"] == "EndOfDictation"


def test_a_bug_at_the_end_of_the_audio_is_an_error_for_the_client(
    tmp_path: Path,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def finish(_: ScriptedSession) -> None:
        raise ValueError(_SECRET)

    monkeypatch.setattr(ScriptedSession, "finish", finish)
    with (
        serving(settings_of(tmp_path, backend="scripted")) as address,
        connected(address, ALICE, "cafe") as client,
    ):
        client.start(id="one")
        client.audio(_AUDIO)
        client.audio(b"")
        (phrase,) = [m for m in client.until("turn.end") if m.path == "speech.phrase"]
        assert phrase.document()["RecognitionStatus"] == "Error"
    assert "A meeting failed: ValueError" in caplog.text
    assert "secret" not in caplog.text
