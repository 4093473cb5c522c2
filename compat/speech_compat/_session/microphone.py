"""Audio of a microphone, recorded by PortAudio: the package ``sounddevice``, extra ``microphone``.

One source serves all backends, those that use the Speech SDK too: their audio has to be in the
recording before it is sent, so that a stored meeting survives a crash.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from speech_adapters.audio import PcmFormat
from speech_adapters.errors import AudioError, MissingExtraError, SpeechError
from speech_adapters.extras import missing_extra

__all__ = ["MicrophoneSource"]

_EXTRA: Final = "microphone"
# Formats of the Speech SDK, whose microphone records 16 kHz mono too.
_WANTED: Final = PcmFormat(16_000, 1)
_BLOCKS_PER_SECOND: Final = 10
# A device that is muted still sends silence.  So one that sends nothing is gone, which not every
# system reports.
_SILENT_SECONDS: Final = 10.0
_CARDS: Final = Path("/proc/asound")
# Names of ALSA: hw:1,0 and hw:CARD=Webcam,DEV=0, and the same with a conversion of formats.
_ALSA: Final = re.compile(
    r"(?:plughw|hw|sysdefault|default):(?:CARD=)?(?P<card>\w+)(?:,(?:DEV=)?(?P<device>\d+))?"
)
_logger = logging.getLogger("speech_compat")


class MicrophoneSource:
    """Records from its creation on, until :meth:`stop`; see :class:`.sources.AudioSource`.

    Args:
        name: the device, by a name of the system or a part of it; empty for the default.

    Attributes:
        pcm: 16 kHz mono, or the rate of a device that has no other.
        ending_error: why the device stopped by itself.

    Raises:
        MissingExtraError: sounddevice or PortAudio is not installed.
        AudioError: there is no such device, or it cannot be opened.
    """

    growing = True
    patience = 0.0
    # The program ends the audio by stopping, so nothing more is to be waited for.
    complete = False
    original: Path | None = None

    def __init__(self, name: str) -> None:
        self.ending_error: SpeechError | None = None
        library = _library()
        self._device = _find(library, name)
        self._label = f"The microphone {self._device['name']!r}"
        # Recorded blocks; b"" marks the end.  Without a limit: the device cannot wait.
        self._blocks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # How often the system has dropped audio, because this process was too slow.
        self._overflows = 0
        # Set before the stream is stopped, so that its end is no failure.
        self._stopped = False
        # Guards the stream: stop and close may be called at the same time.
        self._closing = threading.Lock()
        self._open(library)

    @property
    def notes(self) -> tuple[str, ...]:
        """Defects of the recording, one sentence each."""
        notes = []
        if self._overflows:
            notes.append(
                f"Audio of the microphone was lost at {self._overflows} places: the computer was"
                " too slow."
            )
        if self.ending_error is not None:
            notes.append("The recording ended early: the microphone stopped.")
        return tuple(notes)

    def read(self) -> bytes:
        """Return the next block, ``b""`` after a stop or when the device has stopped."""
        if self.ending_error is not None:
            return b""
        try:
            block = self._blocks.get(timeout=_SILENT_SECONDS)
        except queue.Empty:
            block = b""
        # All that was recorded is read before; the results of it come before the error.
        if not block and not self._stopped:
            self.ending_error = AudioError(
                f"{self._label} has stopped: it was probably unplugged. What was recorded before"
                " is transcribed. Connect it again, and start again."
            )
        return block

    def stop(self) -> None:
        """Stop recording; what was recorded is still read."""
        self._stopped = True
        with self._closing, suppress(self._library_error):
            if not self._stream.closed:
                self._stream.stop()
        self._blocks.put(b"")

    def close(self) -> None:
        """Release the device.  Idempotent."""
        self.stop()
        with self._closing, suppress(self._library_error):
            self._stream.close()

    def _open(self, library: Any) -> None:
        self._library_error: type[Exception] = library.PortAudioError
        reason = ""
        rates = (_WANTED.sample_rate, int(self._device["default_samplerate"]))
        for rate in dict.fromkeys(rates):
            self.pcm = PcmFormat(rate, _WANTED.channels)
            try:
                self._stream = library.RawInputStream(
                    samplerate=rate,
                    channels=self.pcm.channels,
                    dtype="int16",
                    device=self._device["index"],
                    blocksize=rate // _BLOCKS_PER_SECOND,
                    callback=self._receive,
                    finished_callback=lambda: self._blocks.put(b""),
                )
            except self._library_error as error:
                reason = str(error)
                continue
            try:
                self._stream.start()
            except self._library_error as error:
                self._stream.close()
                reason = str(error)
                continue
            _logger.debug("%s records at %d Hz.", self._label, rate)
            return
        raise AudioError(
            f"{self._label} cannot be opened: {reason}. Close other programs that use it, allow"
            " this one to record, or choose another device."
        )

    def _receive(self, data: Any, frames: int, time: object, status: Any) -> None:  # noqa: ARG002
        # Called in a thread of PortAudio, which must not wait.
        if status.input_overflow:
            self._overflows += 1
        self._blocks.put(bytes(data))


def _library() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise missing_extra(_EXTRA, "sounddevice") from error
    except OSError as error:
        raise MissingExtraError(
            "The library PortAudio is needed to record, but not installed: install it, on Debian"
            " and Ubuntu with: apt install libportaudio2"
        ) from error
    return sounddevice


def _find(library: Any, name: str) -> Any:
    """Return the description of a device that records.

    Raises:
        AudioError: there is none, or none of that name; the message lists the others.
    """
    try:
        inputs = [device for device in library.query_devices() if device["max_input_channels"]]
    except library.PortAudioError as error:
        raise AudioError(f"The microphones cannot be listed: {error}.") from error
    if not inputs:
        raise AudioError(
            "There is no microphone: this system has no device that records. Connect one, or use"
            " a file or stream."
        )
    if not name:
        index = library.default.device[0]
        return next((device for device in inputs if device["index"] == index), inputs[0])
    for wanted in _spellings(name):
        for device in inputs:
            if wanted == device["name"]:
                return device
        for device in inputs:
            if wanted.casefold() in device["name"].casefold():
                return device
    listed = ", ".join(dict.fromkeys(repr(device["name"]) for device in inputs))
    hint = " Ids of Windows are no names here." if name.startswith("{") else ""
    raise AudioError(
        f"There is no microphone {name!r}. This system has: {listed}. Pass one of these names, or"
        f" a part of one, as device_name.{hint}"
    )


def _spellings(name: str) -> Iterator[str]:
    """Yield a name, and as PortAudio writes it: the Speech SDK has the names of ALSA."""
    yield name
    match = _ALSA.fullmatch(name)
    if match is None:
        return
    card = match["card"]
    if not card.isdecimal():
        try:
            # A link such as card1.
            card = (_CARDS / card).readlink().name.removeprefix("card")
        except OSError:
            return
    yield f"(hw:{card},{match['device'] or 0})"
