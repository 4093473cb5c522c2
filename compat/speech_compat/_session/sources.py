"""The program's audio as blocks of whole frames of 16-bit PCM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from speech_adapters.audio import (
    CompressedStream,
    PcmFormat,
    SourceFormat,
    StreamDecoder,
    open_audio,
)
from speech_adapters.errors import AudioError, SpeechError
from speech_compat._session.pump import PolledSource
from speech_compat.audio import (
    AudioConfig,
    AudioInputStream,
    AudioStreamFormat,
    PullAudioInputStream,
    PushAudioInputStream,
)
from speech_compat.enums import AudioStreamContainerFormat, AudioStreamWaveFormat
from speech_compat.properties import PropertyId

__all__ = ["CONTAINERS", "AudioSource", "check_file", "open_source", "polled"]

# Large, because each block costs a round trip to the event loop.
_BLOCK_BYTES: Final = 1024 * 1024
# What is decoded on the loop at a time must be little.
_POLL_BYTES: Final = 64 * 1024
_ENCODINGS: Final = {
    AudioStreamWaveFormat.PCM: "pcm",
    AudioStreamWaveFormat.ALAW: "alaw",
    AudioStreamWaveFormat.MULAW: "mulaw",
}
# What the data is taken for if it cannot be recognized: the middle of an MP3 file, for example.
CONTAINERS: Final = {
    AudioStreamContainerFormat.OGG_OPUS: "ogg",
    AudioStreamContainerFormat.MP3: "mp3",
    AudioStreamContainerFormat.FLAC: "flac",
    AudioStreamContainerFormat.AMRNB: "amr",
    AudioStreamContainerFormat.AMRWB: "amr",
    AudioStreamContainerFormat.ANY: None,
}
# Samples of these come without a header, or in a WAV file, whose header then counts.
_COMPANDED: Final = {
    AudioStreamContainerFormat.ALAW: "alaw",
    AudioStreamContainerFormat.MULAW: "mulaw",
}


class AudioSource(Protocol):
    """Audio in blocks; ``stop`` and ``close`` may be called from other threads.

    Attributes:
        patience: seconds that small chunks of a push stream may wait, to be joined to one block;
            set by the reader before each read.  Other sources have blocks of a size of their own.
    """

    patience: float

    @property
    def pcm(self) -> PcmFormat:
        """The format; a header in the first block may still change it."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Defects of audio that can still be used, one sentence each; complete at its end."""
        ...

    @property
    def ending_error(self) -> SpeechError | None:
        """Why the audio ended early, to be reported after all results; ``None`` for no reason."""
        ...

    @property
    def original(self) -> Path | None:
        """A compressed file that was read to its end without a defect; else ``None``."""
        ...

    @property
    def growing(self) -> bool:
        """Whether the program decides when the audio ends, unlike that of a file."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the program itself has ended the audio, so that all of it is here."""
        ...

    def read(self) -> bytes:
        """Return the next block, ``b""`` at the end; waits for audio.

        Raises:
            AudioError: the audio cannot be used.
        """
        ...

    def stop(self) -> None:
        """End the audio after the part that was received so far."""
        ...

    def close(self) -> None:
        """Release the source.  Idempotent."""
        ...


def open_source(config: AudioConfig | None) -> AudioSource:
    """Open the source that a configuration names.

    Raises:
        AudioError: the source cannot be used, for the reason in the message.
    """
    if config is not None and config._filename is not None:
        return _FileSource(config._filename)
    stream = config._stream if config is not None else None
    if isinstance(stream, PushAudioInputStream):
        return _PushSource(stream)
    if isinstance(stream, PullAudioInputStream):
        return _PullSource(stream)
    if isinstance(stream, AudioInputStream):
        raise AudioError("An AudioInputStream cannot be read: use a push or pull stream.")
    # Imported only for programs that record.
    from speech_compat._session.microphone import MicrophoneSource

    device = PropertyId.AudioConfig_DeviceNameForCapture
    return MicrophoneSource(config.get_property(device) if config is not None else "")


def polled(source: AudioSource) -> PolledSource | None:
    """Return a source that can be read on the event loop, or ``None`` if a read may wait."""
    return source if isinstance(source, _PushSource) and source.can_poll else None


def check_file(config: AudioConfig | None) -> None:
    """Check the file of a configuration; does nothing for streams.

    Raises:
        AudioError: the file cannot be used, for the reason in the message.
        MissingExtraError: the package that decodes it is not installed.
    """
    if config is not None and config._filename is not None:
        open_audio(Path(config._filename)).close()


class _FileSource:
    growing = False
    patience = 0.0
    ending_error: SpeechError | None = None

    def __init__(self, filename: str) -> None:
        self._file = open_audio(Path(filename))
        self._frames = _BLOCK_BYTES // self._file.pcm.frame_bytes
        # Set by another thread; the next read then returns the end.
        self._stopped = False
        self.complete = False
        self.pcm = self._file.pcm

    @property
    def notes(self) -> tuple[str, ...]:
        return self._file.notes

    @property
    def original(self) -> Path | None:
        return self._file.original

    def read(self) -> bytes:
        if self._stopped:
            return b""
        block = self._file.read(self._frames)
        self.complete = not block
        return block

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        self._file.close()


