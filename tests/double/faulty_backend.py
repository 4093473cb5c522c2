"""A second backend for ``shadow`` that fails, or hangs, where a test demands it."""

from __future__ import annotations

import threading
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import anyio
import pytest

from double.clock_backend import ClockBackend
from speech_adapters import registry
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings
from speech_adapters.contract import Backend, MeetingRequest
from speech_adapters.errors import ConfigurationError, UnreachableError
from speech_adapters.recording.backend import Host
from speech_adapters.store import Recording
from speech_adapters.transcript import Provenance

__all__ = ["FAULTS", "Faulty", "go_on", "install"]

# Where the backend fails, or hangs.
FAULTS = (
    "import",
    "creation",
    "creation hangs",
    "capabilities",
    "language",
    "check",
    "process",
    "process crashes",
    "process hangs",
)
_PROBLEMS: dict[str, Exception] = {
    "creation": ConfigurationError("The second backend has no key."),
    "check": ConfigurationError("The second backend does not like this."),
    "process": UnreachableError("The second service does not answer."),
    "process crashes": ZeroDivisionError("what was said"),
    "capabilities": KeyError("what was said"),
}
_fault = ""
_go_on = threading.Event()


class Faulty(ClockBackend):
    """A clock backend with a fault."""

    offline = False

    @property
    def capabilities(self) -> Capabilities:
        _raise("capabilities")
        languages = frozenset({"xx"}) if _fault == "language" else None
        return Capabilities(live=False, stored=True, languages=languages)

    @property
    def provenance(self) -> Provenance:
        return Provenance("faulty", "1")

    def check(self, request: MeetingRequest) -> None:
        _raise("check")

    async def process(self, recording: Recording) -> None:
        _raise("process")
        _raise("process crashes")
        if _fault == "process hangs":
            await anyio.sleep_forever()
        await super().process(recording)


def create(settings: Settings, host: Host) -> Backend:
    """Return the backend, or fail."""
    _raise("creation")
    if _fault == "creation hangs":
        _go_on.wait(60)
    return Faulty(host, "faulty")


def go_on() -> None:
    """Let a creation that hangs go on."""
    _go_on.set()


def install(monkeypatch: pytest.MonkeyPatch, fault: str = "") -> None:
    """Add the backends ``faulty``, ``clock`` and ``shadow`` to the registry."""
    module = "no_such_package" if fault == "import" else __name__
    points = (
        EntryPoint("faulty", f"{module}:create", registry.GROUP),
        EntryPoint("clock", "double.clock_backend:create", registry.GROUP),
        EntryPoint("shadow", "speech_adapters.backends.shadow:create", registry.GROUP),
    )

    def entry_points(**wanted: Any) -> EntryPoints:
        found = metadata.entry_points(group=registry.GROUP)
        return EntryPoints((*points, *found)).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    monkeypatch.setattr("speech_adapters.config.entry_points", entry_points)
    monkeypatch.setattr(f"{__name__}._fault", fault)
    monkeypatch.setattr(f"{__name__}._go_on", threading.Event())


def _raise(fault: str) -> None:
    if _fault == fault:
        raise _PROBLEMS[fault]
