from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from pydantic import SecretStr

from double.service import KEY
from speech_adapters.azure.credentials import (
    Credentials,
    CredentialSource,
    TokenProvider,
    choose_credentials,
    default_credential,
    find_source,
    storage_credential,
)
from speech_adapters.azure.endpoint import ServiceOptions
from speech_adapters.config import Service
from speech_adapters.errors import (
    MissingExtraError,
)
from speech_adapters.speech_sdk.options import Access

SCOPE = "https://cognitiveservices.azure.com/.default"


def test_an_option_credential_without_the_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    for backend, extra in (("fast", "batch"), ("batch", "batch"), ("realtime", "realtime")):
        with pytest.raises(MissingExtraError, match=rf"azure-identity.*speech-compat\[{extra}\]"):
            choose_credentials(backend, ServiceOptions(credential="default"), Service())


class Telling:
    """A credential, or a function for the token, that shows its secret."""

    def __call__(self) -> str:
        return "SECRET"

    def __repr__(self) -> str:
        return "SECRET"


def test_a_chosen_credential_is_not_printed() -> None:
    chosen = (
        Credentials(key="SECRET"),
        Credentials(token=Telling()),
        Credentials(credential=Telling()),
        Access(key="SECRET", region="r"),
    )
    assert "SECRET" not in repr(chosen)


def test_the_source_is_found_without_using_it() -> None:
    def fail() -> str:
        raise AssertionError("the token was read")

    assert find_source(ServiceOptions(), Service(token=fail)) is CredentialSource.PROGRAM_TOKEN
    assert find_source(ServiceOptions(), Service()) is None


def test_a_credential_is_made_only_where_one_is_named() -> None:
    assert storage_credential(ServiceOptions(), Service()) is None
    programs = object()
    assert storage_credential(ServiceOptions(), Service(credential=programs)) is programs
    credential = storage_credential(
        ServiceOptions(credential="default"), Service(credential=programs)
    )
    assert type(credential).__name__ == "DefaultAzureCredential"
    credential.close()
    default_credential("realtime").close()


# The provider of tokens


class Clock:
    now = 1_000_000.0


class Credential:
    def __init__(self, life: float) -> None:
        self.asked = 0
        self._life = life

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == (SCOPE,)
        self.asked += 1
        return AccessToken(f"token-{self.asked}", int(Clock.now + self._life))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    clock = Clock()
    monkeypatch.setattr("speech_adapters.azure.credentials.time.time", lambda: clock.now)

    def wait(seconds: float) -> None:
        clock.now += seconds

    return wait


@pytest.mark.parametrize(("life", "before", "after"), [(3600, 3290, 20), (100, 45, 10)])
def test_a_credential_is_asked_in_time_and_not_before(
    later: Callable[[float], None], life: float, before: float, after: float
) -> None:
    provider = Access(endpoint="https://x", credential=Credential(life)).token_provider()
    assert provider.token() == "token-1"
    later(before)
    assert provider.token() == "token-1"
    later(after)
    assert provider.token() == "token-2"


def test_with_a_region_the_resource_stands_before_the_token() -> None:
    access = Access(region="r", credential=Credential(3600), resource_id="/subscriptions/x")
    assert access.token_provider().token() == "aad#/subscriptions/x#token-1"


def test_a_programs_own_token_is_asked_for_each_time() -> None:
    tokens = iter(("first", "second"))
    provider = Access(region="r", token=lambda: next(tokens)).token_provider()
    assert [provider.token(), provider.token()] == ["first", "second"]


def test_a_key_needs_no_token() -> None:
    assert Access(region="r", key="k").token_provider().token() == ""


def test_a_refused_token_is_refreshed_once_for_all_who_used_it(
    later: Callable[[float], None],
) -> None:
    credential = Credential(3600)
    provider = TokenProvider(Credentials(credential=credential))
    refused = provider.token()
    assert [provider.token(refused), provider.token(refused)] == ["token-2", "token-2"]
    assert credential.asked == 2


def test_threads_that_need_a_token_at_the_same_time_request_one() -> None:
    started = threading.Barrier(8)

    class Slow(Credential):
        def get_token(self, *scopes: str, **more: Any) -> AccessToken:
            threading.Event().wait(0.05)  # long enough for the other threads to arrive
            return super().get_token(*scopes, **more)

    def ask() -> str:
        started.wait()
        return provider.token()

    credential = Slow(float(sys.maxsize // 2))
    provider = TokenProvider(Credentials(credential=credential))
    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
    assert found == ["token-1"] * 8
    assert credential.asked == 1


def test_the_options_are_checked_by_their_values_not_by_their_presence() -> None:
    options = ServiceOptions(key=SecretStr(KEY))
    assert choose_credentials("fast", options, Service(key=SecretStr("other"))).key == KEY
