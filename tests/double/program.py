"""Python programs in processes of their own, which can import the tests' helpers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["run_program"]

_TESTS = Path(__file__).parents[1]


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    """Run the text of a program, in which each warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), *sys.path[1:]])},
    )
