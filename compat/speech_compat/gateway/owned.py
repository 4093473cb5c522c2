"""The meetings of one owner.

In the store the id of a meeting is ``OWNER/ID``, where ID is the one that the client chose.  So
two owners may choose the same id, and no id leads to the meeting of another owner.
"""

from __future__ import annotations

from speech_adapters.meetings import MeetingService
from speech_compat.gateway.access import Caller

__all__ = ["OwnedMeetings"]


class OwnedMeetings:
    """The view of one owner on a meeting service.

    Args:
        meetings: the meeting service.
        caller: who asks.
    """

    def __init__(self, meetings: MeetingService, caller: Caller) -> None:
        self.meetings = meetings
        self._prefix = f"{caller.owner}/"

    def stored_id(self, meeting_id: str) -> str:
        """Return the id in the store of a meeting that the client calls ``meeting_id``."""
        return self._prefix + meeting_id

    def client_id(self, stored_id: str) -> str:
        """Return the id that the client chose."""
        return stored_id.removeprefix(self._prefix)
