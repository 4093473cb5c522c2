"""A program with the backend ``shadow`` receives the same events as with the primary alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import speech_compat
from double import faulty_backend
from double.faulty_backend import FAULTS
from double.replay import write_script
from double.scripted_backend import said
from oracle.program import run
from speech_adapters.backends.shadow import second as module
from speech_adapters.contract import Hypothesis, Recognized, SpeechEnded, SpeechStarted


@pytest.fixture(autouse=True)
def _ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.5)
    yield
    faulty_backend.go_on()


def events(folder: Path, backend: str, era: str, mode: str, *, early: bool) -> list[dict[str, Any]]:
    """Return the events that a program of an era receives."""
    first, second = said("Ünder way.", 0.5, 1.5), said("And this.", 2.0, 3.0, 1)
    script = write_script(
        folder / "script.jsonl",
        [
            SpeechStarted(first.offset),
            Hypothesis(first),
            Recognized(first),
            Recognized(second),
            SpeechEnded(second.end),
        ],
    )
    config = speech_compat.SpeechConfig(subscription="key", region="centralus")
    settings = {
        "backend": backend,
        "state_dir": str(folder / backend),
        "backends.shadow.primary": "replay",
        "backends.shadow.second": "faulty",
        "backends.replay.script": script,
    }
    for name, value in settings.items():
        config.set_property_by_name(f"speech-compat.{name}", value)
    if mode:
        config.set_service_property(
            "transcriptionMode", mode, speech_compat.ServicePropertyChannel.UriQueryParameter
        )
    return [_without_random(event) for event in run(speech_compat, era, config, early)]


def _without_random(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without its session's id, and the end without that of its result."""
    text = json.dumps({**event, "session_id": ""})
    if event["event"] == "canceled":
        text = text.replace(event["result"]["result_id"], "")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("early", [False, True], ids=["whole", "early"])
@pytest.mark.parametrize(
    ("era", "mode"), [("meeting", ""), ("meeting", "RealTimeAndAsync"), ("diarization", "")]
)
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_a_second_backend_that_fails_changes_no_event_of_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, era: str, mode: str, early: bool
) -> None:
    faulty_backend.install(monkeypatch, fault)
    found = events(tmp_path, "shadow", era, mode, early=early)
    assert [event["event"] for event in found].count("transcribed") >= 1
    assert found == events(tmp_path, "replay", era, mode, early=early)
