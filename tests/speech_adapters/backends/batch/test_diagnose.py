from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    generate_account_sas,
)
from starlette.responses import JSONResponse

from double.missing import hide_package
from double.service import Fault, ServiceDouble, serving
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch import checks
from speech_adapters.backends.batch.diagnose import signature_finding
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.config import load_settings
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check

Properties = Callable[..., dict[str, str]]


def findings(
    properties: dict[str, str], *, online: bool = True, audio: AudioFile | None = None
) -> dict[str, Finding]:
    subject = Subject(load_settings(properties), audio)

    async def work() -> dict[str, Finding]:
        return {check.id: await run_check(check, online=online) for check in checks(subject)}

    return anyio.run(work)


def test_everything_is_fine_with_the_services(
    properties: Properties, double: ServiceDouble, storage: str
) -> None:
    found = findings(properties())
    assert {name: finding.level for name, finding in found.items()} == dict.fromkeys(
        (
            "packages",
            "endpoint",
            "credential",
            "storage",
            "connection",
            "sign_in",
            "api_version",
            "clock",
            "storage_access",
        ),
        Level.OK,
    )
    # One request answers all; and nothing is left in the container.
    assert double.requests == ["GET /speechtotext/transcriptions"]
    with BlobServiceClient.from_connection_string(storage) as account:
        names = account.get_container_client("speech-compat").list_blob_names()
        assert not [name for name in names if "doctor" in name]


def test_nothing_is_sent_without_the_wish(properties: Properties, double: ServiceDouble) -> None:
    found = findings(properties(), online=False)
    skipped = {name for name, finding in found.items() if finding.level is Level.SKIPPED}
    assert skipped == {"connection", "sign_in", "api_version", "clock", "storage_access"}
    assert not double.requests


def test_a_wrong_key_fails_the_sign_in_only(properties: Properties) -> None:
    found = findings(properties(key="another-key"))
    failing = {name for name, finding in found.items() if finding.level is Level.FAILED}
    assert failing == {"sign_in"}
    assert "401" in found["sign_in"].text
    assert found["sign_in"].fix.startswith("Copy the key again")
    assert found["api_version"].level is Level.SKIPPED


def test_a_version_that_the_service_refuses(properties: Properties, double: ServiceDouble) -> None:
    refusal = JSONResponse({"code": "NotFound", "message": "no such version"}, 404)
    double.faults.append(Fault("transcriptions", refusal))
    found = findings(properties())
    assert found["sign_in"].level is Level.OK
    assert found["api_version"].level is Level.FAILED
    assert "no such version" in found["api_version"].text
    assert "2025-10-15" in found["api_version"].fix


@pytest.mark.parametrize(
    ("minutes", "level", "text"),
    [
        (-30, Level.FAILED, "30 minutes ahead of the service's: the signed addresses (SAS)"),
        (30, Level.WARNING, "30 minutes behind the service's"),
        (-1, Level.OK, "differs from the service's by"),
    ],
)
def test_the_clock_is_compared_with_that_of_the_service(
    properties: Properties, minutes: int, level: Level, text: str
) -> None:
    double = ServiceDouble()
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    answer = JSONResponse({"values": []}, headers={"Date": date})
    double.faults.append(Fault("transcriptions", answer))
    with serving(double, dated=False) as address:
        found = findings(properties(endpoint=address))["clock"]
    assert found.level is level
    assert text in found.text


def test_a_service_that_does_not_answer(properties: Properties) -> None:
    found = findings(properties(endpoint="http://127.0.0.1:9"))
    assert found["connection"].level is Level.FAILED
    assert found["connection"].text.startswith("127.0.0.1 refuses connections")
    assert "port" in found["connection"].fix
    assert {found[name].level for name in ("sign_in", "api_version", "clock")} == {Level.SKIPPED}


def test_a_storage_account_with_another_key(properties: Properties, storage: str) -> None:
    wrong = storage.replace("AccountKey=E", "AccountKey=A")
    found = findings(properties(storage_connection_string=wrong))
    assert found["storage"].level is Level.OK
    assert found["storage_access"].level is Level.FAILED
    assert "AuthorizationFailure" in found["storage_access"].text


def test_no_storage_account(properties: Properties) -> None:
    found = findings(properties(storage_connection_string=""), online=False)["storage"]
    assert found.level is Level.FAILED
    assert "SPEECH_COMPAT_BACKENDS__BATCH__STORAGE_CONNECTION_STRING" in found.fix
    other = findings(properties(storage_connection_string="AccountName=x"), online=False)
    assert "neither AccountKey nor SharedAccessSignature" in other["storage"].text
    short = findings(properties(storage_connection_string="AccountKey=abc"), online=False)
    assert "The AccountKey of the connection string is no key" in short["storage"].text
    address = findings(
        properties(storage_connection_string="", storage_account_url="https://x.invalid"),
        online=False,
    )
    assert "needs an azure-identity credential" in address["storage"].text


