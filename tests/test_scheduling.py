"""Tests of the division of the tests among processes, with real processes of pytest-xdist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
CRASH = """
import os

def test_before() -> None:
    pass

def test_crash() -> None:
    if not os.path.exists("crashed"):
        open("crashed", "w").close()
        os.kill(os.getpid(), 9)

def test_after() -> None:
    open("after", "w").close()
"""


def test_a_process_that_crashes_ends_neither_the_others_nor_the_run(tmp_path: Path) -> None:
    for number in range(20):
        tests = "".join(f"def test_{n}(): pass\n" for n in range(4))
        (tmp_path / f"test_{number}.py").write_text(tests, encoding="utf-8")
    # The shortest file is assigned last, so all others have ended when it is assigned again.
    (tmp_path / "test_crash.py").write_text(CRASH, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "scheduling", "-n", "2", "--dist", "loadfile"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "crashed while running 'test_crash.py::test_crash'" in done.stdout
    assert "1 failed, 83 passed" in done.stdout
    assert (tmp_path / "after").exists()
