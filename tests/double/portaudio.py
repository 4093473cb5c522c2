"""A double of the package sounddevice, with devices that a test plugs in and out."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

__all__ = ["PortAudio", "PortAudioError"]


class PortAudioError(Exception):
    """As in sounddevice."""


class PortAudio:
    """The functions of the module that are used.

    Args:
        devices: the name of each device, with its rates; the first is the default.

    Attributes:
        streams: those that were opened.
    """

    PortAudioError = PortAudioError

    def __init__(self, **devices: tuple[int, ...]) -> None:
        self._devices = devices
        self.streams: list[Stream] = []
        self.default = SimpleNamespace(device=(1 if devices else -1, 0))

    def query_devices(self) -> list[dict[str, Any]]:
        """Return a loudspeaker and the devices."""
        found = [("Loudspeaker", 0, 48_000), *((n, 2, r[0]) for n, r in self._devices.items())]
        return [
            {"index": i, "name": n, "max_input_channels": c, "default_samplerate": float(r)}
            for i, (n, c, r) in enumerate(found)
        ]

    def RawInputStream(self, **options: Any) -> Stream:  # noqa: N802
        """Open a device, as the class of sounddevice does."""
        name, rates = list(self._devices.items())[options["device"] - 1]
        if options["samplerate"] not in rates:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self.streams.append(Stream(name, **options))
        return self.streams[-1]


class Stream:
    """A stream, of which the test is the device."""

    def __init__(
        self, name: str, callback: Callable[..., None], finished_callback: Any, **options: Any
    ) -> None:
        self.name, self.options = name, options
        self.running = self.closed = False
        self.refused = ""  # why it does not start
        self._callback, self._finished = callback, finished_callback

    def start(self) -> None:
        """Start."""
        if self.refused:
            raise PortAudioError(self.refused)
        self.running = True

    def record(self, pcm: bytes, overflow: bool = False) -> None:
        """Record samples."""
        if self.running:
            status = SimpleNamespace(input_overflow=overflow)
            self._callback(memoryview(pcm), len(pcm) // 2, None, status)

    def unplug(self) -> None:
        """End without a stop."""
        self.running = False
        self._finished()

    def stop(self) -> None:
        """Stop; as in PortAudio, an error if it has stopped."""
        if not self.running:
            raise PortAudioError("Stream is stopped [PaErrorCode -9983]")
        self.unplug()

    def close(self) -> None:
        """Close."""
        self.running, self.closed = False, True
