from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from speech_adapters.backends.realtime.options import access_of, realtime_options
from speech_adapters.config import Service, load_settings
from speech_adapters.errors import ConfigurationError
from speech_adapters.speech_sdk.options import Access


def access(service: dict[str, Any] | None = None, **given: str) -> Access:
    names = {f"backends.realtime.{name}": value for name, value in given.items()}
    settings = load_settings({"backend": "realtime", **names})
    settings = settings.model_copy(update={"service": Service(**(service or {}))})
    return access_of(realtime_options(settings), settings)


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("https://name.cognitiveservices.azure.com", "/stt/speech/universal/v2"),
        ("https://name.cognitiveservices.azure.com/", "/stt/speech/universal/v2"),
        ("wss://host/any/path?x=1", "/any/path?x=1"),
    ],
)
def test_an_address_without_a_path_gets_the_services(given: str, endpoint: str) -> None:
    assert access(endpoint=given, key="k").endpoint.endswith(endpoint)


def test_options_override_the_programs_values() -> None:
    service = {"region": "theirs", "key": "their key"}
    assert access(service) == Access(region="theirs", key="their key")
    assert access(service, region="ours", key="our key") == Access(region="ours", key="our key")


def test_a_credential_comes_before_a_token_and_a_key() -> None:
    credential = object()
    service = {"endpoint": "https://x", "credential": credential, "key": "k", "token": str}
    assert access(service).credential is credential
    assert access({**service, "credential": None}).token is str


def test_secrets_are_not_shown() -> None:
    shown = repr(access(region="r", key="SECRET")) + repr(
        access({"token": lambda: "SECRET"}, region="r")
    )
    assert "SECRET" not in shown


def test_the_retired_address_is_refused_with_advice() -> None:
    retired = "wss://centralus.sts.speech.microsoft.com/speech/recognition/multiaudio"
    with pytest.raises(ConfigurationError, match="set the region instead"):
        access({"endpoint": retired, "key": "k"})


def test_naming_the_backend_does_not_load_the_sdk() -> None:
    code = (
        "import sys; from speech_adapters.config import load_settings;"
        "from speech_adapters.meetings import MeetingService;"
        "MeetingService(load_settings({'backend': 'realtime', 'service.key': 'k',"
        " 'service.region': 'r'})).backend();"
        "print('azure.cognitiveservices.speech' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
