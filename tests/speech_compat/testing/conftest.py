"""Projects of users, outside of this repository, with the built wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
Pytest = Callable[..., "subprocess.CompletedProcess[str]"]
_BLOCK: Final = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write the files of the guide, and a recording of four seconds."""
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\nfilterwarnings = error\n")
    for name, text in _BLOCK.findall((ROOT / "docs/testing.md").read_text(encoding="utf-8")):
        (folder / name).write_text(text, encoding="utf-8")
    with wave.open(str(folder / "tests/standup.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x00" * 64_000)
    return folder


@pytest.fixture
def run(installed: Path, project: Path) -> Pytest:
    """Return a function that runs pytest in the project with more environment variables."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        # Nothing of this repository: neither its sources nor its settings.
        own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        # Temporary folders of its own: another pytest may remove old ones at the same time.
        own["PYTEST_DEBUG_TEMPROOT"] = str(project.parent)
        return subprocess.run(
            [sys.executable, "-P", "-m", "pytest", "-q", *arguments],
            cwd=project,
            env={**own, "PYTHONPATH": str(installed), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run
