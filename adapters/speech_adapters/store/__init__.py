"""The meeting store: interface, records, locks, crash recovery, and its database (sqlite)."""

from __future__ import annotations

from speech_adapters.store.access import AsyncStore
from speech_adapters.store.interface import Store
from speech_adapters.store.lock import Lock
from speech_adapters.store.locks import acquire_with_retry
from speech_adapters.store.records import MeetingSummary, OpenState, Outcome, Recording

__all__ = [
    "AsyncStore",
    "Lock",
    "MeetingSummary",
    "OpenState",
    "Outcome",
    "Recording",
    "Store",
    "acquire_with_retry",
]
