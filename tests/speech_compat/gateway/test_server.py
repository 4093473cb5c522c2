"""The server process: its end by signals, TLS, its socket, and what it leaves behind."""

from __future__ import annotations

import asyncio
import resource
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from double.certificates import write_certificate
from double.frames import BINARY, CLOSE, TEXT, close_code, frame, read_text
from double.gateway_program import MEETING, gateway_process
from double.gateway_server import handshake, read_all, read_until, serving
from speech_adapters.contract import JobState
from speech_adapters.errors import ConfigurationError
from speech_adapters.store import Store
from speech_compat.gateway.options import GatewayOptions
from speech_compat.gateway.server import bind, permit_files, tls_context
from speech_compat.gateway.service import Gateway

SECOND = bytes(32_000)


def meeting(gateway: Gateway) -> Sequence[BaseRoute]:
    """Return a meeting that runs until the client sends a text, and a slow request."""

    async def endpoint(websocket: WebSocket) -> None:
        await gateway.access.authenticate(websocket.headers, websocket.query_params)
        await websocket.accept()
        with gateway.running_meeting():
            await websocket.send_text("begun")
            while "bytes" in await websocket.receive():
                pass
        await websocket.receive()

    async def slow(_: Request) -> Response:
        while not gateway.draining:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        return PlainTextResponse("complete")

    return [WebSocketRoute("/test", endpoint), Route("/slow", slow)]


def record(port: int) -> socket.socket:
    """Return a connection on which a second of audio is stored."""
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall(handshake())
    read_until(client, b"\r\n\r\n")
    client.sendall(frame(BINARY, SECOND))
    assert read_text(client) == "stored"
    return client


def stored_states(folder: Path) -> list[JobState]:
    with Store.open(folder) as store:
        return [recording.state for recording in store.recordings(MEETING)]


def test_a_stopping_gateway_waits_for_running_meetings(tmp_path: Path) -> None:
    with serving(tmp_path, meeting, drain_seconds=600) as running, running.open() as client:
        assert read_text(client) == "begun"
        running.server.should_exit = True
        while not running.gateway.draining:
            time.sleep(0.01)
        client.sendall(frame(TEXT, b"the end"))
        assert close_code(client) == 1012
    assert not running.handed_over.is_set()


def test_a_stopping_gateway_accepts_no_connections(tmp_path: Path) -> None:
    with serving(tmp_path, meeting, drain_seconds=600) as running, running.open() as client:
        assert read_text(client) == "begun"
        running.server.should_exit = True
        while not running.gateway.draining or running.server.servers[0].is_serving():
            time.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            running.connect()
        client.sendall(frame(TEXT, b"the end"))


def test_meetings_that_are_left_are_handed_over(tmp_path: Path) -> None:
    with serving(tmp_path, meeting, drain_seconds=0.1) as running, running.open() as client:
        assert read_text(client) == "begun"
        running.server.should_exit = True
        assert close_code(client) == 1012
        assert running.handed_over.wait(60)


def test_a_closed_websocket_is_read_until_the_client_has_the_code(tmp_path: Path) -> None:
    """A reset before the code would end the JavaScript SDK's attempts to connect."""
    with serving(tmp_path, meeting, drain_seconds=0.1) as running, running.open() as client:
        assert read_text(client) == "begun"
        running.server.should_exit = True
        assert close_code(client) == 1012
        for _ in range(20):  # which it has not processed yet
            client.sendall(frame(BINARY, SECOND))
            time.sleep(0.01)
        client.sendall(frame(CLOSE, (1012).to_bytes(2, "big")))
        assert read_all(client) == b""


def test_a_request_is_completed_before_the_end(tmp_path: Path) -> None:
    with serving(tmp_path, meeting) as running, running.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        while not running.server.server_state.tasks:
            time.sleep(0.01)
        running.server.should_exit = True
        assert read_all(client).endswith(b"complete")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_and_leaves_unfinished_meetings_to_others(
    tmp_path: Path, number: signal.Signals
) -> None:
    with gateway_process(tmp_path, drain_seconds=0.1) as running:
        with record(running.port) as client:
            running.process.send_signal(number)
            assert close_code(client) == 1012
        assert running.process.wait(60) == 0
        log = running.log.read_text()
    assert "Meetings that another process has to continue: 1." in log
    # Not ended, and no longer locked: another process may take it over.
    assert stored_states(tmp_path) == [JobState.UPLOADING]
    with Store.open(tmp_path) as store:
        store.lock_meeting(MEETING).release()


