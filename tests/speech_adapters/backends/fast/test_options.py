from __future__ import annotations

import pytest
from pydantic import SecretStr

from speech_adapters.backends.fast.options import fast_options
from speech_adapters.config import Service, Settings
from speech_adapters.errors import ConfigurationError


def test_the_programs_resource_is_used_unless_the_options_name_one() -> None:
    service = Service(region="westeurope", key=SecretStr("k"))
    assert fast_options(Settings(service=service)).region == "westeurope"
    own = Settings(service=service, backends={"fast": {"region": "eastus"}})
    assert fast_options(own).region == "eastus"


@pytest.mark.parametrize("version", ["2025-10-15", "2024-11-15"])
def test_both_versions_are_accepted(version: str) -> None:
    options = {"region": "westeurope", "key": "k", "api_version": version}
    assert fast_options(Settings(backends={"fast": options})).api_version == version


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"key": "k"}, r"backends\.fast\.region or endpoint"),
        ({"region": "westeurope"}, r"backends\.fast\.key or credential"),
        ({"region": "westeurope", "key": "k", "api_version": "v3.2"}, "api_version"),
        ({"region": "westeurope", "key": "k", "channels": "mix"}, "channels"),
    ],
)
def test_wrong_and_missing_options_are_named(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        fast_options(Settings(backends={"fast": options}))
