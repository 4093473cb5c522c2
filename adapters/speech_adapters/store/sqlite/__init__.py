"""The meeting store in an SQLite file, with locks of the kernel; for the processes of a machine."""

from __future__ import annotations

from speech_adapters.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
