"""The examples of docs/quick-start.md and README.md, run with the built wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from pages.console import Command, examples, is_similar

ROOT: Final = Path(__file__).parents[2]
Shell = Callable[[str], str]

pytestmark = pytest.mark.engine


@pytest.fixture
def shell(installed: Path, tmp_path: Path, shipped_recordings: Path) -> Shell:
    """Return a function that runs a line in a folder of a user, and returns both outputs."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    shutil.copy(shipped_recordings / "endgame_nagg_nell.wav", tmp_path / "meeting.wav")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Nothing of this repository: neither its sources nor its settings.
    environment = {"PATH": path, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(installed)}

    def run(line: str) -> str:
        # Some commands of the pages fail on purpose.
        return subprocess.run(
            [bash, "-c", line],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        ).stdout

    return run


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md"])
def test_the_page_shows_what_its_commands_write(page: str, shell: Shell, tmp_path: Path) -> None:
    found = list(examples((ROOT / page).read_text("utf-8")))
    assert [each for each in found if isinstance(each, Command) and each.output], "no example"
    for example in found:
        if isinstance(example, Command):
            received = shell(example.line)
            assert is_similar(example.output, received), f"$ {example.line}\n{received}"
        else:
            name, text = example
            (tmp_path / name).write_text(text, "utf-8")


def test_a_page_that_shows_other_lines_words_or_speakers_is_found() -> None:
    shown = "Guest-1 Do you hear me?\nGuest-2 Yes.\n"
    assert is_similar(shown, "Guest-1 Do you hear it?\nGuest-2 Yes.\n")
    assert not is_similar(shown, "Guest-1 Do you hear me?\nGuest-1 Yes.\n")
    assert not is_similar(shown, "Guest-1 Do you hear me?\n")
    assert not is_similar(shown, "Guest-1 I read a book.\nGuest-2 Never.\n")
    assert not is_similar("", "Traceback (most recent call last)\n")
