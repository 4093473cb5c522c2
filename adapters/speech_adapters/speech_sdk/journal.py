"""The journal of a recording: its utterances so far, on disk next to its audio.

One line of JSON for each utterance, and another one for each correction of its speaker; the
last line of an id counts.  A process that continues a recording reads the journal first, so
that nothing is recognized twice.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from speech_adapters.closeable import Closeable
from speech_adapters.errors import StoreError
from speech_adapters.recording.spool import private_opener
from speech_adapters.store import Recording
from speech_adapters.transcript import Utterance

__all__ = ["Journal", "journal_path", "read_journal"]

# Recordings in flight have journals of this name, so it stays.
_SUFFIX: Final = ".said"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Utterance).decode


def journal_path(recording: Recording) -> Path:
    """Return the path of a recording's journal."""
    return recording.audio_path.with_suffix(_SUFFIX)


def read_journal(path: Path) -> list[Utterance]:
    """Return the utterances in the order of their first lines; none if there is no file.

    Raises:
        StoreError: the file cannot be read.
    """
    utterances: dict[str, Utterance] = {}
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    utterance = _decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    # An empty line, or one that was cut off when its process died; its
                    # utterance is recognized again.
                    continue
                utterances[utterance.id] = utterance
    except FileNotFoundError:
        pass  # nothing was recognized yet
    except OSError as error:
        raise _failed("read", path, error) from error
    return list(utterances.values())


class Journal(Closeable):
    """Appends to the journal file, which is created with the first utterance.

    To be used by one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        """Open the file before the first utterance.  Idempotent.

        Raises:
            StoreError: it cannot be created.
        """
        try:
            self._open()
        except OSError as error:
            raise _failed("written", self._path, error) from error

    def add(self, utterance: Utterance) -> None:
        """Append an utterance; it survives the death of this process.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            file = self._open()
            # The newline comes first: a line that was cut off must not swallow this one.
            file.write(b"\n" + _encode(utterance))
            file.flush()
        except OSError as error:
            raise _failed("written", self._path, error) from error

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._file = open(self._path, "ab", opener=private_opener)  # noqa: SIM115
        return self._file

    def close(self) -> None:
        """Close the file.  Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # each line is flushed already, or its error was raised
                file.close()


def _failed(action: str, path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"What was said cannot be {action} to {path}: {error.strerror or error}. Check its disk"
        ' and permissions, or set "state_dir" to another folder.'
    )
