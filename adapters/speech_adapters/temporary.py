"""Private temporary folders that no crash leaves behind for good.

Audio and transcripts are personal data, and a process that is killed cannot remove its
folder.  So each folder has a lock, which the kernel releases when its owner dies, and the next
program of the same user removes the folders whose lock is free.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from speech_adapters.errors import MeetingBusyError, StoreError
from speech_adapters.open_files import advice
from speech_adapters.store.locks import FileLock

__all__ = ["create_folder", "remove_abandoned", "remove_folder"]

_PREFIX: Final = "speech-compat-"
_LOCK: Final = "owner"
# A folder of this age without a lock is not one that is just being created.
_UNLOCKED_SECONDS: Final = 10.0
_TRIES: Final = 5

# The locks of this process's folders, by path.
_owned: Final[dict[Path, FileLock]] = {}
_guard: Final = threading.Lock()


def create_folder() -> Path:
    """Create a folder that only this user may read.  Blocks.

    Raises:
        StoreError: it cannot be created.
    """
    for _ in range(_TRIES - 1):
        # Another process that searches for abandoned folders may lock the new one first.
        with suppress(MeetingBusyError):
            return _create()
    return _create()


def _create() -> Path:
    """Create a folder and lock it.

    Raises:
        StoreError: it cannot be created or locked.
        MeetingBusyError: another process has locked it, and removes it.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as error:
        raise StoreError(
            f"No temporary folder can be created: {error.strerror or error}. "
            + advice(
                error,
                "Check the disk and the permissions of the system's folder for temporary files, or"
                " set TMPDIR.",
            )
        ) from error
    try:
        lock = FileLock(folder, _LOCK, "The folder has an owner.")
    except StoreError as error:
        # The process that locked it first may have removed it by now.
        if not folder.exists():
            raise MeetingBusyError("The folder was removed.") from error
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    with _guard:
        _owned[folder] = lock
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it.  Blocks; idempotent."""
    with _guard:
        lock = _owned.pop(folder, None)
    _remove_contents(folder)
    if lock is not None:
        lock.release()
    shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the folders of this user whose process died.  Blocks."""
    folders: list[Path] = []
    # The next process does it; one at its limit of open files has an error to report already.
    with suppress(OSError):
        folders = list(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    for folder in folders:
        # Not even tried: a process with hundreds of meetings calls this for each of them.
        lock = None if folder in _owned else _lock_abandoned(folder)
        if lock is not None:
            # Held meanwhile, so that a process that is killed here leaves the lock to the next.
            _remove_contents(folder)
            lock.release()
            shutil.rmtree(folder, ignore_errors=True)


def _remove_contents(folder: Path) -> None:
    """Remove all but the lock: a process that is killed now must leave no data without it."""
    paths: list[Path] = []
    # Its owner, or another process that found it abandoned, may have removed it meanwhile.
    with suppress(OSError):
        paths = list(folder.iterdir())
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix != ".lock":
            with suppress(OSError):
                path.unlink()


def _lock_abandoned(folder: Path) -> FileLock | None:
    """Return the lock of a folder whose owner died, or ``None`` for any other folder."""
    try:
        status = folder.stat(follow_symlinks=False)
        # A link, or the folder of another user: its contents are not ours to remove.
        if not folder.is_dir() or folder.is_symlink():
            return None
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            return None
        if any(folder.glob("*.lock")):
            return FileLock(folder, _LOCK, "The folder has an owner.")
        # Without a lock it belongs to another program, or to an older version that records
        # just now: only an empty one, which a crash during its creation left, is removed.
        if time.time() - status.st_mtime > _UNLOCKED_SECONDS:
            folder.rmdir()
    except (OSError, MeetingBusyError, StoreError):
        return None
    return None
