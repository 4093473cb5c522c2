"""Audio sources of the legacy interface: files and streams."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from speech_compat._sdk.config import PropertyHolder, copy_properties
from speech_compat._sdk.interop import checked
from speech_compat._sdk.passthrough import passthrough
from speech_compat._sdk.real import convert, load
from speech_compat.enums import AudioStreamContainerFormat, AudioStreamWaveFormat
from speech_compat.properties import PropertyCollection, PropertyId, name_of

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

__getattr__ = passthrough(__name__)

# Bytes that a push stream holds before a fast writer has to wait.
_PENDING_LIMIT = 4 * 1024 * 1024


class AudioStreamFormat:
    """The sample format of a stream; by default 16 kHz, 16 bits, mono.

    Compressed streams are decoded by the extra ``audio``; their own format replaces the
    declared one, and their kind is recognized by the data.
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

    def _to_sdk(self) -> Any:
        create = load("audio").AudioStreamFormat
        if self._container is not None:
            return create(compressed_stream_format=convert(self._container))
        pcm = (self._samples_per_second, self._bits_per_sample, self._channels)
        return create(*pcm, wave_stream_format=convert(self._encoding))


class AudioInputStream:
    """Base class of the streams."""

    def __init__(self, handle: AudioStreamFormat | None) -> None:
        self._format = handle or AudioStreamFormat()

    def __str__(self) -> str:
        return f"{type(self).__name__}()"

    def _to_sdk(self) -> Any:
        raise TypeError("An AudioInputStream cannot be read: use a push or pull stream.")


