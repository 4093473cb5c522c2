from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from double.certificates import write_certificate
from double.missing import hide_package
from speech_adapters.azure.credentials import Credentials
from speech_adapters.azure.diagnose import (
    Contact,
    Reply,
    address_finding,
    contact_checks,
    credential_check,
    date_of,
    request_once,
)
from speech_adapters.azure.endpoint import ClientOptions
from speech_adapters.config import Service
from speech_adapters.diagnosis import Finding, Level, run_check


def contact(address: str, credentials: Credentials) -> Contact:
    async def send() -> Reply:
        return await request_once(address, "/path", {}, lambda: credentials)

    return Contact(lambda: address, send)


def findings(found: Contact) -> dict[str, Finding]:
    async def work() -> dict[str, Finding]:
        return {c.id: await run_check(c, online=True) for c in contact_checks(found)}

    return anyio.run(work)


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing."""


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "x")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = findings(contact(f"https://127.0.0.1:{server.server_port}", Credentials(key="k")))
        thread.join()
    assert found["connection"].level is Level.FAILED
    assert "certificate of 127.0.0.1 is not trusted" in found["connection"].text
    assert "SSL_CERT_FILE" in found["connection"].fix


def test_a_name_that_cannot_be_resolved() -> None:
    found = findings(contact("https://no-such-host.invalid", Credentials(key="k")))
    assert "no-such-host.invalid cannot be resolved" in found["connection"].text
    assert "HTTPS_PROXY" in found["connection"].fix


def test_an_answer_that_does_not_come() -> None:
    async def send() -> Reply:
        raise httpx.ReadTimeout("")

    found = findings(Contact(lambda: "https://x.invalid", send))
    assert found["connection"].text == "x.invalid cannot be reached: ReadTimeout."
    assert found["sign_in"].level is found["clock"].level is Level.SKIPPED


def test_one_request_serves_all_checks() -> None:
    sent = []

    async def send() -> Reply:
        sent.append(1)
        return Reply(200, None)

    found = findings(Contact(lambda: "https://x.invalid", send))
    assert found["connection"].level is found["sign_in"].level is Level.OK
    assert found["clock"].text == "the service has not stated its time"
    assert sent == [1]


class NoToken:
    def get_token(self, _: str) -> Any:
        raise PermissionError("not signed in: token=s3cret")


def test_a_credential_that_returns_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    class Accepting(Quiet):
        def do_GET(self) -> None:
            headers.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()

    headers: list[dict[str, str]] = []
    with HTTPServer(("127.0.0.1", 0), Accepting) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        found = findings(contact(address, Credentials(credential=NoToken())))
        thread.join()
    # The connection is checked all the same.
    assert found["connection"].level is Level.OK
    assert found["sign_in"].level is Level.FAILED
    assert "returns no token: PermissionError" in found["sign_in"].text
    assert "Sign in" in found["sign_in"].fix
    assert "Authorization" not in headers[0]


def credential(options: ClientOptions, service: Service) -> Finding:
    async def work() -> Finding:
        return await run_check(credential_check("batch", lambda: options, service), online=False)

    return anyio.run(work)


def test_the_credential_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ClientOptions.model_validate({"key": "s3cret"})
    found = credential(key, Service())
    assert found.text == "the key in backends.batch.key is used (6 characters)"
    program = credential(ClientOptions(), Service.model_validate({"key": "s3cret\n"}))
    assert program.level is Level.FAILED
    assert "line breaks" in program.text
    assert "s3cret" not in repr(program)
    token = credential(ClientOptions(), Service(token=lambda: "s3cret"))
    assert token.text == "the authorization token of the program is used"
    hide_package(monkeypatch, "azure.identity")
    identity = credential(ClientOptions(credential="default"), Service())
    assert identity.fix == 'pip install "speech-compat[batch]"'


@pytest.mark.parametrize(
    ("address", "more", "level", "text"),
    [
        ("https://x.invalid/path?sig=s3cret", {}, Level.OK, "https://x.invalid"),
        ("http://127.0.0.1:80", {}, Level.OK, "http://127.0.0.1:80"),
        ("http://x.invalid", {}, Level.WARNING, "is not encrypted"),
        ("x.invalid", {}, Level.FAILED, "is no address"),
        ("https://user:s3cret@x.invalid", {}, Level.OK, "https://x.invalid"),
        (
            "https://x.invalid",
            {"identity": True, "regional": True},
            Level.WARNING,
            "accepts no tokens",
        ),
        ("https://x.invalid", {"identity": True}, Level.OK, "https://x.invalid"),
    ],
)
def test_addresses(address: str, more: dict[str, bool], level: Level, text: str) -> None:
    found = address_finding(address, **more)
    assert found.level is level
    assert text in found.text
    assert "s3cret" not in found.text


def test_dates_of_services() -> None:
    found = date_of("Thu, 26 Nov 2026 02:00:00 GMT")
    assert found is not None
    assert found.isoformat() == "2026-11-26T02:00:00+00:00"
    assert date_of("yesterday") is None
    assert date_of("") is None
