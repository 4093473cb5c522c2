from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from double import faulty_backend
from double.meetings import run
from speech_adapters import extras
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.meetings import MeetingService
from speech_compat.cli import main
from speech_compat.testing.loopback import clock_audio

for module in ("rapidfuzz", "scipy", "pyannote.metrics"):
    pytest.importorskip(module, reason="the extra compare is not installed")

Output = pytest.CaptureFixture[str]


@pytest.fixture
def reference(tmp_path: Path) -> str:
    path = tmp_path / "reference.stm"
    path.write_text("a 1 katie 0 10 Good morning, Steve.\na 1 steve 10 20 Good morning.\n")
    return str(path)


@pytest.fixture
def candidate(tmp_path: Path) -> str:
    path = tmp_path / "candidate.vtt"
    path.write_text(
        "WEBVTT\n\n00:00.000 --> 00:10.000\n<v S1>Good morning Stefan\n\n"
        "00:10.000 --> 00:20.000\n<v S2>Good morning\n"
    )
    return str(path)


def test_figures_of_two_files(reference: str, candidate: str, capsys: Output) -> None:
    assert main(["compare", reference, candidate]) == 0
    output = capsys.readouterr()
    assert "WER     20.00%" in output.out
    assert "DER      0.00%" in output.out
    assert "katie = S1" in output.out
    assert "Stefan" not in output.out
    assert output.err == ""


def test_differences_and_page(
    reference: str, candidate: str, tmp_path: Path, capsys: Output
) -> None:
    page = tmp_path / "page.html"
    arguments = ["compare", reference, candidate, "--differences", "--html", str(page)]
    assert main(arguments) == 0
    assert "{+Stefan+}" in capsys.readouterr().out
    assert "<ins>Stefan</ins>" in page.read_text("utf-8")


def test_json(reference: str, candidate: str, capsys: Output) -> None:
    arguments = ["compare", reference, candidate, "--json", "--no-normalize", "--collar", "0.25"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "speech-compat comparison"
    assert found["wer"]["substituted"] == 3
    assert found["collar"] == 0.25


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (["--max-wer", "20%"], 0),
        (["--max-wer", "0.2", "--max-cpwer", "0.2", "--max-der", "0"], 0),
        (["--max-wer", "19.9%"], 4),
        (["--max-wer", "1", "--max-cpwer", "0.1"], 4),
        (["--max-wer", "150%"], 0),
    ],
)
def test_limits(
    reference: str, candidate: str, limits: list[str], code: int, capsys: Output
) -> None:
    assert main(["compare", reference, candidate, *limits]) == code
    output = capsys.readouterr()
    assert ("more than" in output.err) is (code == 4)
    assert "WER" in output.out


def test_a_limit_of_the_turns(reference: str, tmp_path: Path) -> None:
    path = tmp_path / "half.rttm"
    path.write_text("SPEAKER a 1 0 10 <NA> <NA> x <NA>\n")
    assert main(["compare", reference, str(path), "--max-der", "49%"]) == 4
    assert main(["compare", reference, str(path), "--max-der", "50%"]) == 0


@pytest.mark.parametrize("limit", ["15", "-1%", "nan", "x", "inf%", ""])
def test_a_limit_that_is_no_rate(
    reference: str, candidate: str, limit: str, capsys: Output
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", reference, candidate, f"--max-wer={limit}"])
    assert ended.value.code == 2
    assert "such as 15% or 0.15" in capsys.readouterr().err


@pytest.mark.parametrize("collar", ["-1", "nan", "x"])
def test_a_collar_that_is_no_time(reference: str, candidate: str, collar: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", reference, candidate, f"--collar={collar}"])
    assert ended.value.code == 2


def test_a_limit_of_what_is_not_computed(
    monkeypatch: pytest.MonkeyPatch, reference: str, candidate: str, capsys: Output
) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda name: name != "rapidfuzz")
    assert main(["compare", reference, candidate, "--max-wer", "0.5"]) == 1
    output = capsys.readouterr()
    assert 'pip install "speech-compat[compare]"' in output.out
    assert "--max-wer cannot be checked" in output.err


def test_formats_that_are_forced(reference: str, tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "notes"
    path.write_text("Katie: Good morning, Steve.\nSteve: Good morning.\n")
    assert main(["compare", reference, str(path)]) == 1
    assert "--candidate-format" in capsys.readouterr().err
    assert main(["compare", reference, str(path), "--candidate-format", "text"]) == 0
    assert main(["compare", reference, str(path), "--reference-format", "json"]) == 1


def test_one_recording_of_several(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "all.rttm"
    path.write_text("".join(f"SPEAKER {x} 1 0 10 <NA> <NA> x <NA>\n" for x in "ab"))
    assert main(["compare", str(path), str(path)]) == 1
    assert "--recording (a, b)" in capsys.readouterr().err
    assert main(["compare", str(path), str(path), "--recording", "b"]) == 0


@pytest.mark.parametrize("arguments", [[], ["one"], ["one", "two", "--shadow", "m"]])
def test_wrong_usage(arguments: list[str], capsys: Output) -> None:
    assert main(["compare", *arguments]) == 2
    assert "needs REFERENCE and CANDIDATE" in capsys.readouterr().err


def test_neither_file_nor_meeting(reference: str, capsys: Output) -> None:
    assert main(["compare", reference, "missing"]) == 1
    error = capsys.readouterr().err
    assert "There is no meeting 'missing'" in error
    assert "no such file, either" in error


# --- meetings of the backend shadow ----------------------------------------------------------


@pytest.fixture
def shadow(monkeypatch: pytest.MonkeyPatch) -> Settings:
    faulty_backend.install(monkeypatch)
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "shadow")
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__SHADOW__PRIMARY", "clock")
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__SHADOW__SECOND", "faulty")
    return load_settings()


async def hold(meetings: MeetingService) -> Any:
    request = MeetingRequest("m", mode=Mode.BOTH)
    async with await meetings.open_session(request) as session:
        await session.push(clock_audio(0, 50))
        await session.finish()
        return [event async for event in session.events()]


def test_both_transcripts_of_a_meeting(shadow: Settings, capsys: Output) -> None:
    run(shadow, hold)
    assert main(["compare", "--shadow", "m"]) == 0
    by_flag = capsys.readouterr().out
    assert "candidate  m-shadow (stored)" in by_flag
    assert "WER      0.00%" in by_flag
    assert main(["compare", "m", "m-shadow"]) == 0
    assert capsys.readouterr().out == by_flag


def test_a_file_called_as_the_meeting(
    shadow: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    run(shadow, hold)
    monkeypatch.chdir(tmp_path)
    Path("m").write_text("no transcript")
    assert main(["compare", "m", "m-shadow"]) == 1
    assert main(["compare", "--shadow", "m"]) == 0
    assert "0.00%" in capsys.readouterr().out


def test_a_missing_second_transcript(shadow: Settings, capsys: Output) -> None:
    run(shadow.model_copy(update={"backend": "clock"}), hold)
    assert main(["compare", "--shadow", "m"]) == 1
    assert "second transcript is missing" in capsys.readouterr().err


def test_a_second_transcript_that_is_not_finished(
    shadow: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    faulty_backend.install(monkeypatch, "process")
    run(shadow, hold)
    assert main(["compare", "--shadow", "m"]) == 1
    assert "second service does not answer" in capsys.readouterr().err
    faulty_backend.install(monkeypatch)
    assert main(["compare", "--shadow", "m"]) == 0
