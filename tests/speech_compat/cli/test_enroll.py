from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from double.voices import EnrollingBackend, signature
from speech_adapters import meetings as module
from speech_adapters.errors import AudioError
from speech_adapters.signatures import parse_signature
from speech_compat.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(
        module, "create_backend", lambda _, name, host: EnrollingBackend(host, name)
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_signature_becomes_a_file_that_only_its_owner_reads(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = os.umask(0)
    try:
        assert main(["enroll", "katie", "one.wav", "two.wav"]) == 0
    finally:
        os.umask(old)
    (made,) = folder.iterdir()
    assert made.name == "katie.json"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert parse_signature(made.read_text()) == signature(4)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "katie.json is the voice signature: biometric data" in shown.err
    assert signature(4).model not in shown.err


@pytest.mark.parametrize(("output", "name"), [("other.json", "other.json"), (".", "katie.json")])
def test_the_file_can_be_chosen(folder: Path, output: str, name: str) -> None:
    assert main(["enroll", "katie", "one.wav", "-o", output]) == 0
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_signature_replaces_the_one_before(folder: Path) -> None:
    (folder / "katie.json").write_text("old")
    (folder / "katie.json").chmod(0o644)
    assert main(["enroll", "katie", "one.wav"]) == 0
    assert parse_signature((folder / "katie.json").read_text()) == signature(4)
    assert stat.S_IMODE((folder / "katie.json").stat().st_mode) == 0o600


def test_standard_output_has_the_signature_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enroll", "katie", "one.wav", "-o", "-"]) == 0
    shown = capsys.readouterr()
    assert parse_signature(shown.out) == signature(4)
    assert shown.err == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../katie", "/katie", "a/b", ".."])
def test_a_name_chooses_no_other_folder(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["enroll", name, "one.wav"])
    assert exit_.value.code == 2
    assert "slash" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_defects_of_the_recordings_are_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create = EnrollingBackend.enroll

    async def enroll(backend: EnrollingBackend, files: Any) -> Any:
        backend.warnings = ("one.wav is distorted.",)
        return await create(backend, files)

    monkeypatch.setattr(EnrollingBackend, "enroll", enroll)
    assert main(["enroll", "katie", "one.wav"]) == 0
    assert "speech-compat: one.wav is distorted.\n" in capsys.readouterr().err


def test_an_unusable_recording_leaves_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def enroll(*_: object) -> None:
        raise AudioError("one.wav is silent.")

    monkeypatch.setattr(EnrollingBackend, "enroll", enroll)
    assert main(["enroll", "katie", "one.wav"]) == 1
    assert capsys.readouterr().err == "speech-compat: one.wav is silent.\n"
    assert list(folder.iterdir()) == []
