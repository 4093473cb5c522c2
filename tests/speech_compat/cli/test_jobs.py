"""The command ``transcribe`` with several files at a time, on the double of the engine."""

from __future__ import annotations

import threading
import time
import wave
from pathlib import Path

import pytest

from double.engine import model_folder, worker_command
from speech_adapters.backends.local import engine_process
from speech_compat.cli import bulk as module
from speech_compat.cli import main
from speech_compat.cli.sources import Source
from speech_compat.cli.transcription import transcribe_source


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the double of the engine, which waits with 8 kHz for a file "go on" in this folder."""
    monkeypatch.setattr(engine_process, "command", worker_command)
    folder = model_folder(tmp_path / "models", "wait at 8 kHz")
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__LOCAL__MODEL_PATH", str(folder))
    return folder


def write_wav(path: Path, seconds: int = 1, rate: int = 16_000) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(2 * rate * seconds))
    return str(path)


def go_on_after(output: Path, models: Path) -> threading.Thread:
    """Let the engine go on once a file was written; start and return the thread."""

    def go_on() -> None:
        while not output.exists():
            time.sleep(0.01)
        (models / "go on").touch()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    return thread


def test_files_are_transcribed_at_the_same_time(tmp_path: Path, models: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    files = [write_wav(tmp_path / "slow.wav", rate=8_000), write_wav(tmp_path / "fast.wav")]
    waiting = go_on_after(output / "fast.txt", models)
    assert main(["transcribe", *files, "--jobs", "2", "-o", str(output)]) == 0
    waiting.join(60)
    assert sorted(path.name for path in output.iterdir()) == ["fast.txt", "slow.txt"]


def test_the_output_has_the_order_of_the_arguments(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []

    async def noted(meetings: object, source: Source, *more: object) -> object:
        transcript = await transcribe_source(meetings, source, *more)  # type: ignore[arg-type]
        ended.append(source.name)
        if source.name == "b.wav":
            (models / "go on").touch()
        return transcript

    monkeypatch.setattr(module, "transcribe_source", noted)
    files = [write_wav(tmp_path / "a.wav", 2, rate=8_000), write_wav(tmp_path / "b.wav")]
    assert main(["transcribe", *files, "--jobs", "2"]) == 0
    assert ended == ["b.wav", "a.wav"]
    assert capsys.readouterr().out == (
        f"== {files[0]}\n[00:00:00] Guest-1: Second 0.\n[00:00:01] Guest-1: Second 1.\n"
        f"\n== {files[1]}\n[00:00:00] Guest-1: Second 0.\n"
    )


def test_an_error_of_one_file_is_none_of_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("hello, hello")
    files = [str(tmp_path / name) for name in ("missing.wav", "text.wav", "good.wav")]
    write_wav(tmp_path / "good.wav")
    assert main(["transcribe", *files, "--jobs", "3"]) == 1
    output = capsys.readouterr()
    assert output.out == f"== {files[2]}\n[00:00:00] Guest-1: Second 0.\n"
    lines = output.err.splitlines()
    assert lines[0].startswith(f"speech-compat: {files[0]}: ")
    assert "cannot be read: No such file" in lines[0]
    assert "is not a WAV file" in lines[1]
    assert len(lines) == 2


def test_an_output_that_cannot_be_written_fails_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    (output / "a.txt").mkdir(parents=True)
    files = [write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "b.wav")]
    assert main(["transcribe", *files, "-o", str(output)]) == 1
    assert (output / "b.txt").read_text() == "[00:00:00] Guest-1: Second 0.\n"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"speech-compat: {files[0]}: {output}")
    assert line.endswith("Is a directory.")


def test_a_truncated_file_among_others_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "b.wav", 2)]
    whole = (tmp_path / "b.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[: len(whole) // 2])
    assert main(["transcribe", *files]) == 3
    assert f"{files[1]}: The file is truncated" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_the_number_of_jobs_is_a_positive_number(number: str) -> None:
    with pytest.raises(SystemExit) as error:
        main(["transcribe", "a.wav", "--jobs", number])
    assert error.value.code == 2