class PushAudioInputStream(AudioInputStream):
    """A stream that the program writes to.

    Audio written before a transcriber reads is kept in memory.  While a transcriber reads,
    a writer that is faster than the backend waits when 4 MB are pending, so that memory
    stays bounded.  After the transcriber has stopped, audio is discarded until one starts
    again.
    """

    def __init__(self, stream_format: AudioStreamFormat | None = None) -> None:
        super().__init__(_checked_format(stream_format))
        # Guards all that follows; notified when a reader or writer may continue.
        self._changed = threading.Condition(threading.Lock())
        # The audio not yet read, as the program wrote it, so that nothing is copied twice.
        self._chunks: deque[bytes] = deque()
        # Bytes in _chunks.
        self._pending = 0
        # The program has closed the stream; the reader still receives what is pending.
        self._closed = False
        # A transcriber reads, so a writer may wait for it.
        self._attached = False
        # The transcriber has stopped; nothing would ever read what is written now.
        self._discarding = False
        # Pending bytes for which the reader waits; 0 while it does not, so that write() saves
        # to notify it.
        self._awaited = 0
        # Size of the chunk that was read last, and time.monotonic() of that.
        self._chunk_size = 0
        self._read_at = 0.0
        # Called once, under the guard, when there is audio or the end for a reader that found none.
        self._notify: Callable[[], None] | None = None
        self._notify_due = False
        # The stream of the real package that receives all audio, once one was made of this one.
        self._real: Any = None
        # Kept for programs that set them; nothing reads them.
        self._stream_properties: dict[str, str] = {}

    def write(self, buffer: bytes) -> None:
        """Append audio; ignored after :meth:`close`, as in the real package.

        Raises:
            TypeError: ``buffer`` is neither bytes nor another buffer.
        """
        # A copy, since the program may reuse a mutable buffer.
        data = buffer if type(buffer) is bytes else bytes(memoryview(buffer))
        with self._changed:
            if self._closed or self._discarding or not data:
                return
            if self._real is not None:
                self._real.write(data)
                return
            self._chunks.append(data)
            self._pending += len(data)
            if 0 < self._awaited <= self._pending:
                self._changed.notify_all()
            self._notify_reader()
            while self._pending > _PENDING_LIMIT and self._attached:
                self._changed.wait()

    def close(self) -> None:
        """Mark the end of the audio.  Idempotent."""
        with self._changed:
            if self._real is not None and not self._closed:
                self._real.close()
            self._closed = True
            self._changed.notify_all()
            self._notify_reader()

    def set_property(self, name: str, value: str) -> None:
        """Store a property of the audio written next; only the real package uses it."""
        self._stream_properties[name] = value
        if self._real is not None:
            self._real.set_property(name, value)

    def commit(self) -> int:
        """Return 0: commits are not supported (1.52), except by the real package."""
        return int(self._real.commit()) if hasattr(self._real, "commit") else 0

    def commit_channel(self, channel_id: int) -> int:
        """Return 0: commits are not supported (1.52), except by the real package."""
        supported = hasattr(self._real, "commit_channel")
        return int(self._real.commit_channel(channel_id)) if supported else 0

    def _to_sdk(self) -> Any:
        """Return the stream of the real package that receives the audio from now on."""
        with self._changed:
            if self._real is None:
                self._real = load("audio").PushAudioInputStream(self._format._to_sdk())
                for name, value in self._stream_properties.items():
                    self._real.set_property(name, value)
                while self._chunks:
                    self._real.write(self._chunks.popleft())
                self._pending = 0
                if self._closed:
                    self._real.close()
            return self._real

    def _attach(self) -> None:
        with self._changed:
            self._attached, self._discarding = True, False

    def _read(self, limit: int, patience: float = 0.0, enough: int = 0) -> bytes:
        """Return about ``limit`` bytes, or ``b""`` at the end; waits for audio.

        Args:
            limit: how many bytes.
            patience: seconds since the last read that chunks of less than ``enough`` bytes are
                joined.
            enough: bytes that end the patience.
        """
        with self._changed:
            # A larger chunk would only wake the reader once more.
            if self._chunk_size < enough:
                self._wait_for(min(enough, limit), self._read_at + patience)
            self._wait_for(1, math.inf)
            return self._take(limit)

    def _poll(self, limit: int) -> bytes | None:
        """Return about ``limit`` bytes, ``b""`` at the end, or ``None`` if there are none yet.

        After ``None``, what was passed to :meth:`_set_notify` is called once when there is more.
        """
        with self._changed:
            self._notify_due = not self._chunks and not self._closed and self._attached
            return None if self._notify_due else self._take(limit)

    def _set_notify(self, notify: Callable[[], None] | None) -> None:
        with self._changed:
            self._notify, self._notify_due = notify, False

    def _notify_reader(self) -> None:
        if self._notify_due and self._notify is not None:
            self._notify_due = False
            self._notify()

    def _take(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while self._chunks and size < limit:
            chunks.append(self._chunks.popleft())
            size += len(chunks[-1])
        self._pending -= size
        self._chunk_size, self._read_at = len(chunks[-1]) if chunks else 0, time.monotonic()
        self._changed.notify_all()
        return b"".join(chunks)

    def _wait_for(self, size: int, deadline: float) -> None:
        """Wait until ``size`` bytes are pending, the audio ends, or the time has come."""
        self._awaited = size
        while self._pending < size and not self._closed and self._attached:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._changed.wait(None if left == math.inf else left)
        self._awaited = 0

    def _end(self) -> None:
        """Let the reader come to the end after the pending audio."""
        with self._changed:
            self._attached, self._discarding = False, True
            self._changed.notify_all()
            self._notify_reader()

    def _detach(self) -> None:
        self._end()
        with self._changed:
            self._chunks.clear()
            self._pending = 0


class PullAudioInputStreamCallback:
    """Base class of a program's callback that returns audio."""

    def read(self, buffer: memoryview) -> int:  # noqa: ARG002
        """Fill ``buffer`` with audio; returns the number of bytes, 0 at the end."""
        return 0

    def get_property(self, id: PropertyId) -> str:  # noqa: A002, ARG002
        """Return a property of the audio read last."""
        return ""

    def close(self) -> None:
        """Release resources; called when no more audio is read."""


class PullAudioInputStream(AudioInputStream):
    """A stream that a transcriber reads through a callback, in a worker thread.

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
        super().__init__(_checked_format(stream_format))
        self._callback = pull_stream_callback
        # Kept, since the real package calls back while its own stream exists.
        self._real: Any = None

    def _to_sdk(self) -> Any:
        if self._real is None:
            create = load("audio").PullAudioInputStream
            self._real = create(self._callback, self._format._to_sdk())
        return self._real


class AudioConfig(PropertyHolder):
    """The source of the audio: a file, a stream or a microphone.

    A microphone needs the extra ``microphone``, and is opened when a transcription starts; one
    that cannot be used ends it with ``canceled``.  A file may be compressed, and is checked when
    the program joins, or creates a ConversationTranscriber with a SpeechConfig.

    Raises:
        ValueError: not exactly one source is passed (texts as in the real package,
            docs/protocol/legacy-interface.md, 4.4).
        TypeError: ``stream`` is not an AudioInputStream of this package.
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
        if stream is not None:
            checked(stream, AudioInputStream, "stream", "a stream of speech_compat.audio")
        self._filename = filename
        self._stream = stream
        if device_name is not None:
            device = PropertyId.AudioConfig_DeviceNameForCapture
            self.set_property(device, device_name)

    def _to_sdk(self) -> Any:
        create = load("audio").AudioConfig
        device = PropertyId.AudioConfig_DeviceNameForCapture
        name = self.get_property(device)
        if self._filename is not None:
            config = create(filename=self._filename)
        elif self._stream is not None:
            config = create(stream=self._stream._to_sdk())
        else:
            config = create(device_name=name) if name else create(use_default_microphone=True)
        copy_properties(self, config, {name_of(device)})
        return config


def _checked_format(stream_format: AudioStreamFormat | None) -> AudioStreamFormat | None:
    if stream_format is None:
        return None
    wanted = "a speech_compat.audio.AudioStreamFormat"
    return checked(stream_format, AudioStreamFormat, "stream_format", wanted)
