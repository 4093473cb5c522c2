from __future__ import annotations

import json
import logging
from importlib.metadata import version
from pathlib import Path

import pytest

from speech_compat.cli import main
from speech_compat.cli.main import COMMANDS, new_parser


def result_file(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    phrase = {"offset": "PT1S", "duration": "PT2S", "nBest": [{"display": "Hallo."}], "speaker": 1}
    path.write_text(json.dumps({"duration": "PT5S", "recognizedPhrases": [phrase]}))
    return path


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"speech-compat {version('speech-compat')}\n"


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ([], logging.WARNING),
        (["-v"], logging.INFO),
        (["-vv"], logging.DEBUG),
        (["--verbose", "-v"], logging.DEBUG),
    ],
)
def test_verbose_is_about_this_package_only(
    arguments: list[str], level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "list"]) == 0
    for name in ("speech_adapters", "speech_compat.cli"):
        assert logging.getLogger(name).isEnabledFor(level)
        assert level == logging.DEBUG or not logging.getLogger(name).isEnabledFor(level - 1)
    # HTTP clients write addresses with signatures.
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)


@pytest.mark.parametrize("arguments", [["-v", "transcribe"], ["transcribe", "-v"]])
def test_verbose_may_be_before_or_after_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "missing.wav"]) == 1
    assert logging.getLogger("speech_compat").level == logging.INFO


@pytest.mark.parametrize("command", COMMANDS)
def test_the_parser_of_one_command_is_that_of_all(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    helps = []
    for parser in (new_parser(command), new_parser()):
        with pytest.raises(SystemExit):
            parser.parse_args([command, "--help"])
        helps.append(capsys.readouterr().out)
    assert helps[0] == helps[1]
    assert f"speech-compat {command}" in helps[0]


def test_a_wrong_command_is_an_error_that_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lists"])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert all(repr(command) in message for command in COMMANDS)


@pytest.mark.parametrize(("name", "begin"), [("a.srt", "1\n"), ("a.html", "<!"), ("a.x", "[")])
def test_the_extension_of_the_output_is_the_format(tmp_path: Path, name: str, begin: str) -> None:
    output = tmp_path / name
    assert main(["convert", str(result_file(tmp_path)), "-o", str(output)]) == 0
    assert output.read_text("utf-8").startswith(begin)


def test_a_minus_is_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = result_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["convert", str(path), "-o", "-"]) == 0
    assert capsys.readouterr().out == "[00:00:01] Guest-1: Hallo.\n"
    assert list(tmp_path.iterdir()) == [path]