class _StreamSource:
    """Decodes a stream whose blocks have any size."""

    growing = True
    patience = 0.0
    ending_error: SpeechError | None = None
    original: Path | None = None

    def __init__(self, stream_format: AudioStreamFormat) -> None:
        self._decoder = _decoder(stream_format, self._receive)

    @property
    def pcm(self) -> PcmFormat:
        return self._decoder.pcm

    @property
    def notes(self) -> tuple[str, ...]:
        return self._decoder.notes

    def read(self) -> bytes:
        return self._decoder.read()

    def _receive(self) -> bytes:
        raise NotImplementedError


class _SampleStream:
    """Samples, with or without a WAV header."""

    notes: tuple[str, ...] = ()

    def __init__(self, source: SourceFormat, receive: Callable[[], bytes]) -> None:
        self._decoder = StreamDecoder(source)
        self._receive = receive
        # The decoder has returned its rest; reading on must not finish it twice.
        self._ended = False

    @property
    def pcm(self) -> PcmFormat:
        return self._decoder.pcm

    def read(self) -> bytes:
        while not self._ended:
            # A header or part of a frame decodes to nothing, which is not the end.
            if block := self._decode(self._receive()):
                return block
        return b""

    def poll(self, receive: Callable[[], bytes | None]) -> bytes | None:
        """Do what ``read`` does, or return ``None`` if ``receive`` has nothing yet."""
        while not self._ended:
            data = receive()
            if data is None:
                return None
            if block := self._decode(data):
                return block
        return b""

    def _decode(self, data: bytes) -> bytes:
        self._ended = not data
        return self._decoder.decode(data) if data else self._decoder.finish()


class _PushSource(_StreamSource):
    def __init__(self, stream: PushAudioInputStream) -> None:
        super().__init__(stream._format)
        self._stream = stream
        # From now on a writer that is faster than the backend waits.
        stream._attach()

    @property
    def complete(self) -> bool:
        return self._stream._closed

    def _receive(self) -> bytes:
        if not self.patience:
            return self._stream._read(_BLOCK_BYTES)
        enough = int(self.patience * self.pcm.bytes_per_second)
        return self._stream._read(_BLOCK_BYTES, self.patience, enough)

    @property
    def can_poll(self) -> bool:
        """Whether no read has to wait; the decoder of compressed audio waits by itself."""
        return isinstance(self._decoder, _SampleStream)

    def poll(self) -> bytes | None:
        assert isinstance(self._decoder, _SampleStream)
        return self._decoder.poll(lambda: self._stream._poll(_POLL_BYTES))

    def notify(self, ready: Callable[[], None] | None) -> None:
        self._stream._set_notify(ready)

    def stop(self) -> None:
        self._stream._end()

    def close(self) -> None:
        self._stream._detach()


class _PullSource(_StreamSource):
    def __init__(self, stream: PullAudioInputStream) -> None:
        super().__init__(stream._format)
        self._callback = stream._callback
        # 100 ms, the size that the real package requests.
        self._buffer = bytearray(max(self.pcm.bytes_per_second // 10, 2))
        # Set by another thread; the callback that runs just then still counts.
        self._stopped = False
        # The program's callback is closed once, however often the source is.
        self._closed = False
        self.complete = False

    def _receive(self) -> bytes:
        if self._stopped:
            return b""
        try:
            # Released at once, so that a callback that keeps the view cannot change later audio.
            with memoryview(self._buffer) as view:
                size = self._callback.read(view)
        except Exception as error:
            raise AudioError(
                f"The pull stream's callback failed with {type(error).__name__}: {error}."
            ) from error
        self.complete = size <= 0
        return bytes(self._buffer[: max(size, 0)])

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._callback.close()


def _decoder(
    declared: AudioStreamFormat, receive: Callable[[], bytes]
) -> _SampleStream | CompressedStream:
    container = declared._container
    if container is not None and container in CONTAINERS:
        return CompressedStream(receive, CONTAINERS[container])
    if declared._encoding == AudioStreamWaveFormat.G722:
        return CompressedStream(receive, "g722")
    return _SampleStream(_source_format(declared), receive)


def _source_format(declared: AudioStreamFormat) -> SourceFormat:
    if declared._container is not None:
        # G.711 is a telephone's: without a header it has 8,000 samples per second.
        return SourceFormat(8_000, declared._channels, 8, _COMPANDED[declared._container])
    encoding = _ENCODINGS.get(declared._encoding)
    if encoding is None:
        raise AudioError(f"Audio in {declared._encoding} is not supported: decode it to PCM.")
    return SourceFormat(
        declared._samples_per_second,
        declared._channels,
        8 if encoding != "pcm" else declared._bits_per_sample,
        encoding,
    )
