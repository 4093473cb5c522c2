from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speech_compat.cli import main

Output = pytest.CaptureFixture[str]
MEETING = """\
import azure.cognitiveservices.speech as sdk
c.set_property_by_name("DifferentiateGuestSpeakers", "true")
m = sdk.transcription.Meeting(c, "id")
"""
MICROPHONE = "sdk.AudioConfig(use_default_microphone=True)\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        (MEETING, "change", 1),
        (MEETING, "never", 0),
        (MEETING.replace("azure.cognitiveservices.speech", "speech_compat"), "change", 0),
        (MEETING.replace("azure.cognitiveservices.speech", "speech_compat"), "decide", 0),
        (
            MEETING.replace("azure.cognitiveservices.speech", "speech_compat") + MICROPHONE,
            "change",
            0,
        ),
        (
            MEETING.replace("azure.cognitiveservices.speech", "speech_compat") + MICROPHONE,
            "decide",
            1,
        ),
        ("import os\n", "decide", 0),
    ],
)
def test_the_exit_code_states_whether_something_is_left(
    capsys: Output, text: str, fail_on: str, code: int
) -> None:
    Path("x.py").write_text(text)
    assert main(["scan", ".", "--fail-on", fail_on]) == code
    assert capsys.readouterr().out


def test_a_path_that_does_not_exist_is_left(capsys: Output) -> None:
    assert main(["scan", "none"]) == 1
    assert "There is no such file or folder." in capsys.readouterr().out


def test_excluded_files_do_not_count(capsys: Output) -> None:
    Path("x.py").write_text(MEETING)
    assert main(["scan", ".", "--exclude", "x.py"]) == 0
    assert "No file uses" in capsys.readouterr().out


@pytest.mark.parametrize(("form", "key"), [("json", "files"), ("sarif", "runs")])
def test_the_report_is_written_to_a_file(capsys: Output, form: str, key: str) -> None:
    Path("x.py").write_text(MEETING)
    assert main(["scan", "x.py", "--format", form, "-o", "out.json"]) == 1
    assert json.loads(Path("out.json").read_text())[key]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_a_name_of_a_file_may_be_no_text(form: str) -> None:
    Path(os.fsdecode(b"\xff.py")).write_text(MEETING)
    assert main(["scan", ".", "--format", form, "-o", "out"]) == 1
    if form != "text":
        assert json.loads(Path("out").read_text())


def test_neither_libcst_nor_the_real_package_is_needed() -> None:
    Path("x.py").write_text(MEETING)
    code = (
        "import sys; sys.modules['libcst'] = None;"
        "from speech_compat.cli import main; code = main(['scan', 'x.py']);"
        "assert not [m for m in sys.modules if m.startswith('azure')]; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")
