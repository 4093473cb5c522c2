"""What comes before a backlog starts: its manifest is read, and each recording is examined.

Each file is read once, for the digest of its content, and its header for the length of its audio.
A process that is killed here continues with the files that it has not examined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs

from speech_adapters.audio import open_audio
from speech_adapters.backlog.items import Entry, Item, Problem
from speech_adapters.backlog.journal import Journal
from speech_adapters.backlog.manifest import read_manifest
from speech_adapters.errors import AudioError, ConfigurationError

__all__ = ["examine", "read_into"]

# A file is read at the speed of the disk, and several of them hide its delay.
_THREADS: Final = 4
_BLOCK_BYTES: Final = 1024 * 1024
_SHOWN: Final = 20

Report = Callable[[int], object]


def read_into(
    journal: Journal,
    manifest: str,
    *,
    language: str,
    speakers: int | None,
    skip_invalid: bool,
    on_progress: Report,
) -> None:
    """Read a manifest into the journal.

    Args:
        journal: the journal.
        manifest: see :func:`.manifest.read_manifest`.
        language: BCP-47 tag of the recordings that name none.
        speakers: largest number of speakers of those that name none.
        skip_invalid: whether lines that cannot be used are left out.
        on_progress: is called with the number of lines that were read.

    Raises:
        ConfigurationError: it is no manifest, names no recording, or has lines that cannot be
            used; these are listed with their numbers.
        SpeechError: see :func:`.manifest.read_manifest`.
    """

    def completed(found: Entry | Problem) -> Entry | Problem:
        if isinstance(found, Problem):
            return found
        return attrs.evolve(
            found, language=found.language or language, speakers=found.speakers or speakers
        )

    lines = 0
    for lines in journal.read(map(completed, read_manifest(manifest))):
        on_progress(lines)
    if not lines:
        raise ConfigurationError("The manifest names no recording: there is nothing to transcribe.")
    invalid = journal.counts().invalid
    if invalid and not skip_invalid:
        raise ConfigurationError(_listed(journal.problems(_SHOWN), invalid))


def _listed(problems: list[Item], total: int) -> str:
    lines = [
        f"  line {item.line}: {item.reason}" + (f" ({item.source})" if item.source else "")
        for item in problems
    ]
    if total > len(problems):
        lines.append(f"  and {total - len(problems)} more")
    count = "1 line" if total == 1 else f"{total} lines"
    return (
        f"The manifest has {count} that cannot be used:\n"
        + "\n".join(lines)
        + "\nNothing was started. Correct them, or leave them out with --skip-invalid."
    )


def examine(journal: Journal, on_progress: Report) -> None:
    """Find the content and length of each recording, and mark duplicates.

    Args:
        journal: the journal, whose manifest is read.
        on_progress: is called with the number of recordings that were examined.

    Raises:
        MissingExtraError: a file is compressed, and the package ``av`` is not installed.
    """
    done = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        while page := journal.unexamined():
            journal.examined(list(pool.map(_examine, page)))
            done += len(page)
            on_progress(done)
    journal.mark_duplicates()


def _examine(item: Item) -> tuple[Item, str, int | None, str]:
    """Return the content and the length of a recording, and why it cannot be transcribed."""
    if item.address:
        # Only the service reads it; without a version of the account, its address stands for it.
        return item, item.stamp or f"address {item.source}", None, ""
    try:
        with open_audio(item.source) as file:
            duration = file.duration
        if duration == 0:
            return item, "", 0, "The file has no audio (0 seconds)."
        return item, _digest(Path(item.source)), duration, ""
    except AudioError as error:
        return item, "", None, str(error)
    except OSError as error:
        return item, "", None, f"{item.source} cannot be read: {error.strerror}."


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
