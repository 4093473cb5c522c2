from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import speech_adapters
import speech_compat

SENTENCE = "speech-compat needs Python 3.11 or newer; this is Python 3.9.18."
# Runs a module or imports it, as another version of Python.
OLD = """
import runpy, sys
sys.version_info = (3, 9, 18, "final", 0)
sys.argv = sys.argv[1:]
if sys.argv[0] == "-m":
    runpy.run_module("speech_compat")
import speech_compat
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OLD, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_import_raises_one_sentence_with_an_old_python() -> None:
    done = _run("program.py")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {SENTENCE}"


def test_the_command_prints_one_sentence_with_an_old_python() -> None:
    done = _run("-m")
    assert (done.returncode, done.stderr) == (1, f"{SENTENCE}\n")


@pytest.mark.parametrize("package", [speech_adapters, speech_compat], ids=lambda p: p.__name__)
def test_an_old_python_can_read_what_runs_before_the_check(package: object) -> None:
    first = Path(str(getattr(package, "__file__", "")))
    for file in (first, Path(speech_adapters.__file__).parent / "_python_version.py"):
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 7))
    _, _, imported, *_ = ast.parse(first.read_text(encoding="utf-8")).body
    assert isinstance(imported, ast.ImportFrom)
    assert (imported.module or "").split(".")[0] == "speech_adapters"
