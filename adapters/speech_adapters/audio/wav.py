"""WAV files and their header: RIFF, and RF64 for more than 4 GiB."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from speech_adapters.audio.pcm import SourceFormat, to_pcm16
from speech_adapters.closeable import Closeable
from speech_adapters.errors import AudioError
from speech_adapters.transcript import seconds

__all__ = [
    "MAGIC",
    "UnknownEncodingError",
    "WavFile",
    "WavHeader",
    "read_header",
    "wav_header",
]

MAGIC: Final = (b"RIFF", b"RF64")
_ENCODINGS: Final = {1: "pcm", 3: "float", 6: "alaw", 7: "mulaw"}
_EXTENSIBLE: Final = 0xFFFE
# The rest of the GUID in an extensible header, after the 2 bytes of the format.
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
_FORMAT_NAMES: Final = {
    0x0002: "MS ADPCM",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0050: "MPEG",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0161: "WMA",
    0x028F: "G.722",
}
_OTHER_FILES: Final = {
    b"OggS": "an Ogg file",
    b"fLaC": "a FLAC file",
    b"ID3\x02": "an MP3 file",
    b"ID3\x03": "an MP3 file",
    b"ID3\x04": "an MP3 file",
    b"FORM": "an AIFF file",
    b"RIFX": "a big-endian WAV file",
}
# A program that writes to a pipe cannot know the size.  It announces 0, 0xFFFFFFFF,
# or a number slightly below or above 2 GiB (sox, arecord).
_UNKNOWN_SIZE: Final = 0x7FFFF000
_UINT32_MAX: Final = 0xFFFFFFFF
# Real files have fewer than 20 before their samples.  A sparse file, or one of zeros, reads as
# an empty chunk every 8 bytes: millions of them.
_MOST_CHUNKS: Final = 1_000


class UnknownEncodingError(AudioError):
    """The samples of a WAV file are compressed, so it takes a decoder to read them."""


@attrs.frozen
class WavHeader:
    """The contents of a WAV header.

    Attributes:
        source: the format of the samples.
        data_bytes: announced size of the samples in bytes.
        size_unknown: whether that size is one of the numbers that mean "unknown".
        riff_end: announced end of the file, in bytes from its start.
    """

    source: SourceFormat
    data_bytes: int
    size_unknown: bool
    riff_end: int


def wav_header(size: int, sample_rate: int) -> bytes:
    """Return the header of a WAV file with mono 16-bit PCM.

    Args:
        size: bytes of samples.
        sample_rate: samples per second.
    """
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", size)


def read_header(file: BinaryIO, subject: str) -> WavHeader | None:
    """Read a header; afterwards ``file`` is at the first sample.

    Args:
        file: a seekable file, at its start.
        subject: the subject of error messages, such as the path.

    Returns:
        The header, or ``None`` if the data ends inside it.

    Raises:
        AudioError: the data does not begin with a WAV header, the header is damaged,
            or its format is not supported.
    """
    try:
        return _parse_header(file, subject)
    except EOFError:
        return None


def _parse_header(file: BinaryIO, subject: str) -> WavHeader:
    magic, riff_size, kind = struct.unpack("<4sI4s", _read_exactly(file, 12))
    if magic not in MAGIC or kind != b"WAVE":
        raise _not_wav_error(subject, magic)
    source: SourceFormat | None = None
    large: int | None = None
    for _ in range(_MOST_CHUNKS):
        name, size = struct.unpack("<4sI", _read_exactly(file, 8))
        after = file.tell() + size + size % 2  # chunks begin at even offsets
        if name == b"data":
            break
        if name == b"fmt ":
            # No known format uses more than 40 bytes; a damaged size may be 4 GiB.
            source = _source_format(_read_exactly(file, min(size, 40)), subject)
        elif name == b"ds64":
            riff_size, large = struct.unpack("<QQ", _read_exactly(file, 16))
        file.seek(after)
    else:
        raise AudioError(
            f"{subject} has no samples in its first {_MOST_CHUNKS} chunks: it is damaged."
            " Create the file anew."
        )
    if source is None:
        raise _damaged_error(subject)
    # RF64: the chunk `ds64` holds the size only if the 32-bit field is all ones.
    if large is not None and size == _UINT32_MAX:
        return WavHeader(source, large, size_unknown=False, riff_end=riff_size + 8)
    return WavHeader(source, size, size_unknown=size >= _UNKNOWN_SIZE, riff_end=riff_size + 8)


def _not_wav_error(subject: str, magic: bytes) -> AudioError:
    other = _OTHER_FILES.get(magic[:4])
    hint = f" but {other}" if other else ""
    return AudioError(f"{subject} is not a WAV file{hint}: convert it to WAV with 16-bit PCM.")


def _damaged_error(subject: str) -> AudioError:
    return AudioError(
        f"{subject} does not state the format of its samples: it is damaged. Create the file anew."
    )


def _read_exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _source_format(chunk: bytes, subject: str) -> SourceFormat:
    if len(chunk) < 16:  # noqa: PLR2004
        raise _damaged_error(subject)
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    # An extensible header holds the real format at the start of a GUID.
    if tag == _EXTENSIBLE and chunk[26:] == _GUID_TAIL:
        tag = int.from_bytes(chunk[24:26], "little")
    if tag not in _ENCODINGS:
        name = f" ({_FORMAT_NAMES[tag]})" if tag in _FORMAT_NAMES else ""
        raise UnknownEncodingError(
            f"{subject} cannot be used: format 0x{tag:04X}{name} is not supported: convert it"
            " to PCM."
        )
    if block and channels and block % channels == 0:
        # Samples of 20 bits, for example, are the upper bits of 24.
        bits = 8 * block // channels
    try:
        return SourceFormat(rate, channels, bits, _ENCODINGS[tag])
    except AudioError as error:
        raise AudioError(f"{subject} cannot be used. {error}") from None


class WavFile(Closeable):
    """Reads a WAV file as 16-bit PCM, whatever the format of its samples.

    Attributes:
        path: the file.
        pcm: the format that :meth:`read` returns.
        duration: announced length in ticks, or ``None`` if the file was written to a
            pipe and its length is unknown; then it is read to its end.
        missing: announced ticks that the file does not contain.
        frames_read: samples of each channel that :meth:`read` has returned so far.

    Raises:
        AudioError: the file does not exist, is empty, is not a WAV file, ends inside
            its header, or has a format that is not supported.  The message contains
            the path.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("rb")
        except (OSError, ValueError) as error:
            raise _read_error(self.path, error) from error
        try:
            self._read_header()
        except OSError as error:
            self._file.close()
            raise _read_error(self.path, error) from error
        except BaseException:
            self._file.close()  # the caller never receives an object to close
            raise

    def _read_header(self) -> None:
        self.frames_read = 0
        subject = str(self.path)
        start = self._file.read(4)
        if not start:
            raise AudioError(f"{subject} is empty: there is no audio in it.")
        # Before the header is read: a short file of another kind is named as such.
        if start not in MAGIC:
            raise _not_wav_error(subject, start)
        self._file.seek(0)
        header = read_header(self._file, subject)
        if header is None:
            raise AudioError(f"{subject} ends inside its header: it is cut short.")
        begin, end = self._file.tell(), self._file.seek(0, 2)
        self._file.seek(begin)
        self._source, self.pcm = header.source, header.source.pcm
        self._measure(header, begin, end - begin)

    def _measure(self, header: WavHeader, begin: int, present: int) -> None:
        """Compare the announced size with the ``present`` bytes after the header."""
        announced = header.data_bytes
        # A size of 0 is real if the header announces further chunks, or if no bytes
        # follow.  Otherwise the program ended before it wrote the size.
        unfilled = announced == 0 and not begin < header.riff_end < _UNKNOWN_SIZE
        pipe = present > 0 if unfilled else header.size_unknown and present < announced
        self._left = present if pipe else min(announced, present)
        self.duration = None if pipe else self._ticks(announced)
        self.missing = 0 if pipe else self._ticks(announced) - self._ticks(self._left)

    @property
    def truncated(self) -> bool:
        """Whether the file holds less audio than it announces."""
        return self.missing > 0

    @property
    def original(self) -> None:
        """``None``: the samples of a WAV file are the recording already."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Faults of a file that can be read nevertheless, one sentence each."""
        if not self.truncated:
            return ()
        return (f"The file is truncated: {seconds(self.missing):.3f} s of its audio are missing.",)

    def read(self, frames: int) -> bytes:
        """Read up to ``frames`` samples of every channel; returns ``b""`` at the end.

        Raises:
            AudioError: reading failed, or the file is closed.
        """
        size = self._source.frame_bytes
        try:
            data = self._file.read(min(frames * size, self._left))
        except (OSError, ValueError) as error:
            raise _read_error(self.path, error) from error
        # Fewer bytes than asked for: the file shrank.  An incomplete frame is dropped.
        self._left -= len(data)
        self.frames_read += len(data) // size
        return to_pcm16(data[: len(data) // size * size], self._source)

    def close(self) -> None:
        """Close the file.  Idempotent."""
        self._file.close()

    def _ticks(self, size: int) -> int:
        return self.pcm.ticks(size // self._source.frame_bytes * self.pcm.frame_bytes)


def _read_error(path: Path, error: OSError | ValueError) -> AudioError:
    reason = getattr(error, "strerror", None) or str(error)  # ValueError: a closed file
    return AudioError(f"{path} cannot be read: {reason}.")
