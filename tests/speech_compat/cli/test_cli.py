from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from double.encoded import encode, tone
from double.voices import RETIRED, signature_text
from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters.azure.results import read_result
from speech_adapters.registry import backend_names
from speech_adapters.transcript import Provenance
from speech_compat._session.mapping.results import remote_document
from speech_compat.cli import main

MEETING = 'it\'s "my" meeting/№ 🎉' + "x" * 300


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return install(monkeypatch, Played(Scenario()))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "talk.wav", bytes(32_000))


def write_wav(path: Path, samples: bytes, width: int = 2, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(16_000)
        file.writeframes(samples)
    return path


def float_wav(path: Path, tag: int = 3) -> Path:
    data = struct.pack("<8f", *[0.25] * 8)
    form = struct.pack("<IHHIIHH", 16, tag, 1, 16_000, 64_000, 4, 32)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + form
        + b"data" + struct.pack("<I", len(data)) + data
    )  # fmt: skip
    return path


def test_a_file_becomes_text(
    played: Played, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(recording), "--speakers", "2", "--language", "de-DE"]) == 0
    assert capsys.readouterr().out == (
        "[00:00:00] Unknown: Good morning, Steve.\n"
        "[00:00:02] Guest-2: Good morning, Katie.\n"
        "[00:00:03] Guest-1: Ünïcode and “quotes”.\n"
    )
    (request,) = played.requests
    assert (request.max_speakers, request.language, request.mode.value) == (2, "de-DE", "live")
    assert bytes(played.audio) == bytes(32_000)
    assert played.open_sessions == 0


def test_participants_are_called_by_the_names_of_their_files(
    played: Played, recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "katie@example.com.json").write_text(signature_text(0) + "\n")
    (tmp_path / "steve.json").write_text(signature_text(1))
    files = [str(path) for path in sorted(tmp_path.glob("*.json"))]
    options = [word for file in files for word in ("--participant", file)]
    assert main(["transcribe", str(recording), *options]) == 0
    (request,) = played.requests
    assert [(a.id, a.voice_signature) for a in request.attendees] == [
        ("katie@example.com", signature_text(0) + "\n"),
        ("steve", signature_text(1)),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}", "old.json: The voice signature cannot be used: it is no document of the type"),
        (b"\xff\0", "old.json: The voice signature cannot be used: it is not JSON"),
        (RETIRED.encode(), "it was made by the retired service"),
        (None, "old.json: No such file"),
    ],
)
def test_a_file_that_is_no_signature_is_one_line(
    played: Played,
    recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    reason: str,
) -> None:
    if content is not None:
        (tmp_path / "old.json").write_bytes(content)
    path = str(tmp_path / "old.json")
    assert main(["transcribe", str(recording), "--participant", path]) == 1
    shown = capsys.readouterr()
    assert reason in shown.err
    assert shown.err.count("\n") == 1
    assert (shown.out, played.requests) == ("", [])


@pytest.mark.parametrize("form", ["text", "json", "vtt", "srt", "rttm"])
def test_every_format_goes_to_a_file_whole(
    played: Played, recording: Path, tmp_path: Path, form: str
) -> None:
    output = tmp_path / "out"
    output.write_text("before")
    assert main(["transcribe", str(recording), "--format", form, "-o", str(output)]) == 0
    assert ("Guest-2" in output.read_text("utf-8")) is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "talk.wav"]


