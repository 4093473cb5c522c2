from __future__ import annotations

from http import HTTPStatus

import pytest

from speech_compat.gateway.errors import LimitError
from speech_compat.gateway.limits import Limits, RateLimiter
from speech_compat.gateway.options import GatewayOptions


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def taken(limiter: RateLimiter, name: str, at_most: int = 100) -> int:
    """Return how many tokens can be taken now."""
    for count in range(at_most):
        try:
            limiter.take(name)
        except LimitError:
            return count
    return at_most


def test_a_minute_of_tokens_may_be_used_at_once_and_comes_back_evenly() -> None:
    clock = Clock()
    limiter = RateLimiter(60, "requests", clock)
    assert taken(limiter, "alice") == 60
    clock.now += 3
    assert taken(limiter, "alice") == 3
    clock.now += 3_600
    assert taken(limiter, "alice") == 60


def test_each_name_has_its_own_tokens() -> None:
    limiter = RateLimiter(5, "requests", Clock())
    assert taken(limiter, "alice") == 5
    assert taken(limiter, "bob") == 5


def test_the_error_has_the_time_of_the_next_token() -> None:
    limiter = RateLimiter(6, "requests", Clock())
    taken(limiter, "alice")
    with pytest.raises(LimitError) as raised:
        limiter.take("alice")
    assert raised.value.status is HTTPStatus.TOO_MANY_REQUESTS
    assert raised.value.headers == {"Retry-After": "10"}
    assert raised.value.message == "Too many requests. Try again later."


def test_a_refused_request_delays_the_next_token_no_further() -> None:
    clock = Clock()
    limiter = RateLimiter(60, "requests", clock)
    taken(limiter, "alice")
    for _ in range(10):
        clock.now += 0.09
        assert taken(limiter, "alice") == 0
    clock.now += 0.2
    assert taken(limiter, "alice") == 1


def test_a_check_takes_no_token() -> None:
    limiter = RateLimiter(1, "requests", Clock())
    for _ in range(5):
        limiter.check("alice")
    limiter.take("alice")
    with pytest.raises(LimitError):
        limiter.check("alice")


def test_the_memory_for_names_is_bounded() -> None:
    limiter = RateLimiter(5, "requests", Clock())
    taken(limiter, "recent")
    for number in range(10_100):
        limiter.take(str(number))
        if number % 1_000 == 0:
            assert taken(limiter, "recent") == 0
            limiter._buckets.move_to_end("recent")
    assert len(limiter._buckets) == 10_000


def test_connections_of_an_owner_are_limited() -> None:
    limits = Limits(GatewayOptions(connections_per_owner=2))
    leave = limits.enter("alice")
    limits.enter("alice")
    with pytest.raises(LimitError, match="Too many connections at a time"):
        limits.enter("alice")
    limits.enter("bob")
    leave()
    limits.enter("alice")
