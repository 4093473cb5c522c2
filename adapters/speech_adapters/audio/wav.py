"""WAV files and the header that begins them (RIFF, and RF64 beyond 4 GiB)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from speech_adapters.audio.pcm import SourceFormat, to_pcm16
from speech_adapters.closeable import Closeable
from speech_adapters.errors import AudioError
from speech_adapters.transcript import seconds

__all__ = ["MAGIC", "WavFile", "WavHeader", "read_header", "wav_header"]

MAGIC: Final = (b"RIFF", b"RF64")
_ENCODINGS: Final = {1: "pcm", 3: "float", 6: "alaw", 7: "mulaw"}
_EXTENSIBLE: Final = 0xFFFE
# What follows the 2-byte format in the GUID of an extensible header.
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
# Programs that write to a pipe cannot know the size: they announce 0, 0xFFFFFFFF,
# or something close below or above 2 GiB (sox, arecord).
_ENDLESS: Final = 0x7FFFF000
_UINT32_MAX: Final = 0xFFFFFFFF


@attrs.frozen
class WavHeader:
    """What a header says.

    Attributes:
        source: the format of the samples.
        data_bytes: bytes of samples announced.
        endless: whether that is one of the numbers that stand for "unknown".
        riff_end: where the file ends as announced, counted from its start.
    """

    source: SourceFormat
    data_bytes: int
    endless: bool
    riff_end: int


def wav_header(size: int, sample_rate: int) -> bytes:
    """Give the header of ``size`` bytes of mono 16-bit PCM."""
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", size)


def read_header(file: BinaryIO, what: str) -> WavHeader | None:
    """Read a header and leave ``file`` where the samples begin.

    Args:
        file: at its beginning; must be seekable.
        what: how errors call it; begins their message.

    Returns:
        The header, or ``None`` when the data ends inside it.

    Raises:
        AudioError: it is no WAV header, or of a format that is not supported.
    """
    try:
        return _header(file, what)
    except EOFError:
        return None


def _header(file: BinaryIO, what: str) -> WavHeader:
    magic, riff_size, kind = struct.unpack("<4sI4s", _take(file, 12))
    if magic not in MAGIC or kind != b"WAVE":
        raise _not_wav(what, magic)
    source: SourceFormat | None = None
    large: int | None = None
    while True:
        name, size = struct.unpack("<4sI", _take(file, 8))
        after = file.tell() + size + size % 2  # chunks begin at even places
        if name == b"data":
            break
        if name == b"fmt ":
            source = _source(_take(file, min(size, 40)), what)
        elif name == b"ds64":
            riff_size, large = struct.unpack("<QQ", _take(file, 16))
        file.seek(after)
    if source is None:
        raise _damaged(what)
    if large is not None and size == _UINT32_MAX:
        return WavHeader(source, large, endless=False, riff_end=riff_size + 8)
    return WavHeader(source, size, endless=size >= _ENDLESS, riff_end=riff_size + 8)


def _not_wav(what: str, magic: bytes) -> AudioError:
    other = _OTHER_FILES.get(magic[:4])
    hint = f" but {other}" if other else ""
    return AudioError(f"{what} is not a WAV file{hint}: convert it to WAV with 16-bit PCM.")


def _damaged(what: str) -> AudioError:
    return AudioError(f"{what} does not say the format of its samples: it is damaged.")


def _take(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _source(chunk: bytes, what: str) -> SourceFormat:
    if len(chunk) < 16:  # noqa: PLR2004
        raise _damaged(what)
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and chunk[26:] == _GUID_TAIL:
        tag = int.from_bytes(chunk[24:26], "little")
    if tag not in _ENCODINGS:
        name = f" ({_FORMAT_NAMES[tag]})" if tag in _FORMAT_NAMES else ""
        raise AudioError(
            f"{what} cannot be used: format 0x{tag:04X}{name} is not supported: convert it to PCM."
        )
    if block and channels and block % channels == 0:
        bits = 8 * block // channels  # samples of, say, 20 bits fill 24, from the top
    try:
        return SourceFormat(rate, channels, bits, _ENCODINGS[tag])
    except AudioError as error:
        raise AudioError(f"{what} cannot be used. {error}") from None


class WavFile(Closeable):
    """Reads the samples of a WAV file as 16-bit PCM, whatever they are in the file.

    Attributes:
        path: the file.
        pcm: the format of what :meth:`read` gives.
        duration: length in ticks as announced, or ``None`` when the file does not
            say (it was written to a pipe); what there is will be read.
        missing: how many of these ticks are not in the file.

    Raises:
        AudioError: the file is missing, empty, no WAV file, cut inside its header,
            or of a format that is not supported; the message names it.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("rb")
        except (OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        try:
            self._begin()
        except OSError as error:
            self._file.close()
            raise _unreadable(self.path, error) from error
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> None:
        self.frames_read = 0
        what = str(self.path)
        start = self._file.read(4)
        if not start:
            raise AudioError(f"{what} is empty: there is no audio in it.")
        if start not in MAGIC:
            raise _not_wav(what, start)
        self._file.seek(0)
        header = read_header(self._file, what)
        if header is None:
            raise AudioError(f"{what} ends inside its header: it is cut short.")
        begin, end = self._file.tell(), self._file.seek(0, 2)
        self._file.seek(begin)
        self._source, self.pcm = header.source, header.source.pcm
        self._measure(header, begin, end - begin)

    def _measure(self, header: WavHeader, begin: int, present: int) -> None:
        """Compare what is announced with the ``present`` bytes after the header."""
        announced = header.data_bytes
        # A size of 0 is meant when other chunks are announced behind it, and
        # when nothing follows; otherwise the program never came to fill it in.
        unfilled = announced == 0 and not begin < header.riff_end < _ENDLESS
        pipe = present > 0 if unfilled else header.endless and present < announced
        self._left = present if pipe else min(announced, present)
        self.duration = None if pipe else self._ticks(announced)
        self.missing = 0 if pipe else self._ticks(announced) - self._ticks(self._left)

    @property
    def truncated(self) -> bool:
        """Whether the file holds less audio than it announces."""
        return self.missing > 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with the file though it can be read, one sentence each."""
        if not self.truncated:
            return ()
        return (f"The file is truncated: {seconds(self.missing):.3f} s of its audio are missing.",)

    def read(self, frames: int) -> bytes:
        """Give up to ``frames`` samples of every channel, or ``b""`` at the end.

        Raises:
            AudioError: the file cannot be read any more.
        """
        size = self._source.frame_bytes
        try:
            data = self._file.read(min(frames * size, self._left))
        except (OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        self._left -= len(data)
        self.frames_read += len(data) // size
        return to_pcm16(data[: len(data) // size * size], self._source)

    def close(self) -> None:
        """Close the file.  Idempotent."""
        self._file.close()

    def _ticks(self, size: int) -> int:
        return self.pcm.ticks(size // self._source.frame_bytes * self.pcm.frame_bytes)


def _unreadable(path: Path, error: OSError | ValueError) -> AudioError:
    reason = getattr(error, "strerror", None) or str(error)
    return AudioError(f"{path} cannot be read: {reason}.")
