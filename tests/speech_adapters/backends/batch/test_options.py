from __future__ import annotations

from typing import Any

import pytest

from speech_adapters.backends.batch.options import batch_options, has_storage, need_storage
from speech_adapters.config import Service, Settings
from speech_adapters.errors import ConfigurationError

SPEECH = {"region": "westeurope", "key": "k"}


def settings(service: Service | None = None, **options: Any) -> Settings:
    return Settings(service=service or Service(), backends={"batch": {**SPEECH, **options}})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, False),
        ({"storage_connection_string": "UseDevelopmentStorage=true"}, True),
        ({"storage_account_url": "https://a.blob", "credential": "default"}, True),
    ],
)
def test_whether_a_storage_account_is_named(options: dict[str, Any], named: bool) -> None:
    found = batch_options(settings(**options))
    assert has_storage(found) == named
    if named:
        need_storage(found)
    else:
        with pytest.raises(ConfigurationError, match="storage_connection_string or storage_acc"):
            need_storage(found)


def test_a_storage_account_needs_an_identity_or_a_connection_string() -> None:
    with pytest.raises(ConfigurationError, match=r'set backends.batch.credential to "default"'):
        batch_options(settings(storage_account_url="https://a.blob"))


def test_the_programs_identity_opens_a_storage_account() -> None:
    named = settings(Service(credential=object()), storage_account_url="https://a.blob")
    assert has_storage(batch_options(named))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sas_hours", 23),
        ("sas_hours", 169),
        ("ttl_hours", 5),
        ("ttl_hours", 745),
        ("poll_seconds", -1),
        ("warn_hours", 0),
        ("deadline_hours", -1),
        ("channels", "all"),
        ("audio_access", "public"),
        ("unknown", "x"),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        batch_options(settings(**{name: value}))
