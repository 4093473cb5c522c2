from __future__ import annotations

import logging
from pathlib import Path

import pytest

from double.gateway_server import Running, read_all, serving


def ask(running: Running, path: str, *headers: str) -> tuple[int, str]:
    """Return the status and the body of an answer."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    with running.connect() as client:
        client.sendall("\r\n".join(lines).encode())
        head, _, content = read_all(client).decode().partition("\r\n\r\n")
    return int(head.split()[1]), content


def test_probes_need_no_credential(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        assert ask(running, "/healthz") == (200, '{"status":"alive"}')
        assert ask(running, "/readyz") == (200, '{"status":"ready"}')


def test_a_draining_gateway_is_alive_but_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        running.gateway.drain()
        assert ask(running, "/healthz")[0] == 200
        assert ask(running, "/readyz") == (503, '{"status":"draining"}')


def test_a_backend_that_cannot_be_created_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "nothing")
    with serving(tmp_path) as running, caplog.at_level(logging.WARNING):
        assert ask(running, "/readyz") == (503, '{"status":"not ready"}')
    # The reason is in the log, not in the answer.
    assert "There is no backend called 'nothing'" in caplog.text


def test_metrics_are_readable_over_loopback(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        with running.gateway.running_meeting():
            status, content = ask(running, "/metrics")
        assert status == 200
        assert "\nspeech_compat_meetings 1.0\n" in content
        assert "\nprocess_resident_memory_bytes " in content
        assert "\nspeech_compat_meetings 0.0\n" in ask(running, "/metrics")[1]


def test_behind_a_proxy_metrics_need_a_key(tmp_path: Path) -> None:
    with serving(tmp_path, behind_proxy=True) as running:
        assert ask(running, "/metrics")[0] == 401
        assert ask(running, "/metrics", "X-Forwarded-For: 127.0.0.1")[0] == 401


@pytest.mark.parametrize("header", ["", "Authorization: Bearer wrong", "Authorization: secret"])
def test_with_a_key_other_requests_are_refused(tmp_path: Path, header: str) -> None:
    with serving(tmp_path, metrics_key="secret") as running:
        assert ask(running, "/metrics", *filter(None, [header]))[0] == 401
        assert ask(running, "/metrics", "Authorization: Bearer secret")[0] == 200
