from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from double.gateway_program import gateway_process
from double.gateway_server import KEY
from speech_adapters import extras
from speech_compat.cli import main


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def test_a_check_prints_a_line_for_each_thing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--check", "--port", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", name]
        for name in (
            "settings", "options", "access", "tokens", "TLS", "address", "store", "backend"
        )
    ]  # fmt: skip


def test_a_failed_check_has_an_exit_code_and_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--check", "--port", "0", "--host", "0.0.0.0"]) == 1
    (line,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("failed")]
    assert line.startswith("failed  access    The gateway does not listen on '0.0.0.0'")
    assert "or permit it with --insecure." in line
    assert "SPEECH_COMPAT_GATEWAY__KEYS" in line


def test_settings_that_cannot_be_read_are_a_failed_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "speech-compat.toml").write_text("backend = [")
    assert main(["serve", "--check"]) == 1
    assert capsys.readouterr().out.startswith("failed  settings  The settings cannot be read")


def test_options_of_the_command_precede_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "speech-compat.toml").write_text(
        f'[gateway]\nport = 1\nhost = "0.0.0.0"\nkeys = {{alice = "{KEY}"}}\n'
    )
    assert main(["serve", "--check", "--port", "0", "--host", "127.0.0.1"]) == 0
    output = capsys.readouterr().out
    assert "keys of alice" in output
    assert "127.0.0.1, port 0 is free" in output


def test_an_address_that_others_reach_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 1
    assert "without access keys" in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda module: module != "uvicorn")
    assert main(["serve"]) == 1
    assert 'pip install "speech-compat[gateway]"' in capsys.readouterr().err


def test_a_terminal_shows_the_generated_key(tmp_path: Path) -> None:
    shown, hidden = _start(terminal=True), _start(terminal=False)
    key = (tmp_path / "state" / "gateway.key").read_text().strip()
    assert f"The access key of 'local' is {key}, also in {tmp_path}/state/gateway.key" in shown
    assert key not in hidden
    assert f"The access key of 'local' is in {tmp_path}/state/gateway.key" in hidden


def _start(*, terminal: bool) -> str:
    """Run a gateway until it listens; returns what it wrote to standard error."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "speech_compat", "serve", "--port", "0"],
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:])},
    )
    os.close(theirs)
    text = ""
    while "The gateway listens." not in text:
        received = os.read(ours, 10_000).decode()
        assert received, text
        text += received
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    os.close(ours)
    return text


def test_no_line_of_the_log_is_anything_but_json(tmp_path: Path) -> None:
    with gateway_process(tmp_path) as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        lines = running.log.read_text().splitlines()
    assert lines[0].startswith("speech-compat: The gateway listens on http://127.0.0.1:")
    assert all(line.startswith('{"time": "20') for line in lines[1:])
    assert len(lines) > 2
