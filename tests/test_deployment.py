"""The files of docs/deploy, and the options that docs/gateway.md lists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from speech_compat.gateway.options import GatewayOptions, TokenOptions

DOCS = Path(__file__).parents[1] / "docs"
UNIT = DOCS / "deploy" / "speech-compat.service"
ROW = re.compile(r"^\| `(?P<name>\w+)` \|(?P<default>[^|]*)\|", re.MULTILINE)


def rows(page: str) -> dict[str, str]:
    """Return the defaults of the options of a table by their names."""
    return {found["name"]: found["default"].strip() for found in ROW.finditer(page)}


def shown(default: Any) -> str:
    values = default if isinstance(default, tuple) else (default,)
    return ", ".join(f"`{str(value).lower()}`" for value in values)


def test_the_page_lists_all_options_with_their_defaults() -> None:
    page = (DOCS / "gateway.md").read_text(encoding="utf-8")
    head, _, tail = page.partition("## Access")
    fields = GatewayOptions.model_fields
    listed = rows(head)
    assert list(listed) == list(fields)
    assert {name: default for name, default in listed.items() if default.startswith("`")} == {
        name: shown(field.default)
        for name, field in fields.items()
        if isinstance(field.default, str | int | float | tuple)
    }
    tokens = tail.partition("### Tokens")[2].partition("### TLS")[0]
    assert set(rows(tokens)) == set(TokenOptions.model_fields)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    # The program must exist for the check.
    program = "/opt/speech-compat/bin/speech-compat"
    text = UNIT.read_text(encoding="utf-8").replace(program, sys.executable)
    unit = tmp_path / UNIT.name
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_supervisors_wait_longer_than_the_gateway() -> None:
    drain = GatewayOptions().drain_seconds
    container = (DOCS / "deploy" / "Containerfile").read_text(encoding="utf-8")
    for text, option in (
        (UNIT.read_text(encoding="utf-8"), r"TimeoutStopSec=(\d+)"),
        (container, r"--stop-timeout (\d+)"),
    ):
        found = re.search(option, text)
        assert found is not None
        assert int(found[1]) > drain
