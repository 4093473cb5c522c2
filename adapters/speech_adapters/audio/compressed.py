"""Compressed audio as 16-bit PCM, decoded by FFmpeg: the package ``av``, extra ``audio``.

FFmpeg reads through a file object of Python and never opens anything by itself.  It decodes
packet by packet, so memory stays constant.  All calls block.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from speech_adapters.audio.containers import (
    HEAD_BYTES,
    KINDS,
    has_late_index,
    recognize_kind,
)
from speech_adapters.audio.pcm import PcmFormat, SourceFormat
from speech_adapters.closeable import Closeable
from speech_adapters.errors import AudioError
from speech_adapters.extras import missing_extra
from speech_adapters.transcript import TICKS_PER_SECOND, seconds

if TYPE_CHECKING:
    from av import AudioFrame, Packet

__all__ = ["CompressedFile", "CompressedStream"]

EXTRA: Final = "audio"
# Codecs pad and trim the end of audio, so a smaller difference of the length means nothing.
_TOLERANCE: Final = TICKS_PER_SECOND // 2
# Kinds whose header has the length.  For the others FFmpeg estimates it from the bit rate.
_WITH_LENGTH: Final = {"aiff", "asf", "caf", "flac", "matroska", "mov", "wav"}
# Lavf and LAME write one of these into the first frame of an MP3 file, with the length.
_MP3_LENGTHS: Final = (b"Xing", b"Info")
# FFmpeg searches a stream for the parameters of its codec, which the first frame has anyway: with
# fewer bytes, live audio is returned seconds earlier.
_STREAM_OPTIONS: Final = {"probesize": "2048"}
_NO_OPTIONS: Final[Mapping[str, str]] = {}
# The last page of an Ogg file begins in these bytes, and has a flag.
_OGG_TAIL: Final = 65_307
_OGG_END: Final = 4
_BLOCKS_PER_SECOND: Final = 10
# Enough of a stream to recognize its kind: of a slow one, more would take seconds.
_MAGIC_BYTES: Final = 16


class _Reader(Protocol):
    """What FFmpeg reads; it seeks if there is a method ``seek`` too."""

    def read(self, size: int, /) -> bytes: ...


class _Track:
    """The audio track of an open container, decoded.

    Args:
        reader: the container's bytes, from their start.
        kind: one of :data:`KINDS`.
        subject: the subject of error messages.
        options: those of FFmpeg.

    Attributes:
        pcm: the format of the blocks: that of the first frame.
        length: announced length in ticks; ``None`` if it is unknown.
        tracks: how many audio tracks the container has, of which one is decoded.
        damaged: packets that could not be decoded so far.

    Raises:
        MissingExtraError: the package ``av`` is not installed.
        AudioError: nothing can be decoded.
    """

    def __init__(
        self, reader: _Reader, kind: str, subject: str, options: Mapping[str, str] = _NO_OPTIONS
    ) -> None:
        try:
            import av
            from av.error import FFmpegError
        except ModuleNotFoundError as error:
            raise missing_extra(EXTRA, "av") from error
        self._av, self._failures = av, (FFmpegError, ValueError)
        self._subject, self._kind = subject, kind
        self.damaged = 0
        # The frame's format, layout and rate that the converter accepts; None before the first.
        self._accepted: tuple[str, str, int] | None = None
        try:
            # The container keeps the reader, which lives as long.
            self._container = av.open(reader, "r", format=kind, options=dict(options))
        except self._failures as error:
            raise self._broken(error) from error
        try:
            self._choose_track()
            self._blocks = self._decode()
            self._first = next(self._blocks, b"")
            if not self._first:
                raise self._broken(None)
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[bytes]:
        """Yield the audio in blocks of whole frames, never empty.  To be called once.

        Raises:
            AudioError: the reader raised it.
        """
        first, self._first = self._first, b""
        yield first
        yield from self._blocks

    def close(self) -> None:
        """Release the decoder.  Idempotent."""
        self._container.close()

    def _choose_track(self) -> None:
        audio = self._container.streams.audio
        self.tracks = len(audio)
        if not audio:
            raise AudioError(f"{self._subject} has no audio track: choose another file.")
        track = audio[0]
        self._stream = track
        self.length: int | None = None
        if track.duration is not None and track.time_base is not None:
            self.length = int(track.duration * track.time_base * TICKS_PER_SECOND)
        # That of a container counts its video too.
        elif self._container.duration and len(self._container.streams) == 1:
            self.length = self._container.duration * TICKS_PER_SECOND // self._av.time_base

    def _decode(self) -> Iterator[bytes]:
        for frame in self._frames():
            for converted in self._convert(frame):
                # Without numpy; the buffer of a frame may be longer than its samples.
                size = converted.samples * self.pcm.frame_bytes
                if size:
                    yield bytes(converted.planes[0])[:size]

    def _frames(self) -> Iterator[AudioFrame]:
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except self._failures:
                # The decoder finds the start of the next frame by itself.
                self.damaged += 1
                continue
            yield from (frame for frame in frames if frame.samples)

    def _packets(self) -> Iterator[Packet[Any]]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except self._failures:
                # The rest of the container cannot be read.
                self.damaged += 1
                return
            if packet is None:
                return
            yield packet

    def _convert(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if found != self._accepted:
            if self._accepted is None:
                # A damaged header may have a rate that no session accepts.
                self.pcm = SourceFormat(frame.sample_rate, len(frame.layout.channels)).pcm
                self._layout = frame.layout
            # The format may change within a file; the session's cannot.
            self._accepted = found
            self._resampler = self._av.AudioResampler("s16", self._layout, self.pcm.sample_rate)
        frame.pts = None  # the samples count; timestamps may be damaged
        try:
            yield from self._resampler.resample(frame)
        except self._failures:
            self.damaged += 1

    def _broken(self, error: Exception | None) -> AudioError:
        reason = getattr(error, "strerror", None) or "there is nothing that can be decoded"
        hint = "Create the file anew, or convert it to WAV."
        return AudioError(
            f"{self._subject} is no {KINDS[self._kind]} audio that can be used: it is damaged, cut"
            f" short or of another kind ({reason}). {hint}"
        )


class CompressedFile(Closeable):
    """Reads a compressed file as 16-bit PCM, like :class:`speech_adapters.audio.WavFile`.

    Attributes:
        path: the file.
        kind: its kind, a key of :data:`speech_adapters.audio.containers.KINDS`.
        pcm: the format that :meth:`read` returns.
        duration: announced or estimated length in ticks; ``None`` if it is unknown.
        frames_read: samples of each channel that :meth:`read` has returned so far.

    Args:
        path: the file.
        kind: its kind.

    Raises:
        MissingExtraError: the package ``av`` is not installed.
        AudioError: the file cannot be read, or nothing of it can be decoded.  The message
            contains the path.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.kind = kind
        self.frames_read = 0
        self._file = _open(path)
        try:
            head = self._file.read(HEAD_BYTES)
            self._unfinished = kind == "ogg" and not _ends_with_last_page(self._file)
            self._file.seek(0)
            self._track = _Track(_FileReader(self._file, path), kind, str(path))
        except BaseException:
            self._file.close()
            raise
        self.pcm, self.duration = self._track.pcm, self._track.length
        exact = kind in _WITH_LENGTH or (kind == "mp3" and any(m in head for m in _MP3_LENGTHS))
        self._announced = self.duration if exact else None
        self._blocks = self._track.blocks()
        self._ready = bytearray()  # decoded, but not returned yet
        self._at_end = False
        # FFmpeg must not be closed by a thread while another one decodes.
        self._using = threading.Lock()

    @property
    def missing(self) -> int:
        """Announced ticks that the file does not contain; known at its end, 0 before."""
        if not self._at_end or self._announced is None:
            return 0
        read = self.pcm.ticks(self.frames_read * self.pcm.frame_bytes)
        missing = self._announced - read
        return missing if missing > (0 if self.kind == "flac" else _TOLERANCE) else 0

    @property
    def truncated(self) -> bool:
        """Whether audio is missing; known at the end of the file."""
        return self._at_end and bool(self.missing or self._unfinished or self._track.damaged)

    @property
    def original(self) -> Path | None:
        """The file itself, once all of it was read without a defect; else ``None``."""
        return self.path if self._at_end and not self.notes else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the transcript lacks or is made of, one sentence each; complete at the end."""
        notes = []
        if self._track.tracks > 1:
            notes.append(f"The file has {self._track.tracks} audio tracks: the first one is used.")
        if self.missing:
            notes.append(
                f"The file is truncated: {seconds(self.missing):.3f} s of its audio are missing."
            )
        elif self._at_end and self._unfinished:
            notes.append("The file is truncated: its last page is missing.")
        if self._at_end and self._track.damaged:
            notes.append(damaged_note("file", self._track.damaged))
        return tuple(notes)

    def read(self, frames: int) -> bytes:
        """Read up to ``frames`` samples of every channel; returns ``b""`` at the end.

        Raises:
            AudioError: reading failed, or the file is closed.
        """
        wanted = frames * self.pcm.frame_bytes
        with self._using:
            if self._file.closed:
                raise AudioError(f"{self.path} cannot be read: it is closed.")
            while len(self._ready) < wanted and not self._at_end:
                block = next(self._blocks, b"")
                self._at_end = not block
                self._ready += block
        data = bytes(self._ready[:wanted])
        del self._ready[:wanted]
        self.frames_read += len(data) // self.pcm.frame_bytes
        return data

    def close(self) -> None:
        """Close the file.  Idempotent."""
        with self._using:
            self._track.close()
            self._file.close()


class CompressedStream:
    """Decodes a stream that arrives in pieces of any size.

    Without a method to close it: the decoder is released with the object, since a thread may
    wait inside it for data.

    Args:
        receive: returns the next piece and ``b""`` at the end; waits for data.
        declared: the kind that the program declared, for data that cannot be recognized;
            ``None`` if it declared none.

    Attributes:
        pcm: the format of the blocks: the default until the first is returned.
    """

    def __init__(self, receive: Callable[[], bytes], declared: str | None) -> None:
        self.pcm = PcmFormat()
        self._reader = _PieceReader(receive)
        self._declared = declared
        # Opened by the first read, which waits for data.
        self._track: _Track | None = None
        self._blocks: Iterator[bytes] = iter(())

    @property
    def notes(self) -> tuple[str, ...]:
        """Defects of the audio that was read, one sentence each."""
        if self._track is None or not self._track.damaged:
            return ()
        return (damaged_note("stream", self._track.damaged),)

    def read(self) -> bytes:
        """Return the next block, about a tenth of a second; ``b""`` at the end.

        Raises:
            MissingExtraError: the package ``av`` is not installed.
            AudioError: nothing can be decoded, or ``receive`` raised it.
        """
        if self._track is None and not self._open():
            return b""
        block = bytearray()
        least = self.pcm.bytes_per_second // _BLOCKS_PER_SECOND
        for part in self._blocks:
            block += part
            if len(block) >= least:
                break
        return bytes(block)

    def _open(self) -> bool:
        """Open the track; return whether there is one, since a stream may be empty."""
        head = self._reader.peek(_MAGIC_BYTES)
        if not head:
            return False
        kind = recognize_kind(head) or self._declared
        if kind is None:
            raise unknown_kind("The audio stream")
        if kind == "mov" and has_late_index(self._reader.peek(HEAD_BYTES)):
            raise AudioError(
                "The audio stream is an MP4 file whose index (moov) is at its end, so it cannot be"
                " decoded while it arrives: pass the file's name to AudioConfig, or move the index"
                " to the start (ffmpeg -i in.m4a -c copy -movflags +faststart out.m4a)."
            )
        self._track = _Track(self._reader, kind, "The audio stream", _STREAM_OPTIONS)
        self.pcm, self._blocks = self._track.pcm, self._track.blocks()
        return True


class _FileReader:
    """A file whose errors PyAV does not print."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes."""
        try:
            return self._file.read(size)
        except OSError as error:
            raise _read_error(self._path, error) from error

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Return the new position; -1 if there is none, as damaged data may have any offset."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()


