"""Texts and types are those of the real package (1.53.0), as it answered when called."""

from __future__ import annotations

from typing import Any

import pytest

from speech_compat import (
    OutputFormat,
    ProfanityOption,
    PropertyId,
    ServicePropertyChannel,
    SpeechConfig,
)

BOTH = "cannot construct SpeechConfig with both region and endpoint or host information"
TOKEN = (
    "cannot specify both auth_token and endpoint or host when constructing SpeechConfig. Set"
    " authorization token separately after creating SpeechConfig."
)
NO_KEY = (
    "either subscription key or authorization token or key credential must be given along with"
    " a region"
)
NO_REGION = "either endpoint, host, or region must be given along with a subscription key"
OTHER = "cannot construct SpeechConfig with the given arguments"


@pytest.mark.parametrize(
    "names",
    [
        "subscription region",
        "region auth_token",
        "endpoint",
        "host",
        "subscription endpoint",
        "subscription host",
        "endpoint host",
    ],
)
def test_what_goes_together(names: str) -> None:
    config = SpeechConfig(**dict.fromkeys(names.split(), "x"))
    given = "subscription" in names
    assert config.subscription_key == ("x" if given else "")


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ("", OTHER),
        ("subscription", NO_REGION),
        ("region", NO_KEY),
        ("auth_token", OTHER),
        ("subscription auth_token", NO_REGION),
        ("region endpoint", BOTH),
        ("region host", BOTH),
        ("endpoint auth_token", TOKEN),
        ("host auth_token", TOKEN),
        ("subscription region auth_token", OTHER),
        ("subscription region endpoint", BOTH),
        ("region endpoint auth_token", BOTH),
        ("subscription endpoint auth_token", TOKEN),
        ("speech_recognition_language", OTHER),
    ],
)
def test_what_does_not_go_together(names: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        SpeechConfig(**dict.fromkeys(names.split(), "x"))
    assert str(caught.value) == complaint


@pytest.mark.parametrize("empty", ["subscription", "region"])
def test_an_empty_value_is_refused(empty: str) -> None:
    with pytest.raises(RuntimeError, match="5"):
        SpeechConfig(**{"subscription": "k", "region": "r", empty: ""})


@pytest.fixture
def config() -> SpeechConfig:
    return SpeechConfig("key", "westeurope", speech_recognition_language="de-DE")


def test_properties_are_there_by_id_and_by_the_name_behind_it(config: SpeechConfig) -> None:
    assert config.get_property(PropertyId.SpeechServiceConnection_Key) == "key"
    assert config.get_property_by_name("SPEECH-SubscriptionKey") == "key"
    assert config.get_property_by_name("SPEECH-Region") == config.region == "westeurope"
    assert config.get_property_by_name("SPEECH-RecoLanguage") == "de-DE"
    assert config.get_property_by_name("nothing") == ""


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda c: c.get_property("x"), "property_id value must be PropertyId instance"),
        (lambda c: c.set_property("x", "y"), "property_id value must be PropertyId instance"),
        (lambda c: c.set_properties({"x": "y"}), "property_id value must be PropertyId instance"),
        (lambda c: c.get_property_by_name(5), "property_name value must be str instance"),
        (lambda c: c.set_property_by_name(5, ""), "property_name value must be str instance"),
        (
            lambda c: c.set_properties_by_name({PropertyId.Speech_SessionId: ""}),
            "property_name value must be str instance",
        ),
        (lambda c: setattr(c, "output_format", 1), "wrong type, must be OutputFormat"),
        (
            lambda c: c.set_service_property("a", "b", 1),
            "wrong channel, must be ServicePropertyChannel",
        ),
        (lambda c: c.set_profanity(1), "bad option, must be ProfanityOption"),
        (lambda c: setattr(c, "model", 3), "model value must be str"),
    ],
)
def test_wrong_types(config: SpeechConfig, call: Any, complaint: str) -> None:
    with pytest.raises(TypeError) as caught:
        call(config)
    assert str(caught.value) == complaint


def test_service_properties_accumulate(config: SpeechConfig) -> None:
    query = ServicePropertyChannel.UriQueryParameter
    config.set_service_property("a", "b", query)
    config.set_service_property("a b&", "c=d e/ü", query)
    config.set_service_property("h", "v w", ServicePropertyChannel.HttpHeader)
    found = config.get_property(PropertyId.SpeechServiceConnection_UserDefinedQueryParameters)
    assert found == "a=b&a%20b%26=c%3Dd%20e%2F%C3%BC"
    assert config.get_property_by_name("HttpHeader#h") == "v w"
    with pytest.raises(RuntimeError):
        config.set_service_property("", "v", query)


def test_switches(config: SpeechConfig) -> None:
    assert config.output_format is OutputFormat.Simple
    config.output_format = OutputFormat.Detailed
    assert config.output_format is OutputFormat.Detailed
    config.set_profanity(ProfanityOption.Raw)
    assert config.get_property(PropertyId.SpeechServiceResponse_ProfanityOption) == "raw"
    config.enable_audio_logging()
    config.request_word_level_timestamps()
    config.enable_dictation()
    assert config.get_property(PropertyId.SpeechServiceConnection_RecoMode) == "DICTATION"
    config.speech_recognition_language = "en-US"
    assert config.speech_recognition_language == "en-US"
    with pytest.raises(RuntimeError):
        config.speech_recognition_language = ""
    config.endpoint_id = config.authorization_token = config.model = "x"
    assert (config.endpoint_id, config.authorization_token, config.model) == ("x", "x", "x")


@pytest.mark.parametrize(
    ("host", "port", "complaint"),
    [
        ("", 80, "hostname is a required parameter"),
        ("h", 0, "0 is not a valid port"),
        ("h", -1, "-1 is not a valid port"),
    ],
)
def test_an_impossible_proxy(config: SpeechConfig, host: str, port: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        config.set_proxy(host, port)


def test_a_proxy(config: SpeechConfig) -> None:
    config.set_proxy("h", 81, "u", "p")
    assert config.get_property(PropertyId.SpeechServiceConnection_ProxyPort) == "81"
    assert config.get_property(PropertyId.SpeechServiceConnection_ProxyPassword) == "p"


def test_resource_and_credentials_reach_the_backends() -> None:
    """Key or token, endpoint and credential; the token is read whenever it is needed."""
    from speech_compat._session.mapping.requests import settings_of

    class Credential:
        pass

    credential = Credential()
    config = SpeechConfig(endpoint="https://x", token_credential=credential)
    service = settings_of(config).service
    assert service.credential is credential
    assert service.endpoint == "https://x"
    config = SpeechConfig(auth_token="first", region="r")
    token = settings_of(config).service.token
    config.authorization_token = "renewed-token"
    assert token() == "renewed-token"
    assert "renewed-token" not in repr(settings_of(config))
