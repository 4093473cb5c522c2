"""Meetings on the loopback speech service or on a scripted recognizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import attrs

from double.meetings import run
from speech_adapters.config import Settings
from speech_adapters.contract import MeetingRequest, Mode, Recognized, Session, SessionEvent
from speech_adapters.meetings import MeetingService
from speech_adapters.speech_sdk.messages import Completed, FinalResult, RecognizerMessage
from speech_adapters.transcript import Transcript
from speech_compat.testing.loopback import Line, LoopbackService, Script, clock_audio

__all__ = [
    "SECOND",
    "Configure",
    "FakeRecognizer",
    "Play",
    "RecognizerScript",
    "audio",
    "fetch",
    "lines",
    "offsets",
    "record",
    "run",
    "texts",
    "transcribe",
]

Play = Callable[[Script], tuple[LoopbackService, str]]
Configure = Callable[..., Settings]
SECOND = 10_000_000


def lines(count: int, speaker: str = "Guest-1") -> tuple[Line, ...]:
    """Return one line a second, of 0.8 seconds."""
    return tuple(Line(f"line {n}", n * SECOND, 8_000_000, speaker) for n in range(count))


def audio(start: float, seconds: float, channels: int = 1) -> bytes:
    """Return sound whose samples are their own time."""
    mono = clock_audio(round(start * 10), round(seconds * 10))
    pairs = (mono[n : n + 2] for n in range(0, len(mono), 2))
    return mono if channels == 1 else b"".join(pair * channels for pair in pairs)


async def transcribe(
    meetings: MeetingService, seconds: float, mode: Mode = Mode.LIVE, **requested: Any
) -> list[SessionEvent]:
    """Record a meeting ``m`` and return its events."""
    request = MeetingRequest("m", mode=mode, **requested)
    async with await meetings.open_session(request) as session:
        await session.push(audio(0, seconds, request.audio.channels))
        await session.finish()
        return [event async for event in session.events()]


async def record(meetings: MeetingService, seconds: float) -> Session:
    """Record a meeting ``m`` that is only stored; return its closed session."""
    async with await meetings.open_session(MeetingRequest("m", mode=Mode.STORED)) as session:
        await session.push(audio(0, seconds))
        await session.finish()
    return session


def texts(events: list[SessionEvent]) -> list[str]:
    """Return the texts of the final utterances."""
    return [e.utterance.text for e in events if isinstance(e, Recognized) and not e.correction]


def offsets(events: list[SessionEvent]) -> list[int]:
    """Return the offsets of the final utterances."""
    return [e.utterance.offset for e in events if isinstance(e, Recognized) and not e.correction]


async def fetch(meetings: MeetingService) -> Transcript:
    """Wait for the end of the meeting ``m``, and return its transcript."""
    with anyio.fail_after(60):
        while not (await meetings.status("m")).state.final:
            await anyio.sleep(0.05)
    return await meetings.transcript("m")


@attrs.define
class RecognizerScript:
    """What recognizers do; they are listed in ``recognizers``, in the order of their creation.

    By default a recognizer returns one result for each block of audio, and completes.
    """

    started: Callable[[FakeRecognizer], None] = lambda _: None
    written: Callable[[FakeRecognizer], None] = lambda recognizer: recognizer.result()
    ended: Callable[[FakeRecognizer], None] = lambda recognizer: recognizer.send(Completed())
    recognizers: list[FakeRecognizer] = attrs.field(factory=list)

    def connect(self, send: Callable[[RecognizerMessage], None]) -> FakeRecognizer:
        """Create the next recognizer."""
        self.recognizers.append(FakeRecognizer(self, send))
        return self.recognizers[-1]


class FakeRecognizer:
    """A recognizer without the SDK; its audio is 16 kHz.

    Attributes:
        audio: what it received.
        stopped: whether it was stopped.
    """

    def __init__(self, script: RecognizerScript, send: Callable[[RecognizerMessage], None]) -> None:
        self.audio = bytearray()
        self.stopped = False
        self.send: Callable[[RecognizerMessage], None] = send
        self._script = script
        self._reached = 0

    @property
    def received(self) -> int:
        """Ticks of audio received."""
        return len(self.audio) * SECOND // 32_000

    def result(self, text: str = "") -> None:
        """Send a final result for all audio that has none yet."""
        start, self._reached = self._reached, self.received
        self.send(FinalResult(text or f"{start}", start, self.received - start))

    def start(self) -> None:
        self._script.started(self)

    def write(self, pcm: bytes) -> None:
        self.audio += pcm
        self._script.written(self)

    def end(self) -> None:
        self._script.ended(self)

    def refresh(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True

    def wait_stopped(self, seconds: float) -> None:
        assert self.stopped
