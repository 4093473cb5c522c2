"""What all requests to a gateway share."""

from __future__ import annotations

from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.meetings import MeetingService
from speech_compat.gateway.access import AccessControl, Caller
from speech_compat.gateway.options import gateway_options
from speech_compat.gateway.owned import OwnedMeetings

__all__ = ["Gateway"]


class Gateway(AsyncCloseable):
    """The meetings and the access control of a gateway.

    To be used on one event loop.

    Args:
        settings: which backend serves meetings, and the options of the gateway.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self.options = gateway_options(settings)
        self.access = AccessControl(self.options)
        self.meetings = MeetingService(settings)
        self._opened()

    def owned_by(self, caller: Caller) -> OwnedMeetings:
        """Return the meetings of the sender of a request."""
        return OwnedMeetings(self.meetings, caller)

    async def aclose(self) -> None:
        """Close the meetings.  Idempotent."""
        await self.meetings.aclose()
        await super().aclose()
