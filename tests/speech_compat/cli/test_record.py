from __future__ import annotations

import wave
from pathlib import Path

import pytest
from starlette.responses import JSONResponse

from double.replay import install, write_script
from double.scripted_backend import said
from double.service import KEY, Fault, ServiceDouble
from speech_adapters.config import load_settings
from speech_adapters.contract import (
    Hypothesis,
    JobState,
    NoMatch,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.replay_script import load_script
from speech_adapters.store import Store
from speech_compat.cli import main

SPOKEN = said("One.", 0.1, 0.5, 1)
EVENTS: list[SessionEvent] = [
    SpeechStarted(SPOKEN.offset),
    Hypothesis(SPOKEN),
    Recognized(SPOKEN),
    NoMatch(6_000_000, 1_000_000),
    Recognized(said("One.", 0.1, 0.5, 0), correction=True),
    SpeechEnded(SPOKEN.end),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x00" * 16_000)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "script.jsonl"


@pytest.fixture
def replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a backend with live events of it: one that plays a script."""
    install(monkeypatch)
    script = write_script(tmp_path / "played.jsonl", EVENTS)
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__REPLAY__SCRIPT", script)


@pytest.fixture
def fast(double: ServiceDouble, monkeypatch: pytest.MonkeyPatch) -> ServiceDouble:
    monkeypatch.setenv("SPEECH_COMPAT_SERVICE__ENDPOINT", double.url)
    monkeypatch.setenv("SPEECH_COMPAT_SERVICE__KEY", KEY)
    return double


def states() -> list[JobState]:
    with Store.open(load_settings().state_dir) as store:
        return [found.state for found in store.recordings()]


@pytest.mark.usefixtures("replayed")
def test_the_events_of_a_live_backend(
    recording: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", str(recording), "--backend", "replay", "-o", str(output)]) == 0
    assert load_script(output).events == tuple(EVENTS)
    assert load_script(output).source.backend == "replay"
    captured = capsys.readouterr()
    assert "has 6 events" in captured.err
    assert captured.out == ""


@pytest.mark.usefixtures("replayed")
def test_an_error_of_the_backend_writes_nothing(
    recording: Path,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__REPLAY__FAULT", "AuthenticationError")
    assert main(["record", str(recording), "--backend", "replay", "-o", str(output)]) == 1
    assert "AuthenticationError" in capsys.readouterr().err
    assert not output.exists()


def test_the_transcript_of_a_backend_without_events(
    fast: ServiceDouble, recording: Path, output: Path
) -> None:
    assert main(["record", str(recording), "--backend", "fast", "-o", str(output)]) == 0
    (utterance,) = load_script(output).utterances()
    assert utterance.text == "A double heard 1.000 seconds."
    assert load_script(output).source.backend == "fast"
    assert states() == [JobState.DELETED]


def test_a_failed_meeting_is_not_kept(fast: ServiceDouble, recording: Path, output: Path) -> None:
    fast.faults.append(Fault(":transcribe", JSONResponse({"code": "InvalidRequest"}, 400), 9))
    assert main(["record", str(recording), "--backend", "fast", "-o", str(output)]) == 1
    assert not output.exists()
    assert states() == [JobState.DELETED]


def test_a_stored_meeting(fast: ServiceDouble, recording: Path, output: Path) -> None:
    assert main(["transcribe", str(recording), "--backend", "fast", "--meeting-id", "m"]) == 0
    assert main(["record", "--meeting", "m", "-o", str(output)]) == 0
    assert [u.text for u in load_script(output).utterances()] == ["A double heard 1.000 seconds."]
    assert states() == [JobState.COMPLETED]


def test_a_source_is_needed(output: Path) -> None:
    with pytest.raises(SystemExit):
        main(["record", "-o", str(output)])
