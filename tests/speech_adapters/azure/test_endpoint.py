from __future__ import annotations

import pytest

from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.azure.endpoint import (
    ServiceOptions,
    address,
    service_options,
)
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"region": "westeurope"}, "https://westeurope.api.cognitive.microsoft.com/speechtotext"),
        (
            {"region": "usgovvirginia"},
            "https://usgovvirginia.api.cognitive.microsoft.us/speechtotext",
        ),
        ({"region": "chinaeast2"}, "https://chinaeast2.api.cognitive.azure.cn/speechtotext"),
        (
            {"endpoint": "https://mine.cognitiveservices.azure.com/", "region": "westeurope"},
            "https://mine.cognitiveservices.azure.com/speechtotext",
        ),
    ],
)
def test_every_kind_of_host_has_its_address(options: dict[str, str], url: str) -> None:
    assert address(ServiceOptions.model_validate(options)) == url


def options_of(**properties: str) -> ServiceOptions:
    return service_options(ServiceOptions, "batch", load_settings(properties))


def test_what_the_program_says_is_used_where_the_options_are_silent() -> None:
    given = {"service.key": "K", "service.region": "westeurope"}
    found = options_of(**given)
    chosen = choose_credentials("batch", found, load_settings(given).service)
    assert (chosen.key, found.region) == ("K", "westeurope")


def test_the_options_go_before_what_the_program_says() -> None:
    program = {"service.key": "K", "service.region": "eastus", "service.endpoint": "https://x"}
    found = options_of(
        **program, **{"backends.batch.key": "O", "backends.batch.region": "westeurope"}
    )
    assert (found.key.get_secret_value(), found.region, found.endpoint) == ("O", "westeurope", "")
    credential = options_of(**program, **{"backends.batch.credential": "default"})
    assert credential.key.get_secret_value() == ""


@pytest.mark.parametrize("lacking", ["region", "key"])
def test_what_is_missing_is_named(lacking: str) -> None:
    properties = {"service.key": "K", "service.region": "westeurope"}
    del properties[f"service.{lacking}"]
    with pytest.raises(ConfigurationError, match=f"needs backends.batch.{lacking}"):
        options_of(**properties)


def test_keys_stay_out_of_what_is_printed() -> None:
    settings = load_settings({"service.key": "SECRET", "backends.batch.key": "SECRET2"})
    assert "SECRET" not in repr(settings.service)
    assert "SECRET" not in repr(options_of(**{"service.key": "SECRET", "service.region": "r"}))
