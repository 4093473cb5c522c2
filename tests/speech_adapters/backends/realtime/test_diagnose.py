from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from double.missing import hide_package
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.realtime import checks
from speech_adapters.config import Service, Settings, load_settings
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check
from speech_compat.testing.loopback import LoopbackService, Script

Play = Callable[[Script], tuple[LoopbackService, str]]
ONLINE = ("connection", "sign_in", "clock")


def findings(
    settings: Settings, *, online: bool = True, audio: AudioFile | None = None
) -> dict[str, Finding]:
    async def work() -> dict[str, Finding]:
        found = checks(Subject(settings, audio))
        return {check.id: await run_check(check, online=online) for check in found}

    return anyio.run(work)


def options(**values: str) -> Settings:
    return load_settings({f"backends.realtime.{name}": value for name, value in values.items()})


def test_everything_is_fine_with_the_service(
    play: Play, configure: Callable[..., Settings]
) -> None:
    service, url = play(Script(tokens=frozenset({"the-key"})))
    found = findings(configure(url, key="the-key"))
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["connection"].text == "127.0.0.1 answers (HTTP status 101)"
    assert "Speech SDK" in found["libraries"].text
    # The handshake alone, as the SDK sends it; no audio.
    (connection,) = service.connections
    assert connection.path == "/stt/speech/universal/v2"
    assert connection.credential == "the-key"


def test_a_wrong_key(play: Play, configure: Callable[..., Settings]) -> None:
    _, url = play(Script(tokens=frozenset({"the-key"})))
    found = findings(configure(url, key="another-key"))
    assert [name for name, f in found.items() if f.level is Level.FAILED] == ["sign_in"]
    assert found["sign_in"].text == "127.0.0.1 refused the websocket (401 Unauthorized)."


def test_a_token_of_the_program_is_sent(play: Play, configure: Callable[..., Settings]) -> None:
    service, url = play(Script(tokens=frozenset({"fresh"})))
    settings = configure(url, key="").model_copy(update={"service": Service(token=lambda: "fresh")})
    assert findings(settings)["sign_in"].level is Level.OK
    assert service.connections[0].credential == "fresh"
    empty = settings.model_copy(update={"service": Service(token=lambda: "")})
    found = findings(empty)
    assert found["connection"].level is Level.OK
    assert found["sign_in"].level is Level.FAILED
    assert "token is empty" in found["sign_in"].text


class Refusal(BaseHTTPRequestHandler):
    """Refuses everything, with a clock that is an hour ahead."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing."""


def test_the_clock_is_read_from_a_refusal_too(configure: Callable[..., Settings]) -> None:
    with HTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = findings(configure(f"ws://127.0.0.1:{server.server_port}"))
        thread.join()
    assert found["clock"].level is Level.WARNING
    assert "60 minutes behind" in found["clock"].text
    assert "role" in found["sign_in"].fix


def test_a_name_that_cannot_be_resolved(
    configure: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = findings(configure("wss://no-such-host.invalid"))
    assert found["connection"].level is Level.FAILED
    assert "no-such-host.invalid cannot be resolved" in found["connection"].text
    assert "region" in found["connection"].fix
    assert found["sign_in"].level is Level.SKIPPED


def test_a_service_without_tls(play: Play, configure: Callable[..., Settings]) -> None:
    _, url = play(Script())
    found = findings(configure(url.replace("ws://", "wss://")))["connection"]
    assert found.level is Level.FAILED
    assert "does not answer in TLS" in found.text


def test_a_certificate_that_is_not_trusted(
    configure: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: Any, **__: Any) -> Any:
        raise ssl.SSLCertVerificationError(1, "self-signed certificate")

    monkeypatch.setattr("speech_adapters.speech_sdk.diagnose._connect", connect)
    found = findings(configure("wss://127.0.0.1:1"))["connection"]
    assert "is not trusted: self-signed certificate" in found.text
    assert "SSL_CERT_FILE" in found.fix


def test_options_that_are_missing_or_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(options(), online=False)
    assert "SPEECH_COMPAT_BACKENDS__REALTIME__REGION" in found["endpoint"].fix
    assert "SPEECH_COMPAT_BACKENDS__REALTIME__KEY" in found["credential"].fix
    found = findings(options(region="x", key="a b ", final="lokal"), online=False)
    assert found["endpoint"].text == "region x"
    assert "such as line breaks" in found["credential"].text
    assert "a b" not in str(found["credential"])
    assert "names 'lokal', which is no backend" in found["final"].text
    found = findings(options(endpoint="ws://speech.invalid", key="k"), online=False)
    assert found["endpoint"].level is Level.WARNING
    assert "not encrypted" in found["endpoint"].text
    identity = findings(options(region="x", credential="default"), online=False)
    assert identity["credential"].level is Level.OK
    assert "needs backends.realtime.resource_id too" in identity["endpoint"].text
    assert "SPEECH_COMPAT_BACKENDS__REALTIME__RESOURCE_ID" in identity["endpoint"].fix
    retired = "wss://x.invalid/speech/recognition/multiaudio"
    found = findings(options(endpoint=retired, key="k"), online=False)
    assert "retired service" in found["endpoint"].text
    hide_package(monkeypatch, "azure.cognitiveservices.speech")
    found = findings(options(region="x", key="k"), online=False)
    assert found["packages"].fix == 'pip install "speech-compat[realtime]"'


def test_a_region_of_another_cloud_has_an_unknown_host() -> None:
    found = findings(options(region="usgovvirginia", key="k"))
    assert "is not known here" in found["connection"].text
    assert "backends.realtime.endpoint" in found["connection"].fix


def test_how_a_file_is_sent() -> None:
    audio = AudioFile(Path("x.wav"), PcmFormat(channels=2), 600.0, 1)
    found = findings(options(region="x", key="k"), online=False, audio=audio)["audio"]
    assert found.text == "sent at 2 times real time, 2 channels mixed down, 5.0 minutes"
