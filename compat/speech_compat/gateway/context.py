"""The request that the running task serves, for modules that see only a part of it.

The access control needs the address of the client, which headers and query do not have, and the
log line the owner, which only the access control knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import attrs

__all__ = ["RequestContext", "current_request", "serving"]


@attrs.define
class RequestContext:
    """One HTTP request or websocket.

    Attributes:
        id: a random id, which the answer and the log repeat.
        address: the client's IP address; empty if it is unknown.
        websocket: whether it is the handshake of a websocket.
        owner: the authenticated sender; empty before.
        at_end: functions that the application calls when the request has ended.
    """

    id: str
    address: str
    websocket: bool
    owner: str = ""
    at_end: list[Callable[[], None]] = attrs.field(factory=list)


_current: ContextVar[RequestContext | None] = ContextVar("speech_compat.gateway", default=None)


def current_request() -> RequestContext | None:
    """Return the request that the running task serves; ``None`` outside of requests."""
    return _current.get()


@contextmanager
def serving(request: RequestContext) -> Iterator[None]:
    """Make ``request`` the current one inside the block; its end runs ``at_end``."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)
        for function in request.at_end:
            function()
