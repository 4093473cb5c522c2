from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from speech_adapters.backends.remote_meeting.options import (
    Addresses,
    access_of,
    addresses_of,
    remote_meeting_options,
)
from speech_adapters.config import Service, Settings, load_settings
from speech_adapters.errors import ConfigurationError

HOST = "transcribe.centralus.cts.speech.microsoft.com"
PATH = "/speech/recognition/multiaudio"


def settings_of(service: dict[str, Any] | None = None, /, **given: str) -> Settings:
    names = {f"backends.remote_meeting.{name}": value for name, value in given.items()}
    settings = load_settings({"backend": "remote_meeting", **names})
    return settings.model_copy(update={"service": Service(**(service or {}))})


def addresses(service: dict[str, Any] | None = None, /, **given: str) -> Addresses:
    settings = settings_of(service, **given)
    return addresses_of(remote_meeting_options(settings), settings)


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("https://h.example/", "wss://h.example"),
        ("ws://h:81", "ws://h:81"),
        ("wss://h/prefix/", "wss://h/prefix"),
        (f"wss://h/prefix{PATH}", "wss://h/prefix"),
        ("https://h/api/v1/", "wss://h"),
        ("wss://h/stt/speech/universal/v2?language=de", "wss://h"),
    ],
)
def test_both_addresses_are_derived_from_an_endpoint(endpoint: str, base: str) -> None:
    rest = base.replace("ws", "http", 1) + "/api/v1"
    assert addresses(endpoint=endpoint) == Addresses(base + PATH, rest)


def test_a_region_names_the_hosts_of_the_retired_service() -> None:
    assert addresses(region="centralus") == Addresses(
        f"wss://{HOST}{PATH}", f"https://{HOST}/api/v1"
    )


def test_the_addresses_may_be_set_separately() -> None:
    one = {"websocket_endpoint": "ws://a/socket", "rest_endpoint": "http://b/rest/"}
    assert addresses(**one) == Addresses("ws://a/socket", "http://b/rest")
    mixed = addresses(endpoint="https://h", rest_endpoint="http://b/rest")
    assert mixed == Addresses(f"wss://h{PATH}", "http://b/rest")


def test_the_programs_endpoint_counts_but_not_its_region() -> None:
    found = addresses({"endpoint": f"wss://h{PATH}", "region": "centralus"})
    assert found == Addresses(f"wss://h{PATH}", "https://h/api/v1")
    with pytest.raises(ConfigurationError, match=r"which exists no more: set .*endpoint"):
        addresses({"region": "centralus", "key": "k"})


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"websocket_endpoint": "ws://a/socket"},
        {"rest_endpoint": "http://b"},
    ],
)
def test_without_a_service_the_error_states_what_to_do(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="or choose another backend"):
        addresses(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": "h:80"},
        {"endpoint": "ftp://h"},
        {"endpoint": "https://"},
        {"endpoint": "https://h:port"},
        {"websocket_endpoint": "http://a", "rest_endpoint": "http://b"},
        {"websocket_endpoint": "ws://a", "rest_endpoint": "ws://b"},
        {"websocket_endpoint": "ws://[a", "rest_endpoint": "http://b"},
    ],
)
def test_what_is_no_address_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="is no address of a service"):
        addresses(**given)


def test_the_credentials_are_chosen_as_for_every_backend() -> None:
    settings = settings_of({"key": "of the program"}, endpoint="https://h", key="own")
    options = remote_meeting_options(settings)
    found = access_of(options, addresses_of(options, settings), settings)
    assert (found.key, found.endpoint, found.region) == ("own", f"wss://h{PATH}", "")
    bare = settings_of({}, endpoint="https://h")
    options = remote_meeting_options(bare)
    with pytest.raises(ConfigurationError, match="key or credential"):
        access_of(options, addresses_of(options, bare), bare)


def test_naming_the_backend_does_not_load_the_sdk() -> None:
    code = (
        "import sys; from speech_adapters.config import load_settings;"
        "from speech_adapters.meetings import MeetingService;"
        "MeetingService(load_settings({'backend': 'remote_meeting', 'service.key': 'k',"
        " 'service.endpoint': 'https://h'})).backend();"
        "print('azure.cognitiveservices.speech' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
