"""Microsoft's JavaScript packages, as processes for the tests."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["need_node", "run_node"]

FOLDER: Final = Path(__file__).parents[1] / "node"


def need_node(package: str) -> str:
    """Return the path of node; skip the test if it or the package is missing."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules" / package).is_dir():
        pytest.skip(f"{package} needs node: run `make test` where node and npm are installed")
    return node


def run_node(script: str, *arguments: str) -> Any:
    """Run a script of ``tests/node``; return the JSON document that it prints last."""
    package = next(_packages(script))
    command = [need_node(package), str(FOLDER / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def _packages(script: str) -> Iterator[str]:
    """Yield the packages that a script and the scripts of its folder that it imports need."""
    for line in (FOLDER / script).read_text(encoding="utf-8").splitlines():
        if line.startswith("import") and '"node:' not in line:
            name = line.split('"')[1]
            if name.startswith("./"):
                yield from _packages(name)
            else:
                yield name