def test_a_missing_package(properties: Properties, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "tenacity")
    found = findings(properties(), online=False)["packages"]
    assert found.level is Level.FAILED
    assert found.text == "The package tenacity is needed, but not installed."
    assert found.fix == 'pip install "speech-compat[batch]"'


def test_flac_needs_a_package_more(properties: Properties, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(properties(flac="true"), online=False)["flac"].level is Level.OK
    hide_package(monkeypatch, "av")
    found = findings(properties(flac="true"), online=False)
    assert found["packages"].level is Level.OK
    assert found["flac"].level is Level.FAILED
    assert found["flac"].fix == 'pip install "speech-compat[audio]"'
    assert "flac" not in findings(properties(), online=False)


def sas(now: datetime, *, hours: float = 100, permissions: str = "racwd") -> str:
    end = now + timedelta(hours=hours)
    return f"sv=2024-11-04&se={end:%Y-%m-%dT%H:%M:%SZ}&sp={permissions}&sig=s3cret"


def test_a_storage_account_with_a_signature(properties: Properties, storage: str) -> None:
    """The SAS of an account writes, reads and deletes a blob, if the address needs none."""
    parts = dict(part.split("=", 1) for part in storage.split(";") if part)

    def signed(**permissions: bool) -> dict[str, str]:
        token = generate_account_sas(
            parts["AccountName"],
            parts["AccountKey"],
            ResourceTypes(container=True, object=True),
            AccountSasPermissions(**permissions),
            datetime.now(UTC) + timedelta(hours=100),
        )
        string = f"BlobEndpoint={parts['BlobEndpoint']};SharedAccessSignature={token}"
        return properties(storage_connection_string=string, audio_access="plain")

    found = findings(signed(read=True, write=True, create=True, delete=True))
    assert found["storage"].level is found["storage_access"].level is Level.OK
    found = findings(signed(read=True, write=True, create=True))
    assert found["storage"].level is found["storage_access"].level is Level.FAILED
    assert "does not permit to delete" in found["storage"].text


def test_the_signature_of_the_settings_is_read(properties: Properties) -> None:
    now = datetime.now(UTC)
    plain = BatchOptions(audio_access="plain")
    good = signature_finding(sas(now), plain, now)
    assert good.level is Level.OK
    assert "racwd" in good.text
    expired = signature_finding(sas(now, hours=-1), plain, now)
    assert expired.level is Level.FAILED
    assert "expired on" in expired.text
    weak = signature_finding(sas(now, permissions="r"), plain, now)
    assert "does not permit to write, delete" in weak.text
    short = signature_finding(sas(now, hours=3), plain, now)
    assert short.level is Level.WARNING
    assert "expires in 3 h" in short.text
    later = signature_finding(f"st={now + timedelta(hours=2):%Y-%m-%dT%H:%MZ}&sp=rwd", plain, now)
    assert "valid only from" in later.text
    # It cannot sign further addresses, which the service needs by default.
    signing = signature_finding(sas(now), BatchOptions(), now)
    assert signing.level is Level.FAILED
    assert "audio_access" in signing.fix
    string = f"BlobEndpoint=https://x.invalid;SharedAccessSignature={sas(now, hours=-1)}"
    found = findings(properties(storage_connection_string=string), online=False)["storage"]
    assert "expired on" in found.text
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("seconds", "channels", "options", "level", "text"),
    [
        (3600, 1, {}, Level.OK, "sent as mono"),
        (5 * 3600, 1, {}, Level.WARNING, "cut into 2 parts"),
        (3600, 2, {"channels": "split"}, Level.OK, "2 channels are sent separately"),
        (5 * 3600, 2, {"channels": "speakers"}, Level.OK, "2 channels are sent separately"),
    ],
)
def test_how_a_file_is_sent(
    properties: Properties,
    seconds: float,
    channels: int,
    options: dict[str, str],
    level: Level,
    text: str,
) -> None:
    audio = AudioFile(Path("x.wav"), PcmFormat(16_000, channels), seconds, 1)
    found = findings(properties(**options), online=False, audio=audio)["audio"]
    assert found.level is level
    assert text in found.text


def test_wrong_options_are_a_failure_of_each_check_that_needs_them(
    properties: Properties,
) -> None:
    found: dict[str, Any] = findings(properties(api_versoin="x"))
    assert "the closest is 'api_version'" in found["endpoint"].text
    assert found["connection"].text == found["endpoint"].text
