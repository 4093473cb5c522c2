"""The meeting store: records, database, locks and crash recovery."""

from __future__ import annotations

from speech_adapters.store.locks import Hold
from speech_adapters.store.records import Recording
from speech_adapters.store.store import Store

__all__ = ["Hold", "Recording", "Store"]
