from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from speech_adapters.backends.realtime.options import Access
from speech_adapters.backends.realtime.signin import SignIn


class Clock:
    now = 1_000_000.0


class Credential:
    def __init__(self, life: float) -> None:
        self.asked = 0
        self._life = life

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://cognitiveservices.azure.com/.default",)
        self.asked += 1
        return AccessToken(f"token-{self.asked}", int(Clock.now + self._life))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    clock = Clock()
    monkeypatch.setattr("speech_adapters.backends.realtime.signin.time.time", lambda: clock.now)

    def wait(seconds: float) -> None:
        clock.now += seconds

    return wait


@pytest.mark.parametrize(("life", "before", "after"), [(3600, 3290, 20), (100, 45, 10)])
def test_a_credential_is_asked_in_time_and_not_before(
    later: Callable[[float], None], life: float, before: float, after: float
) -> None:
    sign_in = SignIn(Access(endpoint="https://x", credential=Credential(life)))
    assert sign_in.token() == "token-1"
    later(before)
    assert sign_in.token() == "token-1"
    later(after)
    assert sign_in.token() == "token-2"


def test_with_a_region_the_resource_stands_before_the_token() -> None:
    access = Access(region="r", credential=Credential(3600), resource_id="/subscriptions/x")
    assert SignIn(access).token() == "aad#/subscriptions/x#token-1"


def test_a_programs_own_token_is_asked_for_each_time() -> None:
    tokens = iter(("first", "second"))
    sign_in = SignIn(Access(region="r", token=lambda: next(tokens)))
    assert [sign_in.token(), sign_in.token()] == ["first", "second"]


def test_a_key_needs_no_token() -> None:
    assert SignIn(Access(region="r", key="k")).token() == ""
