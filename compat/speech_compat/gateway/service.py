"""What all requests to a gateway share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.meetings import MeetingService
from speech_compat.gateway.access import AccessControl, Caller
from speech_compat.gateway.health import Readiness
from speech_compat.gateway.limits import Limits
from speech_compat.gateway.metrics import Metrics
from speech_compat.gateway.options import gateway_options
from speech_compat.gateway.owned import OwnedMeetings
from speech_compat.gateway.shares import Shares

__all__ = ["Gateway"]

# Added to the time for which a meeting waits for its client: a process that died is noticed late.
_GRACE_SECONDS: Final = 30.0


class Gateway(AsyncCloseable):
    """The meetings and the access control of a gateway.

    To be used on one event loop.

    Args:
        settings: which backend serves meetings, and the options of the gateway.

    Attributes:
        options: the options of the gateway.
        limits: limits on rates and connections.
        access: checks credentials.
        transcripts, uploads, enrollments: limits on expensive requests of each owner.
        meetings: the meeting service; endpoints reach it through :meth:`owned_by` only.
        readiness: whether meetings can be recorded.
        metrics: the metrics of this process.
        draining: whether the gateway is about to stop and begins no more meetings.
        running: number of running meetings.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self.options = gateway_options(settings)
        self.limits = Limits(self.options)
        self.access = AccessControl(self.options, self.limits)
        # Transcripts in memory; recordings of voices that arrive; processes that enroll them.
        self.transcripts = Shares(each=2, total=8)
        self.uploads = Shares(each=1, total=64)
        self.enrollments = Shares(each=1, total=2)
        # A query by id must not end a meeting whose client is about to connect to another
        # process than the one that died.
        patience = self.options.reconnect_seconds + _GRACE_SECONDS
        patience = max(patience, settings.take_over_seconds)
        self.meetings = MeetingService(settings.model_copy(update={"take_over_seconds": patience}))
        self.readiness = Readiness(self.meetings)
        self.metrics = Metrics()
        self.draining = False
        self.running = 0
        # Called before the meetings are closed, in the order of their registration.
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._opened()

    def close_first(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call ``close`` before the meetings are closed."""
        self._closers.append(close)

    def owned_by(self, caller: Caller) -> OwnedMeetings:
        """Return the meetings of the sender of a request."""
        return OwnedMeetings(self.meetings, caller)

    @contextmanager
    def running_meeting(self) -> Iterator[None]:
        """Count a meeting as running inside the block; a stopping gateway waits for it."""
        self.running += 1
        self.metrics.meetings.inc()
        try:
            yield
        finally:
            self.running -= 1
            self.metrics.meetings.dec()

    def drain(self) -> None:
        """Begin no more meetings.  Running ones continue."""
        self.draining = True
        self.metrics.draining.set(1)

    async def aclose(self) -> None:
        """Close the meetings.  Idempotent."""
        closers, self._closers = self._closers, []
        for close in closers:
            await close()
        await self.meetings.aclose()
        await super().aclose()
