"""The loopback service is right when Microsoft's own clients are content with it.

The SDK for Python is its client in the tests of the backend ``realtime`` and of the
oracle; here it is the one for JavaScript.
"""

from __future__ import annotations

from typing import Any

import pytest

from double.node import run_node
from double.program import run_program
from speech_compat.testing.loopback import (
    ABORT,
    Line,
    LoopbackService,
    Script,
    clock_audio,
)

SECOND = 10_000_000
LINES = (
    Line("Good morning.", SECOND, SECOND, "Guest-1", ("good",)),
    Line("Good evening.", 3 * SECOND, SECOND, "Guest-2"),
)


def played(script: Script, seconds: int = 5, era: str = "") -> tuple[list[Any], LoopbackService]:
    service = LoopbackService(script)
    with service.running() as url:
        path = "/speech/recognition/multiaudio" if era else "/stt/speech/universal/v2"
        log = run_node("speech_client.mjs", f"{url}{path}", str(seconds), era)
    return log, service


def finals(log: list[Any]) -> list[tuple[Any, ...]]:
    return [
        (entry["text"], entry["offset"], entry["speaker"])
        for entry in log
        if entry["name"] == "transcribed"
    ]


@pytest.mark.parametrize("era", ["", "meeting"])
def test_the_javascript_sdk_accepts_the_answers(era: str) -> None:
    log, service = played(Script(LINES), era=era)
    assert [entry["name"] for entry in log] == [
        "session_started",
        "transcribing",
        "transcribed",
        "transcribed",
        "canceled",
        "session_stopped",
    ]
    assert finals(log) == [
        ("Good morning.", SECOND, "Guest-1"),
        ("Good evening.", 3 * SECOND, "Guest-2"),
    ]
    assert service.received == 5 * SECOND
    held = [(m.pcm.channels, m.received, m.ended, m.only_stored) for m in service.meetings]
    assert held == ([(8, 5 * SECOND, True, False)] if era else [])
    (connected,) = service.connections
    assert connected.credential == "any"
    assert "any" not in connected.query.values(), "credentials are left out"


@pytest.mark.parametrize("code", [1000, 1011])
def test_the_javascript_sdk_continues_after_a_cut(code: int) -> None:
    # Longer than what that client sends at once: what it has sent it does not send again.
    log, service = played(Script(LINES, cuts=((2 * SECOND + 1, code),)), seconds=12)
    assert [text for text, _, _ in finals(log)] == ["Good morning.", "Good evening."]
    assert len(service.connections) == 2


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_refused_handshake_is_an_error_of_the_sdk(status: int) -> None:
    log, service = played(Script(LINES, refuse=status))
    (canceled,) = [entry for entry in log if entry["name"] == "canceled"]
    assert str(status) in canceled["details"]
    assert service.connections == []


def test_a_service_that_stalls_sends_nothing_more() -> None:
    service = LoopbackService(Script(LINES, stall=2 * SECOND))
    assert not service.stalls(SECOND)
    assert service.stalls(2 * SECOND)
    assert not service.stalls(3 * SECOND), "only ever on one connection"


def test_a_cut_is_made_once() -> None:
    service = LoopbackService(Script(cuts=((5, 1000), (3, ABORT))))
    assert service.next_cut(2) is None
    assert [service.next_cut(9), service.next_cut(9), service.next_cut(9)] == [ABORT, 1000, None]


def test_clock_audio_has_its_position_for_hours() -> None:
    service = LoopbackService(Script())
    late = 70_000  # tenths: the samples began anew once
    sample = int.from_bytes(clock_audio(late, 1)[:2], "little")
    assert sample != late
    service.set_delivered("session", late * 1_000_000)
    assert service.clock(sample) == late * 1_000_000


def test_without_the_extra_the_error_names_it() -> None:
    done = run_program(
        """
import sys
sys.modules["websockets"] = None  # an import of it fails
import speech_compat.testing.loopback
"""
    )
    assert "MissingExtraError: The package websockets is needed" in done.stderr
    assert 'pip install "speech-compat[gateway]"' in done.stderr
