"""Doubles of the two sides of a transcription session: its audio and its listener."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Mode
from speech_adapters.errors import SpeechError
from speech_compat import SpeechConfig
from speech_compat._session.mapping.requests import Plan
from speech_compat._session.mapping.results import MEETING
from speech_compat._session.records import EventRecord
from speech_compat._session.session import TranscriptionSession
from speech_compat._session.sources import AudioSource
from speech_compat._session.state import State

__all__ = ["ENDED", "Log", "Source", "begun", "ended", "soon", "started"]

ENDED = 20.0


class Source:
    """One block of audio; the test releases what follows, the end or an error."""

    notes: tuple[str, ...] = ()
    patience = 0.0
    ending_error: SpeechError | None = None
    original: Path | None = None

    def __init__(self, growing: bool = True) -> None:
        self.growing = growing
        self.complete = False
        self.pcm = PcmFormat()
        self.stops = 0
        self.failure: Exception | None = None
        self.released = threading.Event()
        self.reading = threading.Event()
        self._blocks = [bytes(3200)]

    def read(self) -> bytes:
        if self._blocks:
            return self._blocks.pop()
        self.reading.set()
        self.released.wait(ENDED)
        if self.failure is not None:
            raise self.failure
        return b""

    def stop(self) -> None:
        self.stops += 1

    def close(self) -> None:
        self.released.set()


class Log:
    """A listener that keeps the names of events and whether ``canceled`` had an error."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.error = ""
        self.stopped = threading.Event()

    def session(self, name: str, event: EventRecord) -> None:
        self.names.append(name)
        if name == "session_stopped":
            self.stopped.set()

    def speech(self, name: str, event: EventRecord) -> None:
        self.names.append(name)

    def result(self, name: str, event: EventRecord) -> None:
        self.names.append(name)
        if name == "canceled" and event.result is not None:
            self.error = event.result.error


def begun(log: Log, open_source: Callable[[], AudioSource], mode: Mode) -> TranscriptionSession:
    config = SpeechConfig("key", "region")
    plan = Plan(config, "m", mode, "en-US", True, (), ())
    session = TranscriptionSession(plan, MEETING, open_source, log)
    session.start()
    return session


def started(log: Log, source: Source, mode: Mode) -> TranscriptionSession:
    session = begun(log, lambda: source, mode)
    assert source.reading.wait(ENDED)
    assert session._state is State.RUNNING
    return session


def ended(session: TranscriptionSession) -> bool:
    session.wait_stopped()
    return session.ended and session._state is State.ENDED


def soon() -> float:
    return time.monotonic() + 0.2