def test_several_files_get_headings_or_files_of_their_own(
    played: Played, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_wav(tmp_path / "other.wav", bytes(3200))
    assert main(["transcribe", str(recording), str(other)]) == 0
    assert capsys.readouterr().out.count("== ") == 2
    assert main(["transcribe", str(recording), str(other), "--format", "json"]) == 2
    folder = tmp_path / "folder"
    folder.mkdir()
    files = [str(recording), str(other)]
    assert main(["transcribe", *files, "--format", "json", "-o", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["other.json", "talk.json"]
    assert json.loads((folder / "talk.json").read_text("utf-8"))["duration"] == 10_000_000


def test_transcripts_before_an_error_are_written(
    played: Played, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(recording), str(tmp_path / "missing.wav")]) == 1
    output = capsys.readouterr()
    assert "Good morning, Katie." in output.out
    assert "missing.wav cannot be read" in output.err


def test_a_truncated_file_is_transcribed_and_reported(
    played: Played, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.write_bytes(recording.read_bytes()[:16_044])
    assert main(["transcribe", str(recording), "--format", "json"]) == 3
    output = capsys.readouterr()
    assert "truncated: 0.500 s of its audio are missing" in output.err
    document = json.loads(output.out)
    assert document["provenance"]["notes"][0].startswith("The file is truncated")
    assert document["duration"] == 5_000_000


def test_a_truncated_compressed_file_is_transcribed_and_reported(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = encode(tone(10), "flac")
    path = tmp_path / "talk.flac"
    path.write_bytes(data[: len(data) // 2])
    assert main(["transcribe", str(path), "--format", "json"]) == 3
    output = capsys.readouterr()
    assert "talk.flac: The file is truncated: " in output.err
    document = json.loads(output.out)
    assert document["provenance"]["notes"][0].startswith("The file is truncated: ")
    assert document["duration"] == len(played.audio) // 2 * 625


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "flac", "m4a", "webm"])
def test_compressed_files_are_transcribed(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    (tmp_path / f"talk.{suffix}").write_bytes(encode(tone(2), suffix))
    assert main(["transcribe", str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert "Good morning, Katie." in output.out
    assert output.err == ""
    assert abs(played.requests[0].audio.ticks(len(played.audio)) - 20_000_000) < 1_500_000


def test_odd_sample_formats_are_converted(played: Played, tmp_path: Path) -> None:
    assert main(["transcribe", str(write_wav(tmp_path / "24.wav", bytes(300), width=3))]) == 0
    assert main(["transcribe", str(float_wav(tmp_path / "f.wav"))]) == 0
    assert bytes(played.audio) == bytes(200) + struct.pack("<8h", *[8192] * 8)


def bad_file(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "bad.wav"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("hello, hello")
    elif kind == "header":
        path.write_bytes(write_wav(path, bytes(100)).read_bytes()[:20])
    elif kind == "mp3":
        float_wav(path, tag=0x55)
    elif kind == "zero":
        write_wav(path, b"")
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("missing", "bad.wav cannot be read: No such file or directory."),
        ("empty", "bad.wav is empty: there is no audio in it."),
        ("text", "bad.wav is not a WAV file: convert it to WAV with 16-bit PCM."),
        ("header", "bad.wav ends inside its header: it is cut short."),
        (
            "mp3",
            "bad.wav is no WAV audio that can be used: it is damaged, cut short or of another kind"
            " (there is nothing that can be decoded). Create the file anew, or convert it to WAV.",
        ),
        ("zero", "bad.wav has no audio (0 seconds): there is nothing to transcribe."),
        ("folder", "bad.wav is a folder without audio files."),
    ],
)
def test_a_bad_file_is_one_line(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, complaint: str
) -> None:
    assert main(["transcribe", str(bad_file(tmp_path, kind))]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("speech-compat: ")
    assert output.err.endswith(complaint + "\n")
    assert output.err.count("\n") == 1


def test_an_unknown_backend_is_one_line(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(recording), "--backend", "nope"]) == 1
    assert capsys.readouterr().err == (
        "speech-compat: There is no backend called 'nope'. Known backends:"
        f' {", ".join(backend_names())}. Change the setting "backend". In the environment:'
        " SPEECH_COMPAT_BACKEND.\n"
    )


@pytest.mark.parametrize("command", [["list"], ["show", "m"], ["delete", "m"]])
def test_a_store_that_cannot_be_written_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(tmp_path / "file"))
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "cannot hold the meeting store: it is not a folder" in error
    assert error.count("\n") == 1


def test_a_damaged_store_is_kept_aside(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(os.environ["SPEECH_COMPAT_STATE_DIR"])
    (folder / "meetings.sqlite3").write_text("this is no database, and never was" * 100)
    assert main(["list"]) == 1
    assert "was damaged" in capsys.readouterr().err
    assert main(["list"]) == 0
    (kept,) = folder.glob("meetings.sqlite3.corrupt-*")
    assert kept.read_text().startswith("this is no database")


def test_an_output_that_cannot_be_written_is_named(
    played: Played, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(recording), "-o", "/no/such/folder/out"]) == 1
    expected = "speech-compat: /no/such/folder/out: No such file or directory.\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["transcribe"],
        ["transcribe", "a.wav", "--format", "docx"],
        ["transcribe", "a.wav", "--speakers", "0"],
        ["transcribe", "a.wav", "--speakers", "some"],
        ["show"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: speech-compat" in capsys.readouterr().err


def test_an_empty_store_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "speech-compat: no meeting is stored.\n")


@pytest.mark.engine
def test_a_stored_meeting_is_listed_shown_and_deleted(
    shipped_recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = str(shipped_recordings / "clone-test.wav")
    assert main(["transcribe", recording, "--meeting-id", MEETING]) == 0
    transcribed = capsys.readouterr().out
    assert "America" in transcribed
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "Completed" in listed
    assert MEETING in listed
    assert main(["show", MEETING]) == 0
    assert capsys.readouterr().out == transcribed
    assert main(["delete", MEETING]) == 0
    assert main(["show", MEETING]) == 1
    assert "was deleted" in capsys.readouterr().err
    assert main(["delete", MEETING, "unknown"]) == 1
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.engine
def test_the_demo_prints_a_conversation_of_two() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "speech_compat", "demo"],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    lines = re.findall(r"^ +\d+\.\d s  (Guest_\d): (.+)$", done.stdout, re.M)
    assert {speaker for speaker, _ in lines} == {"Guest_0", "Guest_1"}
    assert "ditch" in lines[-1][1] or "ditch" in lines[-2][1]
    rows = re.findall(r"^(Guest_\d)  ([#.]{60})$", done.stdout, re.M)
    assert [speaker for speaker, _ in rows] == ["Guest_0", "Guest_1"]


def test_an_interrupt_is_one_line(
    monkeypatch: pytest.MonkeyPatch, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("speech_compat.cli.transcribe.transcribe", interrupt)
    assert main(["transcribe", str(recording)]) == 130
    assert capsys.readouterr().err == "speech-compat: Interrupted.\n"


def test_output_that_a_terminal_cannot_show_is_no_error(recording: Path, tmp_path: Path) -> None:
    program = (
        "import pytest, sys\n"
        "from oracle.scenario import Scenario\n"
        "from oracle.scripted import Played, install\n"
        "from speech_compat.cli import main\n"
        "with pytest.MonkeyPatch.context() as patch:\n"
        "    install(patch, Played(Scenario()))\n"
        "    sys.exit(main(['transcribe', sys.argv[1]]))\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, "-c", program, str(recording)],
        capture_output=True,
        env=environment,
        timeout=60,
        check=True,
    )
    assert b"\\xdcn\\xefcode" in done.stdout


def result_file(tmp_path: Path) -> Path:
    path = tmp_path / "contenturl_0.json"
    phrase = {"offset": "PT1S", "duration": "PT2S", "nBest": [{"display": "Hallo."}], "speaker": 1}
    path.write_text(json.dumps({"duration": "PT5S", "recognizedPhrases": [phrase]}))
    return path


def test_a_result_file_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(result_file(tmp_path))]) == 0
    assert capsys.readouterr().out == "[00:00:01] Guest-1: Hallo.\n"


def test_a_result_file_becomes_the_retired_services_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(result_file(tmp_path)), "--format", "legacy"]) == 0
    document = json.loads(capsys.readouterr().out)
    (item,) = document.pop("transcriptions")
    assert document == {"id": "contenturl_0", "processingStatus": 2}
    assert len(item.pop("resultId")) == 32
    assert item == {
        "userId": "Guest_0",
        "reason": "RecognizedSpeech",
        "text": "Hallo.",
        "durationInTicks": 20_000_000,
        "offsetInTicks": 10_000_000,
    }


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_retired_services_answer_is_indented_as_a_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    """The results are written one by one, and are those of the function for all of them."""
    path = tmp_path / "meeting.json"
    phrases = [{"offset": f"PT{at}S", "text": f"Ünï {at}", "speaker": at} for at in range(count)]
    path.write_text(json.dumps({"phrases": phrases}))
    assert main(["convert", str(path), "--format", "legacy"]) == 0
    whole = remote_document(read_result(path, "meeting", Provenance("azure", "")))
    assert capsys.readouterr().out == json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def test_a_file_that_is_no_result_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text("{}")
    assert main(["convert", str(tmp_path / "a.json")]) == 1
    assert "is no result of batch or fast transcription" in capsys.readouterr().err
