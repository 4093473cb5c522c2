from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from double.missing import hide_package
from speech_compat.cli import main

Output = pytest.CaptureFixture[str]
SDK = "azure.cognitiveservices.speech"
MEETING = f"""\
import {SDK} as sdk
m = sdk.transcription.Meeting(c, "id")
"""


def git(*arguments: str) -> str:
    own = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", *own, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository with one program, and go there."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    Path("x.py").write_text(MEETING)
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    return tmp_path


def test_without_write_only_the_difference_is_shown(capsys: Output) -> None:
    assert main(["migrate", "."]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "--- a/x.py",
        "+++ b/x.py",
        "@@ -1,2 +1,2 @@",
        f"-import {SDK} as sdk",
        "+import speech_compat as sdk",
        ' m = sdk.transcription.Meeting(c, "id")',
    ]
    assert err == "speech-compat: 1 file would be changed; --write changes it.\n"
    assert Path("x.py").read_text() == MEETING


@pytest.mark.parametrize("text", [MEETING, MEETING[:-1], MEETING.replace("\n", "\r\n")])
def test_the_difference_can_be_applied(capsys: Output, text: str) -> None:
    Path("x.py").write_bytes(text.encode())
    git("commit", "-q", "-a", "-m", "y", "--allow-empty")
    main(["migrate", "x.py"])
    Path("d").write_bytes(capsys.readouterr().out.encode())
    git("apply", "d")
    assert Path("x.py").read_bytes() == text.replace(SDK, "speech_compat").encode()


def test_write_changes_the_file_once(capsys: Output) -> None:
    Path("x.py").chmod(0o755)
    git("commit", "-q", "-a", "-m", "mode")
    assert main(["migrate", ".", "--write"]) == 0
    assert "1 file changed; undo it by version control." in capsys.readouterr().err
    assert Path("x.py").read_text() == MEETING.replace(SDK, "speech_compat")
    assert stat.S_IMODE(Path("x.py").stat().st_mode) == 0o755
    assert sorted(path.name for path in Path().iterdir()) == [".git", "x.py"]
    # Nothing is left, so nothing is refused although the file is not committed.
    assert main(["scan", "."]) == 0
    assert main(["migrate", ".", "--write"]) == 0
    assert capsys.readouterr().err.endswith("Nothing to change automatically.\n")


def test_what_git_could_not_restore_is_refused_unless_forced(capsys: Output) -> None:
    changed = MEETING + "# new\n"
    Path("x.py").write_text(changed)
    Path("y.py").write_text(MEETING)
    assert main(["migrate", ".", "--write"]) == 1
    err = capsys.readouterr().err
    assert "x.py: it has changes that are not committed, so the change could not be undone." in err
    assert "y.py: git does not track it" in err
    assert "Nothing was changed. Commit these files first, or use --force." in err
    assert Path("x.py").read_text() == changed
    assert main(["migrate", ".", "--write", "--force"]) == 0
    assert "speech_compat" in Path("x.py").read_text()
    assert "speech_compat" in Path("y.py").read_text()


def test_what_is_not_understood_is_left_and_listed(capsys: Output) -> None:
    Path("x.py").write_text(MEETING + f"import {SDK}\nmock.patch('{SDK}.SpeechConfig')\n")
    Path("y.py").write_text(MEETING + "print 'x'\n")
    Path("z.py").write_bytes(b"\0" + MEETING.encode())
    assert main(["migrate", "."]) == 1
    err = capsys.readouterr().err.splitlines()
    assert f"speech-compat: x.py, line 3: 'import {SDK}' is left as it is: " in err[0]
    assert "x.py, line 4: The text" in err[1]
    assert err[2].startswith("speech-compat: y.py: there is a syntax error in line 3.")
    assert "z.py, line 1: It is not text" in err[3]
    assert err[4].endswith("4 left to change by hand.")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("requirements-dev.txt", "pytest\nazure-cognitiveservices-speech==1.43\n", 2),
        ("pyproject.toml", 'dependencies = ["azure_cognitiveservices_speech"]\n', 1),
    ],
)
def test_dependencies_are_a_step_by_hand(capsys: Output, name: str, text: str, line: int) -> None:
    Path(name).write_text(text)
    assert main(["migrate", "."]) == 0
    assert f"{name}, line {line}: add speech-compat" in capsys.readouterr().err
    Path(name).write_text(text + "# speech-compat[local]\n")
    main(["migrate", "."])
    assert name not in capsys.readouterr().err


def test_a_program_that_only_recognizes_stays_as_it_is(capsys: Output) -> None:
    text = f"import {SDK} as sdk\nsdk.SpeechRecognizer(c)\n"
    Path("x.py").write_text(text)
    Path("requirements.txt").write_text("azure-cognitiveservices-speech\n")
    assert main(["migrate", "x.py", "--write", "--force"]) == 0
    assert Path("x.py").read_text() == text
    assert capsys.readouterr().err == "speech-compat: Nothing to change automatically.\n"


def test_the_encoding_of_a_file_is_kept() -> None:
    data = b"\xef\xbb\xbf# \xc3\xa9\r\n" + MEETING.encode()
    Path("x.py").write_bytes(data)
    latin = b"# coding: latin-1\n# \xe9\n" + MEETING.encode()
    Path("y.py").write_bytes(latin)
    assert main(["migrate", ".", "--write", "--force"]) == 0
    for name, before in (("x.py", data), ("y.py", latin)):
        assert Path(name).read_bytes() == before.replace(SDK.encode(), b"speech_compat")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    Path("link.py").symlink_to("x.py")
    assert main(["migrate", "link.py", "--write"]) == 0
    assert Path("link.py").is_symlink()
    assert "speech_compat" in Path("x.py").read_text()


def test_an_error_leaves_no_file_behind(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    assert main(["migrate", ".", "--write"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert Path("x.py").read_text() == MEETING
    assert sorted(path.name for path in Path().iterdir()) == [".git", "x.py"]


def test_without_libcst_the_extra_is_named(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "libcst")
    assert main(["migrate", "."]) == 1
    assert "speech-compat[migrate]" in capsys.readouterr().err
