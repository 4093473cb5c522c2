"""Where the audio comes from, in the legacy interface."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from speech_compat._sdk.config import PropertyHolder
from speech_compat._sdk.unsupported import left_out_of
from speech_compat.enums import AudioStreamContainerFormat, AudioStreamWaveFormat
from speech_compat.properties import PropertyCollection, PropertyId

__all__ = [
    "AudioConfig",
    "AudioInputStream",
    "AudioStreamContainerFormat",
    "AudioStreamFormat",
    "AudioStreamWaveFormat",
    "PropertyCollection",
    "PullAudioInputStream",
    "PullAudioInputStreamCallback",
    "PushAudioInputStream",
]

__getattr__ = left_out_of(__name__)

_PENDING_LIMIT = 4 * 1024 * 1024


class AudioStreamFormat:
    """How a stream's samples are; 16 kHz, 16 bits, mono unless said otherwise.

    A compressed format can be named, but no backend takes it: that is said when
    the transcription starts.
    """

    def __init__(
        self,
        samples_per_second: int | None = None,
        bits_per_sample: int = 16,
        channels: int = 1,
        compressed_stream_format: AudioStreamContainerFormat | None = None,
        wave_stream_format: AudioStreamWaveFormat = AudioStreamWaveFormat.PCM,
    ) -> None:
        self._samples_per_second = samples_per_second or 16_000
        self._bits_per_sample = bits_per_sample
        self._channels = channels
        self._container = compressed_stream_format
        self._encoding = wave_stream_format


class AudioInputStream:
    """Base of the streams; made through them only."""

    def __init__(self, handle: AudioStreamFormat | None) -> None:
        self._format = handle or AudioStreamFormat()

    def __str__(self) -> str:
        return f"{type(self).__name__}()"


class PushAudioInputStream(AudioInputStream):
    """A stream that the program writes to.

    What is written before a transcriber listens is kept in memory.  While one
    listens, a writer that is faster than the backend waits once 4 MB are pending,
    so that memory stays bounded.  After the transcriber stopped, what is written is
    thrown away until one starts again.
    """

    def __init__(self, stream_format: AudioStreamFormat | None = None) -> None:
        super().__init__(stream_format)
        self._changed = threading.Condition(threading.Lock())
        self._chunks: deque[bytes] = deque()
        self._pending = 0
        self._closed = False
        self._attached = False
        self._discarding = False
        self._reader_waits = False
        self._stream_properties: dict[str, str] = {}

    def write(self, buffer: bytes) -> None:
        """Take audio; ignored after :meth:`close`, as in the real package.

        Raises:
            TypeError: it is neither bytes nor another buffer.
        """
        data = buffer if type(buffer) is bytes else bytes(memoryview(buffer))
        with self._changed:
            if self._closed or self._discarding or not data:
                return
            self._chunks.append(data)
            self._pending += len(data)
            if self._reader_waits:
                self._changed.notify_all()
            while self._pending > _PENDING_LIMIT and self._attached:
                self._changed.wait()

    def close(self) -> None:
        """No more audio will come.  Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def set_property(self, name: str, value: str) -> None:
        """Keep a property of what is written next; no backend makes use of it."""
        self._stream_properties[name] = value

    def commit(self) -> int:
        """Do nothing and give 0: there are no commits (1.52)."""
        return 0

    def commit_channel(self, channel_id: int) -> int:  # noqa: ARG002
        """Do nothing and give 0: there are no commits (1.52)."""
        return 0

    def _attach(self) -> None:
        with self._changed:
            self._attached, self._discarding = True, False

    def _take(self, limit: int) -> bytes:
        """Give what is pending, about ``limit`` bytes, or ``b""`` at the end; waits."""
        with self._changed:
            while not self._chunks and not self._closed and self._attached:
                self._reader_waits = True
                self._changed.wait()
            self._reader_waits = False
            taken: list[bytes] = []
            size = 0
            while self._chunks and size < limit:
                taken.append(self._chunks.popleft())
                size += len(taken[-1])
            self._pending -= size
            self._changed.notify_all()
        return b"".join(taken)

    def _end(self) -> None:
        """Give the reader what is pending and then the end."""
        with self._changed:
            self._attached, self._discarding = False, True
            self._changed.notify_all()

    def _detach(self) -> None:
        self._end()
        with self._changed:
            self._chunks.clear()
            self._pending = 0


class PullAudioInputStreamCallback:
    """What a program derives from, to have its audio pulled."""

    def read(self, buffer: memoryview) -> int:  # noqa: ARG002
        """Fill ``buffer`` with audio; gives the bytes filled, 0 at the end of the audio."""
        return 0

    def get_property(self, id: PropertyId) -> str:  # noqa: A002, ARG002
        """Give a property of what was read last."""
        return ""

    def close(self) -> None:
        """Be told that nothing will be read any more."""


class PullAudioInputStream(AudioInputStream):
    """A stream that is read through a callback, in a worker thread.

    Raises:
        ValueError: the callback is missing (text as in the real package).
    """

    def __init__(
        self,
        pull_stream_callback: PullAudioInputStreamCallback,
        stream_format: AudioStreamFormat | None = None,
    ) -> None:
        if pull_stream_callback is None:
            raise ValueError("Callback needs to be present")
        super().__init__(stream_format)
        self._callback = pull_stream_callback


class AudioConfig(PropertyHolder):
    """Where the audio comes from: a file, a stream, or a microphone.

    A microphone can be named, but no backend here records: that is said when the
    transcription starts.  So is a file that is missing or no WAV.

    Raises:
        ValueError: not exactly one source is given (texts as in the real package,
            docs/protocol/legacy-interface.md, 4.4).
    """

    def __init__(
        self,
        use_default_microphone: bool = False,
        filename: str | None = None,
        stream: AudioInputStream | None = None,
        device_name: str | None = None,
    ) -> None:
        super().__init__()
        others: list[Any] = [v for v in (filename, stream, device_name) if v is not None]
        if not isinstance(use_default_microphone, bool):
            raise ValueError(
                f'use_default_microphone must be a bool, is "{use_default_microphone}"'
            )
        if use_default_microphone and others:
            raise ValueError("default microphone can not be combined with any other options")
        if len(others) > 1:
            raise ValueError("only one of filename, stream, and device_name can be given")
        if not use_default_microphone and not others:
            raise ValueError("cannot construct AudioConfig with the given arguments")
        self._filename = filename
        self._stream = stream
        if device_name is not None:
            device = PropertyId.AudioConfig_DeviceNameForCapture
            self.set_property(device, device_name)
