"""The meeting store: records, database, locks and crash recovery."""

from __future__ import annotations

from speech_adapters.store.access import AsyncStore
from speech_adapters.store.locks import Lock, acquire_with_retry
from speech_adapters.store.records import Recording
from speech_adapters.store.store import Store

__all__ = ["AsyncStore", "Lock", "Recording", "Store", "acquire_with_retry"]
