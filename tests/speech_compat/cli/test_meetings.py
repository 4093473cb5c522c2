"""Stored meetings where the engine is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from double.missing import hide_package
from double.recorder import stored
from speech_adapters.contract import JobState
from speech_compat.cli import main

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "onnxruntime")


def test_a_completed_meeting_is_listed_and_shown(capsys: Output) -> None:
    stored(JobState.COMPLETED, "local")
    assert main(["list"]) == 0
    assert "Completed" in capsys.readouterr().out
    assert main(["show", "m"]) == 0


@pytest.mark.parametrize("state", [JobState.PROCESSING, JobState.COMPLETED, JobState.FAILED])
def test_a_meeting_is_deleted_with_its_files(state: JobState, capsys: Output) -> None:
    recording = stored(state, "local")
    log: Path = recording.audio_path.with_suffix(".log")
    log.write_text("of a worker")
    assert main(["delete", "m"]) == 0
    assert capsys.readouterr().err == ""
    assert not log.exists()
    assert not recording.audio_path.exists()
    assert main(["list"]) == 0
    output = capsys.readouterr()
    assert "Deleted" in output.out
    assert output.err == ""


def test_what_a_service_may_have_is_not_deleted_without_its_backend(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    hide_package(monkeypatch, "tenacity")
    stored(JobState.PROCESSING, "batch")
    assert main(["delete", "m"]) == 1
    assert 'pip install "speech-compat[batch]"' in capsys.readouterr().err
    assert main(["list"]) == 0
    assert "Processing" in capsys.readouterr().out


def test_an_unfinished_meeting_is_shown_with_what_it_needs(capsys: Output) -> None:
    stored(JobState.PROCESSING, "local")
    assert main(["show", "m"]) == 1
    error = capsys.readouterr().err
    assert 'pip install "speech-compat[local]"' in error
    assert "Processing" in error


@pytest.mark.parametrize("command", ["show", "delete", "resume"])
def test_an_unknown_meeting_is_unknown(command: str, capsys: Output) -> None:
    assert main([command, "unknown"]) == 1
    error = capsys.readouterr().err
    assert "There is no meeting 'unknown'" in error
    assert 'pip install "speech-compat[local]"' in error
