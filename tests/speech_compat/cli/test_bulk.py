"""Recordings in bulk, on the double of the engine: folders, failures, a second run, Ctrl+C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest

from double.engine import model_folder, worker_command
from speech_adapters.backends.local import engine_process
from speech_compat.cli import main

TEXT = "[00:00:00] Guest-1: Second 0.\n"
NO_MP3 = (
    "is no MP3 audio that can be used: it is damaged, cut short or of another kind (Invalid data"
    " found when processing input). Create the file anew, or convert it to WAV."
)
# What runs in another process, which is interrupted.
PROGRAM = """
import sys
from double.engine import worker_command
from speech_adapters.backends.local import engine_process
from speech_compat.cli import main
engine_process.command = worker_command
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the double of the engine, which waits with 8 kHz for a file "go on" in this folder."""
    monkeypatch.setattr(engine_process, "command", worker_command)
    folder = model_folder(tmp_path / "models", "wait at 8 kHz")
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__LOCAL__MODEL_PATH", str(folder))
    return folder


def write_wav(path: Path, seconds: float = 0.6, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(2 * int(rate * seconds)))
    return path


def write_calls(folder: Path, count: int, broken: int = 0) -> None:
    """Write recordings into nested folders; the last ones are broken in different ways."""
    for number in range(count):
        path = write_wav(folder / f"{number % 7}" / f"{number % 3}" / f"call-{number:03}.wav")
        if number >= count - broken:
            whole = path.read_bytes()
            path.write_bytes((b"", b"hello, hello", whole[:20], b"ID3\x03" + whole)[number % 4])


def stamps(folder: Path) -> dict[str, int]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def test_300_recordings_are_transcribed_and_the_broken_ones_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, results = tmp_path / "calls", tmp_path / "results"
    write_calls(calls, 300, broken=5)
    command = ["transcribe", str(calls), "-o", f"{results}/", "--skip-existing", "--jobs", "4"]
    assert main(command) == 1
    output = capsys.readouterr()
    assert output.out == ""
    *failures, summary = output.err.splitlines()
    assert sorted(line.rsplit("/", 1)[1] for line in failures) == [
        f"call-295.wav {NO_MP3}",
        "call-296.wav is empty: there is no audio in it.",
        "call-297.wav is not a WAV file: convert it to WAV with 16-bit PCM.",
        "call-298.wav ends inside its header: it is cut short.",
        f"call-299.wav {NO_MP3}",
    ]
    assert summary == "speech-compat: 300 recordings: 295 transcribed, 5 failed."
    done = stamps(results)
    assert set(done) == {f"{number % 7}/{number % 3}/call-{number:03}.txt" for number in range(295)}
    assert {path.read_text() for path in results.rglob("*.txt")} == {TEXT}

    # The second run: no engine can be started, and none is needed.
    monkeypatch.setattr(engine_process, "command", lambda *_: ["/no/such/program"])
    assert main(command) == 1
    *again, summary = capsys.readouterr().err.splitlines()
    assert again == failures
    assert summary == (
        "speech-compat: 300 recordings: 0 transcribed, 295 skipped, since their results exist,"
        " 5 failed."
    )
    assert stamps(results) == done


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on POSIX")
def test_an_interrupted_command_continues_where_it_stopped(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, results = tmp_path / "calls", tmp_path / "results"
    for number in range(12):
        write_wav(calls / "day" / f"{number:02}.wav", rate=8_000 if number == 7 else 16_000)
    command = ["transcribe", str(calls), "-o", f"{results}/", "--jobs", "1"]
    paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    # The child inherits it; a shell's background job ignores the signal, and so do its children.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *command],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    with process:
        deadline = time.monotonic() + 60
        while not (results / "day" / "06.txt").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-2:] == [
        "speech-compat: 12 recordings: 7 transcribed, 5 not finished. To continue, repeat the"
        " command with --skip-existing.",
        "speech-compat: Interrupted.",
    ]
    assert "Traceback" not in error
    done = stamps(results)
    assert set(done) == {f"day/{number:02}.txt" for number in range(7)}

    (models / "go on").touch()
    assert main([*command, "--skip-existing", "-v"]) == 0
    *lines, summary = capsys.readouterr().err.splitlines()
    assert [line.rsplit("/", 1)[1] for line in lines] == [
        f"{number:02}.txt." for number in range(7, 12)
    ]
    assert "5 transcribed, 7 skipped" in summary
    after = stamps(results)
    assert len(after) == 12
    assert done.items() <= after.items()


def test_the_first_failure_ends_the_command_with_fail_fast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.wav").write_text("hello, hello")
    files = [str(write_wav(tmp_path / "a.wav")), str(tmp_path / "b.wav")]
    files.append(str(write_wav(tmp_path / "c.wav", rate=8_000)))  # would wait for ever
    assert main(["transcribe", *files, "--fail-fast", "--jobs", "1"]) == 1
    output = capsys.readouterr()
    assert output.out == f"== {files[0]}\n{TEXT}"
    assert output.err.splitlines() == [
        f"speech-compat: {files[1]}: {files[1]} is not a WAV file: convert it to WAV with 16-bit"
        " PCM.",
        "speech-compat: 3 recordings: 1 transcribed, 1 failed, 1 not finished.",
    ]


def test_a_result_is_printed_before_the_next_recording_ends(tmp_path: Path, models: Path) -> None:
    files = [str(write_wav(tmp_path / "a.wav")), str(write_wav(tmp_path / "b.wav", rate=8_000))]
    paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "transcribe", *files, "--jobs", "2"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"== {files[0]}\n"
        assert process.stdout.readline() == TEXT
        (models / "go on").touch()
        assert process.stdout.read() == f"\n== {files[1]}\n{TEXT}"
    assert process.returncode == 0


def test_results_of_equal_names_replace_nothing(tmp_path: Path) -> None:
    files = [write_wav(tmp_path / name) for name in ("a/x.wav", "b/x.wav", "b/x.WAV", "b/y.wav")]
    results = tmp_path / "out"
    results.mkdir()
    assert main(["transcribe", *map(str, files), "-o", str(results)]) == 0
    assert sorted(stamps(results)) == ["a/x.txt", "b/x.WAV-2.txt", "b/x.wav.txt", "b/y.txt"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--skip-existing"], "--skip-existing needs a file for each recording"),
        (["--skip-existing", "-o", "one.txt"], "--skip-existing needs a file for each recording"),
        (["--format", "srt"], "A document of the format srt holds one transcript"),
        (["--embed-audio", "-o", "out/"], "--embed-audio is for --format html"),
        (["--meeting-id", "m"], "--meeting-id names one meeting"),
    ],
)
def test_options_that_do_not_fit_several_recordings_are_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_calls(tmp_path / "calls", 2)
    assert main(["transcribe", "calls", *options]) == 2
    assert reason in capsys.readouterr().err
    assert not list(tmp_path.glob("o*"))


def test_an_argument_without_recordings_takes_no_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, empty, results = tmp_path / "calls", tmp_path / "empty", tmp_path / "results"
    write_wav(calls / "none.wav")
    empty.mkdir()
    command = ["transcribe", str(calls), str(empty), "-o", f"{results}/"]
    assert main(command) == 1
    assert f"{empty} is a folder without audio files." in capsys.readouterr().err
    assert sorted(stamps(results)) == ["calls/none.txt"]


def test_audio_at_an_address_cannot_be_put_into_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = str(tmp_path / "a.html")
    assert main(["transcribe", "https://host/a.wav", "--embed-audio", "-o", page]) == 2
    assert "--embed-audio needs a file" in capsys.readouterr().err


def test_the_recording_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = write_wav(tmp_path / "a.wav")
    before = recording.read_bytes()
    (tmp_path / "link").symlink_to(recording)
    assert main(["transcribe", str(recording), "-o", str(tmp_path / "link")]) == 2
    assert "would replace the recording" in capsys.readouterr().err
    assert recording.read_bytes() == before


def test_standard_input_is_a_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with write_wav(tmp_path / "a.wav").open("rb") as data:
        monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": data}))
        assert main(["transcribe", "-", "-o", "-"]) == 0
    assert capsys.readouterr().out == TEXT
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as data:
        monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": data}))
        assert main(["transcribe", "-"]) == 1
    error = capsys.readouterr().err
    assert error == "speech-compat: standard input is empty: there is no audio in it.\n"


def test_the_extension_of_the_output_is_the_format(tmp_path: Path) -> None:
    recording = str(write_wav(tmp_path / "a.wav"))
    for name, begin in (("a.vtt", "WEBVTT"), ("a.JSON", "{"), ("a.html", "<!doctype"), ("a", "[")):
        assert main(["transcribe", recording, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().startswith(begin)
    target = tmp_path / "b.vtt"
    assert main(["transcribe", recording, "--format", "srt", "-o", str(target)]) == 0
    assert target.read_text().startswith("1\n")


def test_a_page_has_the_recording_if_it_is_wanted(tmp_path: Path) -> None:
    recording = write_wav(tmp_path / "a.wav")
    page = tmp_path / "a.html"
    assert main(["transcribe", str(recording), "-o", str(page)]) == 0
    assert 'id="recording"' not in page.read_text("utf-8")
    assert main(["transcribe", str(recording), "--embed-audio", "-o", str(page)]) == 0
    assert 'id="recording"' in page.read_text("utf-8")
