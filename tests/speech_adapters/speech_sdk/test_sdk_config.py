"""The configuration of the Speech SDK, read back from the SDK."""

from __future__ import annotations

import azure.cognitiveservices.speech as sdk
import pytest

from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.speech_sdk.options import Access
from speech_adapters.speech_sdk.sdk_config import meeting_config, speech_config


@pytest.mark.parametrize(
    ("access", "token", "expected"),
    [
        (Access(region="r", key="k"), "", ("r", "k", "")),
        (Access(region="r", token=lambda: "t"), "t", ("r", "", "t")),
        (Access(endpoint="wss://host/path", token=lambda: "t"), "t", ("", "", "t")),
        (Access(endpoint="wss://host/path", key="k"), "", ("", "k", "")),
    ],
)
def test_endpoint_and_credential_reach_the_sdk(
    access: Access, token: str, expected: tuple[str, ...]
) -> None:
    config = speech_config(MeetingRequest("m"), access, token, 1.0)
    assert (config.region, config.subscription_key, config.authorization_token) == expected


def test_settings_of_the_program_reach_the_sdk() -> None:
    settings = {
        "detailed": "true",
        "dictation": "true",
        "proxy": "http://user:p%40ss@proxy.example:8080",
        "unknown": "is ignored",
    }
    request = MeetingRequest("m", settings=settings)
    config = speech_config(request, Access(region="r", key="k"), "", 1.0)
    names = ("HostName", "Port", "UserName", "Password")
    ids = [getattr(sdk.PropertyId, f"SpeechServiceConnection_Proxy{name}") for name in names]
    assert [config.get_property(name) for name in ids] == ["proxy.example", "8080", "user", "p@ss"]
    assert config.output_format == sdk.OutputFormat.Detailed


def test_a_proxy_without_a_port_and_a_user_has_the_port_of_http() -> None:
    request = MeetingRequest("m", settings={"proxy": "http://proxy.example"})
    config = speech_config(request, Access(region="r", key="k"), "", 1.0)
    assert config.get_property(sdk.PropertyId.SpeechServiceConnection_ProxyPort) == "80"


@pytest.mark.parametrize(
    ("mode", "query"),
    [
        (Mode.LIVE, ""),
        (Mode.STORED, "transcriptionMode=async"),
        (Mode.BOTH, "transcriptionMode=RealTimeAndAsync"),
    ],
)
def test_the_mode_of_a_meeting_is_part_of_the_query(mode: Mode, query: str) -> None:
    config = meeting_config(MeetingRequest("m", mode=mode), Access(endpoint="ws://h/p"), "", 1.0)
    named = sdk.PropertyId.SpeechServiceConnection_UserDefinedQueryParameters
    assert config.get_property(named) == query
    assert config.get_property_by_name("ConversationTranscriptionInRoomAndOnline") == "true"


@pytest.mark.parametrize(("separate", "value"), [(True, "true"), (False, "")])
def test_speakers_are_separated_only_if_wanted(separate: bool, value: str) -> None:
    request = MeetingRequest("m", differentiate_speakers=separate)
    config = meeting_config(request, Access(endpoint="ws://h/p"), "", 1.0)
    assert config.get_property_by_name("DifferentiateGuestSpeakers") == value
