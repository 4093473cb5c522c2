"""Limits on rates and connections."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from speech_compat.gateway.errors import LimitError
from speech_compat.gateway.options import GatewayOptions

__all__ = ["Limits", "RateLimiter"]

# Names whose rate is remembered at a time; an attacker can use any number of addresses.
_NAMES: Final = 10_000
_MINUTE: Final = 60.0
_RETRY_SECONDS: Final = 5.0


class RateLimiter:
    """Token buckets by name: a minute's tokens may be used at once, and come back evenly.

    Args:
        per_minute: the rate, and the size of a bucket.
        what: what is limited, for the message.
        clock: returns seconds.
    """

    def __init__(
        self, per_minute: int, what: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = float(per_minute)
        self._rate = per_minute / _MINUTE
        self._what = what
        self._clock = clock
        # Tokens and the time at which they were counted, the name used last at the end.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> None:
        """Consume a token of a name.

        Raises:
            LimitError: there is none; the bucket is left as it is.
        """
        tokens = self._tokens(name)
        if tokens < 1:
            raise self._error(tokens)
        self._buckets[name] = (tokens - 1, self._clock())
        self._buckets.move_to_end(name)
        if len(self._buckets) > _NAMES:
            # The name that was not used for the longest time has probably a full bucket.
            self._buckets.popitem(last=False)

    def check(self, name: str) -> None:
        """Check that a name has a token; none is consumed.

        Raises:
            LimitError: there is none.
        """
        tokens = self._tokens(name)
        if tokens < 1:
            raise self._error(tokens)

    def _tokens(self, name: str) -> float:
        now = self._clock()
        tokens, counted = self._buckets.get(name, (self._size, now))
        return min(self._size, tokens + (now - counted) * self._rate)

    def _error(self, tokens: float) -> LimitError:
        return LimitError(f"Too many {self._what}. Try again later.", (1 - tokens) / self._rate)


class Limits:
    """All limits of a gateway, to be used on its event loop.

    Args:
        options: the options of the gateway.

    Attributes:
        requests: HTTP requests by owner.
        handshakes: handshakes of websockets by owner.
        failures: refused credentials by IP address.
    """

    def __init__(self, options: GatewayOptions) -> None:
        self.requests = RateLimiter(options.requests_per_minute, "requests")
        self.handshakes = RateLimiter(options.handshakes_per_minute, "connections per minute")
        self.failures = RateLimiter(options.failures_per_minute, "refused credentials")
        self._per_owner = options.connections_per_owner
        self._connections = Counter[str]()

    def enter(self, owner: str) -> Callable[[], None]:
        """Count a websocket of an owner; returns the function that ends it.

        Raises:
            LimitError: the owner has too many.
        """
        if self._connections[owner] >= self._per_owner:
            raise LimitError("Too many connections at a time. Try again later.", _RETRY_SECONDS)
        self._connections[owner] += 1

        def leave() -> None:
            self._connections[owner] -= 1
            if not self._connections[owner]:
                del self._connections[owner]

        return leave

    @staticmethod
    def draining() -> LimitError:
        """Return the error of a gateway that accepts no new meetings."""
        return LimitError(
            "The gateway is about to stop. Try again later.",
            _RETRY_SECONDS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