class _PieceReader:
    """A file object without ``seek`` over pieces that arrive."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._data = b""
        self._position = 0  # in _data, so that large pieces are not copied again and again
        self._ended = False

    def peek(self, size: int) -> bytes:
        """Return the next bytes without reading them; fewer than ``size`` at the end only."""
        while len(self._data) - self._position < size and self._fill():
            pass
        return self._data[self._position : self._position + size]

    def read(self, size: int, /) -> bytes:
        """Return some bytes, at most ``size``; ``b""`` at the end."""
        if self._position == len(self._data) and not self._fill():
            return b""
        part = self._data[self._position : self._position + size]
        self._position += len(part)
        return part

    def _fill(self) -> bool:
        if not self._ended:
            piece = self._receive()
            self._ended = not piece
            self._data = self._data[self._position :] + piece
            self._position = 0
        return not self._ended


def unknown_kind(subject: str) -> AudioError:
    """Return the error for data of no known kind."""
    kinds = ", ".join(sorted(KINDS.values(), key=str.casefold))
    return AudioError(
        f"{subject} is no audio of a known kind (known are {kinds}): convert it to WAV."
    )


def damaged_note(subject: str, count: int) -> str:
    """Return the note about parts that could not be decoded."""
    return f"The {subject} is damaged: {count} of its parts could not be decoded and are left out."


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _read_error(path, error) from error


def _read_error(path: Path, error: OSError | ValueError) -> AudioError:
    return AudioError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.")


def _ends_with_last_page(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _OGG_TAIL, 0))
    tail = file.read()
    page = tail.rfind(b"OggS")
    # After the name and the version.
    return 0 <= page < len(tail) - 5 and bool(tail[page + 5] & _OGG_END)
