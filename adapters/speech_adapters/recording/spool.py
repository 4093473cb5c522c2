"""The audio spool: a file of samples that is written while another reader follows it.

The writer passes each block to the operating system at once.  So the audio survives if the
process is killed in the next instant, and memory stays constant however long the meeting
lasts.  A block costs one system call: callers with many small chunks should join them
(``tests/benchmarks/bench_spool.py`` measures both).
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from speech_adapters.closeable import Closeable
from speech_adapters.errors import StoreError
from speech_adapters.open_files import advice

__all__ = ["SpoolReader", "SpoolWriter", "private_opener"]


class SpoolWriter(Closeable):
    """Appends audio to a file.

    An existing file is continued, never truncated.  Only its owner may read it.  To be used
    by one thread at a time.

    Raises:
        StoreError: the file cannot be created or written; the reason is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: io.FileIO | None = io.FileIO(path, "ab", opener=private_opener)
            self._size = path.stat().st_size
        except OSError as error:
            raise _failed("created", path, error) from error

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    def write(self, pcm: bytes) -> None:
        """Append all of ``pcm``; it survives the death of this process.

        Raises:
            StoreError: the file cannot be written, for example because the disk is full.
                Part of ``pcm`` may have been written, and :attr:`size` counts it.
        """
        file = self._open_file()
        try:
            written = file.write(pcm)
            self._size += written
            while written < len(pcm):  # the system may write less than it was passed
                count = file.write(pcm[written:])
                written += count
                self._size += count
        except OSError as error:
            raise _failed("written", self.path, error) from error

    def sync(self) -> None:
        """Wait until the audio would also survive a power failure."""
        try:
            os.fsync(self._open_file().fileno())
        except OSError as error:
            raise _failed("written", self.path, error) from error

    def close(self) -> None:
        """Close the file.  Idempotent."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:  # network file systems report a full disk only now
            raise _failed("written", self.path, error) from error

    def _open_file(self) -> io.FileIO:
        if self._file is None:
            raise StoreError(f"The audio file {self.path} is closed: nothing can be added to it.")
        return self._file


class SpoolReader(Closeable):
    """Reads a spool from its beginning or byte ``start``, also while it still grows.

    Raises:
        StoreError: the file does not exist or cannot be read.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        try:
            self._file: io.FileIO | None = io.FileIO(path, "rb")
            self._file.seek(start)
        except OSError as error:
            raise _failed("read", path, error) from error

    @property
    def size(self) -> int:
        """Bytes in the file at present.

        Raises:
            StoreError: the reader was closed.
        """
        return os.fstat(self._open_file().fileno()).st_size

    def seek(self, position: int) -> None:
        """Read from byte ``position`` on.

        Raises:
            StoreError: the reader was closed.
        """
        self._open_file().seek(position)

    def read(self, limit: int) -> bytes:
        """Return up to ``limit`` further bytes, or ``b""`` if there are none yet.

        Raises:
            StoreError: the file cannot be read any more, or the reader was closed.
        """
        file = self._open_file()
        try:
            return file.read(limit)
        except OSError as error:
            raise _failed("read", self.path, error) from error

    def close(self) -> None:
        """Close the file.  Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _open_file(self) -> io.FileIO:
        if self._file is None:
            raise StoreError(f"The audio file {self.path} is closed: nothing can be read from it.")
        return self._file


def private_opener(path: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(path, flags, 0o600)


def _failed(what: str, path: Path, error: OSError) -> StoreError:
    reason = error.strerror or type(error).__name__
    return StoreError(
        f"The audio file {path} cannot be {what}: {reason}. "
        + advice(error, 'Check its disk and permissions, or set "state_dir" to another folder.')
    )
