"""Names of backlogs, and the journals that they lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from speech_adapters.backlog.journal import Journal, journal_path, lock_backlog
from speech_adapters.backlog.manifest import KINDS, is_address

__all__ = ["find_journal", "locked_journal", "name_of"]


def name_of(manifest: str) -> str:
    """Return the name that a backlog has by default: that of its manifest."""
    if is_address(manifest):
        text = urlsplit(manifest).path
    else:
        path = PurePath(manifest)
        # "." and ".." are folders whose names are elsewhere.
        name = path.name if path.name not in ("", "..") else Path(manifest).resolve().name
        text = PurePath(name).stem if path.suffix.lower() in KINDS else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64] or "backlog"


def find_journal(state_dir: Path, backlog: str) -> Path:
    """Return the journal of a backlog, which is called by its name or by its manifest.

    Raises:
        ConfigurationError: it can be no name.
    """
    if re.fullmatch(r"[\w.-]+", backlog, re.ASCII):
        path = journal_path(state_dir, backlog)
        if path.is_file():
            return path
    return journal_path(state_dir, name_of(backlog))


@contextmanager
def locked_journal(state_dir: Path, path: Path, *, create: bool = False) -> Iterator[Journal]:
    """Open a journal that no other process changes meanwhile.

    Raises:
        MeetingBusyError: another process runs the backlog.
        ConfigurationError: there is no such backlog.
        StoreError: its files cannot be used.
    """
    with lock_backlog(state_dir, path.stem), Journal(path, create=create) as journal:
        yield journal
