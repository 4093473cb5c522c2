from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from double.missing import hide_package
from speech_adapters.registry import backend_names
from speech_compat.cli import main

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def answers(capsys: Output, *options: str, code: int = 0) -> dict[str, dict[str, Any]]:
    assert main(["backends", "--json", *options]) == code
    return {answer["name"]: answer for answer in json.loads(capsys.readouterr().out)}


def test_all_backends_are_shown_with_what_they_can_do(capsys: Output) -> None:
    found = answers(capsys)
    assert set(found) == set(backend_names())
    assert found["local"]["configured"]
    assert found["local"]["serves"]
    assert found["local"]["can"]["languages"] == ["en"]
    # Known without a resource, although it cannot be used without one.
    assert found["batch"]["can"]["live"] is False
    assert not found["batch"]["serves"]
    assert "SPEECH_COMPAT_BACKENDS__BATCH__REGION" in found["batch"]["reasons"][0]
    assert found["auto"]["can"]["stored"]
    assert found["remote_meeting"]["can"]["max_channels"] is None


def test_a_request_is_compared_with_each_backend(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_SERVICE__REGION", "westeurope")
    monkeypatch.setenv("SPEECH_COMPAT_SERVICE__KEY", "s3cret")
    found = answers(capsys, "--mode", "async", "--language", "de-DE", "--speakers", "40")
    assert "language" in found["local"]["reasons"][0]
    assert "too-many-speakers" in found["fast"]["reasons"][0]
    # Stored meetings need a storage account.
    assert "storage_connection_string" in found["batch"]["reasons"][0]
    assert found["realtime"]["serves"]
    assert "speaker-count" in found["realtime"]["reasons"][0]
    live = answers(capsys, "--mode", "live", "--channels", "2")
    assert "live-events" in live["fast"]["reasons"][0]
    assert "channels" in live["local"]["reasons"][0]
    assert live["local"]["serves"]


def test_strict_mode_refuses_what_would_be_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_STRICT", "true")
    found = answers(capsys, "--phrases", "--words", code=1)
    assert not found["local"]["serves"]
    assert [reason.split(":")[0] for reason in found["local"]["reasons"]] == ["phrases"]


def test_a_backend_without_its_extra_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    hide_package(monkeypatch, "onnxruntime")
    found = answers(capsys, code=1)
    assert found["local"]["can"] is None
    assert 'pip install "speech-compat[local]"' in found["local"]["reasons"][0]


def test_the_text_names_verdict_and_reasons(capsys: Output) -> None:
    assert main(["backends", "--addresses", "--mode", "async"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "local (configured): does not serve the request" in lines
    at = lines.index("local (configured): does not serve the request")
    assert lines[at + 1].startswith("  why: addresses: ")
    assert lines[at + 2].startswith("  can: live, stored, diarization, ")
    assert "batch: does not serve the request" in lines
