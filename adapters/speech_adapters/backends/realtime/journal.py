"""What was said in a meeting so far, on disk next to its audio.

One line of JSON for each utterance, and another for each correction of its speaker: the
last one of an id holds.  A line that was cut off by a crash is not counted.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import IO

import attrs

from speech_adapters.errors import StoreError
from speech_adapters.recording.spool import private_opener
from speech_adapters.store import Recording
from speech_adapters.transcript import Utterance, Word

__all__ = ["Journal", "journal_path", "read_journal"]


def journal_path(recording: Recording) -> Path:
    """Give the file of a recording's journal."""
    return recording.audio_path.with_suffix(".said")


def read_journal(path: Path) -> list[Utterance]:
    """Give the utterances in the order in which they were said first."""
    said: dict[str, Utterance] = {}
    with suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError, KeyError, TypeError):
                data = json.loads(line)
                words = tuple(Word(**word) for word in data["words"])
                said[data["id"]] = Utterance(**{**data, "words": words})
    return list(said.values())


class Journal:
    """Writes a journal, after what is there already."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def add(self, utterance: Utterance) -> None:
        """Note an utterance.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            if self._file is None:
                self._file = open(self._path, "a", encoding="utf-8", opener=private_opener)  # noqa: SIM115
            # A line that was cut off must not swallow this one.
            self._file.write("\n" + json.dumps(attrs.asdict(utterance)))
            self._file.flush()
        except OSError as error:
            raise StoreError(
                f"What was said cannot be written to {self._path}: {error.strerror or error}."
            ) from error

    def close(self) -> None:
        """Close the file.  Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
