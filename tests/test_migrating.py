"""The guide of docs/migrating.md, followed in a project of a user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

GUIDE = (Path(__file__).parents[1] / "docs/migrating.md").read_text("utf-8")
FILE = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps() -> Iterator[tuple[str, str]]:
    """Yield each command of the guide with its output."""
    for block in CONSOLE.findall(GUIDE):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


def write_project(folder: Path) -> None:
    for name, text in FILE.findall(GUIDE):
        (folder / name).write_text(text, "utf-8")
    with wave.open(str(folder / "standup.wav"), "wb") as file:
        file.setparams((8, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x00" * 8 * 64_000)
    own = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for arguments in (["init", "-q"], ["add", "-A"], [*own, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True, timeout=60)


def run(commands: list[str], folder: Path) -> str:
    """Run commands in one shell; the command line is that of this interpreter."""
    shim = folder.parent / "bin"
    shim.mkdir()
    for name, arguments in (("speech-compat", " -m speech_compat"), ("python", "")):
        command = shim / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        command.chmod(0o755)
    script = "\n".join(f"echo '$ {index}'\n{each}" for index, each in enumerate(commands))
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{shim}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    return done.stdout


def test_every_command_of_the_guide_has_the_output_that_it_shows(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write_project(folder)
    expected = list(steps())
    found = run([command for command, _ in expected], folder)
    assert found == "".join(f"$ {n}\n{output}" for n, (_, output) in enumerate(expected))


def test_each_rule_that_needs_a_decision_is_in_the_guide() -> None:
    from speech_compat._migration.rules import RULES, Level

    table = GUIDE.partition("## 4. Decide")[2].partition("## 5.")[0]
    listed = re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)
    assert sorted(listed) == sorted(rule.id for rule in RULES if rule.level is Level.DECIDE)