def test_a_meeting_that_ends_in_time_is_complete(tmp_path: Path) -> None:
    with gateway_process(tmp_path, drain_seconds=600) as running:
        with record(running.port) as client:
            running.process.send_signal(signal.SIGTERM)
            while "stops" not in running.log.read_text():
                time.sleep(0.05)
            client.sendall(frame(BINARY, SECOND))
            assert read_text(client) == "stored"
            client.sendall(frame(TEXT, b"end"))
            assert read_text(client) == "ended"
            assert close_code(client) == 1012
        assert running.process.wait(60) == 0
        assert "The gateway has stopped." in running.log.read_text()
    assert JobState.UPLOADING not in stored_states(tmp_path)


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    with gateway_process(tmp_path, drain_seconds=600) as running, record(running.port):
        running.process.send_signal(signal.SIGTERM)
        while "stops" not in running.log.read_text():
            time.sleep(0.05)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == -signal.SIGINT
    assert stored_states(tmp_path) == [JobState.UPLOADING]


def test_several_processes_listen_on_one_port(tmp_path: Path) -> None:
    with (
        gateway_process(tmp_path, reuse_port=True) as first,
        gateway_process(tmp_path, first.port, reuse_port=True) as second,
    ):
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(60) == 0
        with socket.create_connection(("127.0.0.1", first.port), timeout=60) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"alive" in read_until(client, b"}")
        assert second.process.poll() is None


def test_without_reuse_port_the_second_gateway_is_refused(tmp_path: Path) -> None:
    with bind(GatewayOptions(port=0)) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(ConfigurationError) as raised:
            bind(GatewayOptions(port=port))
    assert str(raised.value) == (
        f"The gateway cannot listen on '127.0.0.1', port {port}: Address already in use. Set"
        " gateway.host and gateway.port to a free address, or end the program that uses it."
        " In the environment: SPEECH_COMPAT_GATEWAY__HOST, SPEECH_COMPAT_GATEWAY__PORT."
    )


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 'no\.such\.host\.invalid'"):
        bind(GatewayOptions(host="no.such.host.invalid"))


def test_a_gateway_with_tls_uses_its_certificate(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "first")
    with serving(tmp_path / "state", tls_certificate=certificate, tls_key=key) as running:
        assert served_name(running.port, certificate) == "first"
        with running.connect() as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"alive" not in read_all(plain)


def test_a_websocket_over_tls_has_the_deadlines_of_others(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "first")
    options = {"tls_certificate": certificate, "tls_key": key, "ping_seconds": 0.2}
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    with (
        serving(tmp_path / "state", meeting, **options) as running,
        running.connect() as plain,
        context.wrap_socket(plain) as client,
    ):
        client.sendall(handshake())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        while running.server.server_state.connections:  # it answers no ping
            time.sleep(0.01)


def test_a_tls_handshake_that_does_not_begin_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_compat.gateway.server._HANDSHAKE_SECONDS", 0.3)
    certificate, key = write_certificate(tmp_path, "first")
    with (
        serving(tmp_path / "state", tls_certificate=certificate, tls_key=key) as running,
        running.connect() as silent,
    ):
        assert read_all(silent) == b""


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "first")
    context = tls_context(GatewayOptions(tls_certificate=certificate, tls_key=key))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_hangup_signal_reads_the_certificate_again(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "first")
    with gateway_process(tmp_path, tls_certificate=certificate, tls_key=key) as running:
        assert served_name(running.port, certificate) == "first"
        renewed, renewed_key = write_certificate(tmp_path, "second")
        shutil.copy(renewed, certificate)
        shutil.copy(renewed_key, key)
        running.process.send_signal(signal.SIGHUP)
        while "read again" not in running.log.read_text():
            time.sleep(0.05)
        assert served_name(running.port, certificate) == "second"
        key.write_text("damaged")
        running.process.send_signal(signal.SIGHUP)
        while "former ones stay" not in running.log.read_text():
            time.sleep(0.05)
        assert served_name(running.port, certificate) == "second"


@pytest.mark.parametrize("damage", ["missing", "other key", "no PEM"])
def test_certificates_that_cannot_be_used_are_refused(tmp_path: Path, damage: str) -> None:
    certificate, key = write_certificate(tmp_path, "first")
    if damage == "missing":
        key.unlink()
    elif damage == "other key":
        shutil.copy(write_certificate(tmp_path, "second")[1], key)
    else:
        certificate.write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"or its key cannot be used: \w"):
        tls_context(GatewayOptions(tls_certificate=certificate, tls_key=key))


def test_systemd_is_notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as received:
        received.bind(str(path))
        received.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        with serving(tmp_path / "state"):
            assert received.recv(100) == b"READY=1"
        assert received.recv(100) == b"STOPPING=1"


def test_a_gateway_may_open_the_files_that_its_connections_need() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for connections, expected in ((10, 296), (10**9, hard)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(280, soft), hard))
            permit_files(connections)
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (expected, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def served_name(port: int, trusted: Path) -> str:
    """Return the common name of the certificate that the server uses."""
    context = ssl.create_default_context(cafile=str(trusted))
    context.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        context.wrap_socket(plain) as client,
    ):
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"strict-transport-security" in client.recv(4_096)
        found = client.getpeercert()
    assert found is not None
    return str(found["subject"][0][0][1])
