"""The checks of the meeting store: folder, disk, permissions, integrity, files."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from speech_adapters import threads
from speech_adapters.audio import PcmFormat
from speech_adapters.config import StoreOptions
from speech_adapters.diagnosis import Check, Finding, Level, failed, ok, skipped, warning
from speech_adapters.store.inspection import Inspection
from speech_adapters.store.interface import Store

__all__ = ["space_finding", "store_checks"]

_NO_STORE: Final = "there is no store yet: the first stored meeting creates it"
_LITTLE_BYTES: Final = 100_000_000
_ENOUGH_BYTES: Final = 1_000_000_000
# What others must not do with the folders and files that the store creates.
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SHOWN: Final = 3


def store_checks(directory: Path, options: StoreOptions | None = None) -> Sequence[Check]:
    """Return the checks of the store of a folder, which need not exist.

    Args:
        directory: the folder of the store.
        options: its database; ``None`` for an SQLite file.
    """
    options = options or StoreOptions()
    on_server = bool(options.url.get_secret_value())
    audio = (options.audio_dir if on_server else None) or directory / "audio"
    # Recordings are what fills a disk.
    place = (
        (audio, "store.audio_dir") if on_server and options.audio_dir else (directory, "state_dir")
    )

    async def folder() -> Finding:
        found = _folder(directory, "state_dir")
        return found if found.level is Level.FAILED else _folder(*place)

    async def disk() -> Finding:
        return space_finding(*place)

    async def permissions() -> Finding:
        return await threads.STORE.run(_permissions, directory, audio)

    async def integrity() -> Finding:
        found = await threads.STORE.run(Store.inspect, directory, options)
        return _server(found) if found is not None and found.server else _integrity(found)

    async def files() -> Finding:
        return _files(await threads.STORE.run(Store.inspect, directory, options))

    return (
        Check("store.folder", "Folder", folder),
        Check("store.disk", "Disk space", disk),
        Check("store.permissions", "Permissions", permissions),
        Check("store.integrity", "Database", integrity),
        Check("store.files", "Recordings", files),
    )


def space_finding(folder: Path, setting: str) -> Finding:
    """Return whether the disk of a folder has room for recordings.

    Args:
        folder: the folder, which need not exist.
        setting: the setting or variable that moves it.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    hours = free / PcmFormat().bytes_per_second / 3600
    text = f"{free / 1_000_000_000:.1f} GB free ({hours:.0f} h of mono audio at 16 kHz)"
    if free < _LITTLE_BYTES:
        return failed(
            f"The disk of {folder} has only {free / 1_000_000:.0f} MB left.",
            f"Free space on it, or set {setting} to a folder on another disk.",
        )
    if free < _ENOUGH_BYTES:
        return warning(
            f"The disk of {folder} has {text}.",
            f"Free space on it, or set {setting} to a folder on another disk.",
        )
    return ok(text)


def _folder(directory: Path, setting: str) -> Finding:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not existing.is_dir():
        return failed(
            f"{existing} is not a folder, so {directory} cannot hold the meeting store.",
            f'Set "{setting}" to a folder.',
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        return failed(
            f"The folder {existing} cannot be written: no meeting can be stored.",
            f'Run chmod u+rwx {existing}, or set "{setting}" to another folder.',
        )
    return ok(f"{directory}" if directory.exists() else f"{directory}; {_NO_STORE}")


def _permissions(directory: Path, audio: Path) -> Finding:
    if os.name == "nt":
        return skipped("Windows keeps the folder of the user from others")
    exposed = list(_exposed(directory, audio))
    if exposed:
        names = ", ".join(str(path) for path in exposed[:_SHOWN])
        folders = directory if directory in audio.parents else f"{directory} {audio}"
        more = f" and {len(exposed) - _SHOWN} more" if len(exposed) > _SHOWN else ""
        return failed(
            f"Other users of this machine can read recordings or transcripts: {names}{more}.",
            f"Run chmod -R go= {folders}",
        )
    if not directory.exists():
        return skipped(_NO_STORE)
    if stat.S_IMODE(directory.stat().st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        return warning(
            f"Other users of this machine can add and remove files in {directory}.",
            f"Run chmod go-w {directory}",
        )
    return ok("only the owner can read recordings and transcripts")


def _exposed(directory: Path, audio: Path) -> Iterator[Path]:
    """Yield what the store has created that others can use; the folder itself may be shared."""
    for folder in (audio, directory / "locks"):
        if folder.is_dir() and _mode(folder) & _OTHERS:
            yield folder
            yield from (path for path in sorted(folder.iterdir()) if _mode(path) & _OTHERS)
    for path in sorted(directory.glob("meetings.sqlite3*")):
        if _mode(path) & _OTHERS:
            yield path


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat(follow_symlinks=False).st_mode)
    except OSError:  # a program has removed it meanwhile
        return 0


def _integrity(found: Inspection | None) -> Finding:
    if found is None:
        return skipped(_NO_STORE)
    if found.damage:
        return failed(
            f"The database {found.database} is damaged: {found.damage}.",
            "Copy the folder. The next command that opens the store puts the file aside and"
            " begins with an empty one; restore a backup, or recover rows with"
            f" sqlite3 {found.database} .recover",
        )
    if found.version > found.known:
        return failed(
            f"The database was written by a newer version of speech-compat (format"
            f" {found.version}, known is {found.known}).",
            'Install that version, or set "state_dir" to another folder.',
        )
    if found.set_aside:
        return warning(
            f"{len(found.set_aside)} damaged databases were put aside earlier, such as"
            f" {found.set_aside[-1].name}: meetings in them are not listed.",
            "Restore them from a backup if they are needed, then delete these files.",
        )
    if found.version < found.known:
        return ok(f"format {found.version}: the next command brings it to {found.known}")
    return ok(f"whole, format {found.version}")


def _server(found: Inspection) -> Finding:
    text = f"{found.database} ({found.server})"
    if found.missing_rights:
        return failed(
            f"The user of the {found.database} lacks {', '.join(found.missing_rights[:_SHOWN])}.",
            "Grant it as docs/operations.md describes, or set store.url to the address of another"
            " user.",
        )
    if found.version > found.known:
        return failed(
            f"The {found.database} was written by a newer version of speech-compat (format"
            f" {found.version}, known is {found.known}).",
            "Install that version, or set store.url to another database.",
        )
    if found.version < found.known:
        return ok(
            f"{text}: the next command brings it from format {found.version} to {found.known}"
        )
    return ok(f"{text}, format {found.version}")


def _files(found: Inspection | None) -> Finding:
    if found is None:
        return skipped(_NO_STORE)
    if found.damage or found.version != found.known:
        return skipped("the database cannot be compared with the files")
    if found.missing:
        ids = ", ".join(map(repr, found.missing[:_SHOWN]))
        return warning(
            f"The audio of {len(found.missing)} meetings is missing: {ids}. They cannot be"
            " transcribed or played.",
            f"Restore the folder {found.audio} from a backup, or remove them with"
            " speech-compat delete MEETING_ID",
        )
    if found.orphans:
        return warning(
            f"{len(found.orphans)} files in {found.audio} belong to no meeting, such as"
            f" {found.orphans[0]}.",
            "They remain of a database that was lost or put aside. Delete them if it is not"
            " restored: no command does it.",
        )
    return ok(f"{found.recordings} recordings, {found.unfinished} of them not finished")
