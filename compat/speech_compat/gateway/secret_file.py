"""Secrets that are created once and kept in files that only this user may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from speech_adapters.errors import StoreError

__all__ = ["kept_secret"]

_BYTES: Final = 16


def kept_secret(path: Path) -> str:
    """Return the secret of a file, 32 hexadecimal digits; created at the first call.

    All processes that use the file have the same secret.

    Raises:
        StoreError: the file cannot be written or read, or is empty.
    """
    try:
        secret = _read_or_create(path)
    except OSError as error:
        raise StoreError(
            f"The secret of the gateway cannot be kept in {path}: {error.strerror or error}. Check"
            ' the disk and permissions, or set "state_dir" to another folder.'
        ) from error
    if not secret:
        raise StoreError(f"The file {path} is empty: remove it, and a new secret is created.")
    return secret


def _read_or_create(path: Path) -> str:
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = secrets.token_hex(_BYTES)
    # Complete before it has its name: another process may read it at this moment.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
    finally:
        draft.unlink()
    return secret
