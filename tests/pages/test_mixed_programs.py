"""The examples of docs/mixed-programs.md, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from oracle.test_oracle import why_not
from speech_compat._sdk.passthrough import MissingSdkError, passthrough
from speech_compat.cli.main import new_parser

PAGE: Final = (Path(__file__).parents[2] / "docs" / "mixed-programs.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_examples_run(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if why_not():
        pytest.skip(why_not())
    # Complete at once: nothing connects before a transcriber starts.
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "realtime")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("python")[number]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if done.stdout:
        assert done.stdout in blocks("text")


def test_the_commands_of_the_page_are_understood() -> None:
    commands = [
        line.removeprefix("speech-compat ").split()
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("speech-compat ")
    ]
    understood = [new_parser().parse_args(command) for command in commands]
    assert [(options.program, len(options.arguments)) for options in understood] == [
        ("program.py", 1),
        ("package.module", 0),
        ("bot.py", 0),
        ("pytest", 0),
        ("gunicorn", 3),
        ("uvicorn", 4),
        ("jupyter", 1),
    ]


def test_the_error_of_the_page_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'azure'")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(MissingSdkError) as caught:
        passthrough("speech_compat")("SpeechSynthesizer")
    assert f"{caught.value}\n" in blocks("text")
