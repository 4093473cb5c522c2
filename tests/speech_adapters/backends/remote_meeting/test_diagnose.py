from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from double.gateway import KEYS, serving, settings_of
from double.missing import hide_package
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.remote_meeting import checks
from speech_adapters.config import Settings, load_settings
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check
from speech_adapters.store import Store
from speech_compat.testing.loopback import Script

Serve = Callable[..., Any]


def findings(
    settings: Settings, *, online: bool = True, audio: AudioFile | None = None
) -> dict[str, Finding]:
    async def work() -> dict[str, Finding]:
        found = checks(Subject(settings, audio))
        return {check.id: await run_check(check, online=online) for check in found}

    return anyio.run(work)


def failing(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.level is Level.FAILED}


def options(**values: str) -> Settings:
    return load_settings(
        {f"backends.remote_meeting.{name}": value for name, value in values.items()}
    )


def test_both_addresses_are_fine(serve: Serve) -> None:
    service, configure = serve(Script())
    found = findings(configure())
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert {"websocket_sign_in", "sign_in", "rest_endpoint", "clock"} < set(found)
    # A question about a meeting that does not exist.
    assert service.requests == ["GET /api/v1/offlinetask"]
    assert not service.held


def test_a_wrong_key(serve: Serve) -> None:
    _, configure = serve(Script(tokens=frozenset({"the-key"})))
    found = findings(configure(key="another-key"))
    assert failing(found) == {"websocket_sign_in", "sign_in"}


def test_one_address_is_wrong(serve: Serve) -> None:
    _, configure = serve(Script())
    found = findings(configure(rest_endpoint="http://127.0.0.1:9/api/v1"))
    assert failing(found) == {"connection"}
    assert found["websocket_connection"].level is Level.OK


def test_a_gateway_is_fine_and_keeps_no_meeting(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "gateway")
    with serving(settings) as address:
        found = findings(options(endpoint=address, key=KEYS["alice"]))
        assert not failing(found)
        assert failing(findings(options(endpoint=address, key="x"))) == {
            "sign_in",
            "websocket_sign_in",
        }
    with Store.open(tmp_path / "gateway") as store:
        assert store.recordings() == []


def test_no_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(options(), online=False)
    assert "SPEECH_COMPAT_BACKENDS__REMOTE_MEETING__ENDPOINT" in found["endpoint"].fix
    assert found["credential"].level is Level.FAILED
    hide_package(monkeypatch, "httpx")
    assert findings(options(), online=False)["packages"].level is Level.FAILED


def test_how_a_file_is_sent() -> None:
    audio = AudioFile(Path("x.wav"), PcmFormat(channels=8), 600.0, 1)
    found = findings(options(), online=False, audio=audio)["audio"]
    assert found.text == "sent with 8 channels and 16000 Hz, as it is"
