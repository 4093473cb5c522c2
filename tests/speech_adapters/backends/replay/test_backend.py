from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import attrs
import pytest

from double.meetings import run
from double.replay import install, write_script
from double.scripted_backend import said
from speech_adapters import MeetingRequest, Mode, Transcript
from speech_adapters.backends.replay import backend as backend_module
from speech_adapters.backends.replay import session as session_module
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import (
    Hypothesis,
    JobState,
    MeetingStatus,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import ConfigurationError, RefusedError, ThrottledError
from speech_adapters.meetings import MeetingService

SECOND = b"\x01\x00" * 16_000
FIRST, SECOND_UTTERANCE = said("One.", 0.5, 1.5, 1), said("Two.", 2.0, 3.0, 0)
EVENTS: list[SessionEvent] = [
    SpeechStarted(FIRST.offset),
    Hypothesis(FIRST),
    Recognized(FIRST),
    Recognized(attrs.evolve(FIRST, speaker=0), correction=True),
    Recognized(SECOND_UTTERANCE),
    SpeechEnded(SECOND_UTTERANCE.end),
]
Make = Callable[..., Settings]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that returns settings for a script with further options."""
    install(monkeypatch)

    def settings(events: list[SessionEvent] = EVENTS, **options: str) -> Settings:
        script = write_script(tmp_path / "script.jsonl", events)
        named = {f"backends.replay.{name}": value for name, value in options.items()}
        return load_settings(
            {
                "backend": "replay",
                "state_dir": str(tmp_path / "state"),
                "backends.replay.script": script,
                **named,
            }
        )

    return settings


async def play(
    meetings: MeetingService, seconds: int = 4, mode: Mode = Mode.LIVE, **asked: Any
) -> list[SessionEvent]:
    async with await meetings.open_session(MeetingRequest("m", mode=mode, **asked)) as session:
        await session.push(SECOND * seconds)
        await session.finish()
        return [event async for event in session.events()]


def test_events_come_with_their_audio(make: Make) -> None:
    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m")) as session:
            events = session.events()
            await session.push(SECOND)
            assert await anext(events) == EVENTS[0]
            waiting = anyio.Event()
            got: list[SessionEvent] = []

            async def read() -> None:
                waiting.set()
                got.append(await anext(events))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await waiting.wait()
                await anyio.wait_all_tasks_blocked()
                # The hypothesis ends at 1.5 s, and there is one second of audio.
                assert got == []
                await session.push(SECOND)
            assert got == [EVENTS[1]]
            await session.push(SECOND * 2)
            await session.finish()
            assert [event async for event in events] == EVENTS[2:]

    run(make(), work)


def test_the_transcript_has_the_corrected_speakers(make: Make) -> None:
    async def work(meetings: MeetingService) -> Transcript:
        await play(meetings, mode=Mode.BOTH, notes=("The file is truncated.",))
        assert not any(meetings.settings.state_dir.rglob("*.pcm"))
        return await meetings.transcript("m")

    transcript = run(make(), work)
    assert transcript.provenance.notes == ("The file is truncated.",)
    assert [(u.text, u.speaker) for u in transcript.utterances] == [("One.", 0), ("Two.", 0)]
    assert transcript.duration == 40_000_000
    assert transcript.provenance.version == "local 7"
    assert "replayed" in transcript.provenance.emulated[0]


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.STORED])
def test_a_program_without_diarization_receives_no_speakers(make: Make, mode: Mode) -> None:
    async def work(meetings: MeetingService) -> set[int | None]:
        events = await play(meetings, mode=mode, differentiate_speakers=False)
        if mode is Mode.STORED:
            return {u.speaker for u in (await meetings.transcript("m")).utterances}
        return {e.utterance.speaker for e in events if isinstance(e, Recognized | Hypothesis)}

    assert run(make(), work) == {None}


def test_a_script_that_is_longer_than_the_audio(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    third: SessionEvent = Recognized(said("Three.", 2.9, 3.0))
    script = [*EVENTS[:5], third, EVENTS[5]]

    async def work(meetings: MeetingService) -> list[SessionEvent]:
        return await play(meetings, seconds=1)

    with caplog.at_level(logging.WARNING):
        events = run(make(script), work)
    assert events == [*EVENTS[:4], SpeechEnded(10_000_000)]
    assert caplog.text.count("left out") == 1
    assert "1.0 s" in caplog.text
    caplog.clear()
    assert run(make(script, whole="true"), work) == script
    assert "left out" not in caplog.text


@pytest.mark.parametrize(
    ("whole", "texts"), [("false", ["One."]), ("true", ["One.", "Two."])], ids=["cut", "whole"]
)
def test_a_stored_transcript_ends_with_the_audio(make: Make, whole: str, texts: list[str]) -> None:
    async def work(meetings: MeetingService) -> Transcript:
        await play(meetings, seconds=1, mode=Mode.STORED)
        return await meetings.transcript("m")

    assert [u.text for u in run(make(whole=whole), work).utterances] == texts


@pytest.mark.parametrize("after", [0, 2, 6, 99])
def test_an_error_after_some_events(make: Make, after: int) -> None:
    got: list[SessionEvent] = []

    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m")) as session:
            await session.push(SECOND * 4)
            await session.finish()
            async for event in session.events():
                got.append(event)

    with pytest.raises(ThrottledError):
        run(make(fault="ThrottledError", fault_after=str(after)), work)
    assert got == EVENTS[:after]


@pytest.mark.parametrize(
    ("options", "sent"),
    [({"fault": "hang"}, 6), ({"delay_seconds": "1000"}, 0)],
    ids=["hangs", "is slow"],
)
def test_closing_ends_a_meeting_that(make: Make, options: dict[str, str], sent: int) -> None:
    got: list[SessionEvent] = []

    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m")) as session:
            await session.push(SECOND * 4)
            await session.finish()

            async def read() -> None:
                async for event in session.events():
                    got.append(event)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                assert got == EVENTS[:sent]
                await session.aclose()

    run(make(**options), work)
    assert got == EVENTS[:sent]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("RefusedError", JobState.FAILED),
        ("ThrottledError", JobState.PROCESSING),
        ("hang", JobState.PROCESSING),
    ],
)
def test_faults_of_stored_meetings(make: Make, fault: str, state: JobState) -> None:
    async def work(meetings: MeetingService) -> MeetingStatus:
        await play(meetings, mode=Mode.STORED)
        try:
            return await meetings.status("m")
        except ThrottledError:
            # What may pass is raised by the query, and the meeting goes on.
            (recording,) = await meetings.recordings()
            return recording.status()

    status = run(make(fault=fault), work)
    assert status.state is state
    assert ("backends.replay.fault" in status.reason) == (state is JobState.FAILED)


def test_a_fault_at_the_end_waits_for_the_end_of_the_audio(make: Make) -> None:
    got: list[SessionEvent | str] = []

    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m")) as session:

            async def read() -> None:
                try:
                    async for event in session.events():
                        got.append(event)
                except ThrottledError:
                    got.append("error")

            await session.push(SECOND * 4)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                assert got == EVENTS
                await session.finish()

    run(make(fault="ThrottledError"), work)
    assert got == [*EVENTS, "error"]


def test_the_transcript_is_stored_with_the_last_event(make: Make) -> None:
    async def work(meetings: MeetingService) -> JobState:
        await play(meetings, mode=Mode.BOTH)
        (recording,) = await meetings.recordings()
        return recording.state

    # At this pace, a recording that is processed afterwards takes longer.
    assert run(make(pace="100"), work) is JobState.COMPLETED


def test_a_session_whose_events_were_not_read_is_processed(make: Make) -> None:
    async def work(meetings: MeetingService) -> JobState:
        async with await meetings.open_session(MeetingRequest("m", mode=Mode.BOTH)) as session:
            await session.push(SECOND * 4)
        (recording,) = await meetings.recordings()
        return recording.state

    assert run(make(), work) is JobState.COMPLETED


def test_a_live_fault_leaves_the_stored_meeting_failed(make: Make) -> None:
    async def work(meetings: MeetingService) -> MeetingStatus:
        with pytest.raises(RefusedError):
            await play(meetings, mode=Mode.BOTH)
        return await meetings.status("m")

    assert run(make(fault="RefusedError"), work).state is JobState.FAILED


class Clock:
    """Time that goes on only when a session waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        fake = SimpleNamespace(monotonic=lambda: self.now, time=lambda: self.now)
        monkeypatch.setattr(session_module, "time", fake)
        monkeypatch.setattr(backend_module, "time", fake)

    async def pause(self, wait: float) -> None:
        self.now += wait


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pace": "1"}, [0.5, 1.5, 1.5, 1.5, 3.0, 3.0]),
        ({"pace": "2"}, [0.25, 0.75, 0.75, 0.75, 1.5, 1.5]),
        ({"delay_seconds": "1"}, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ({}, [0.0] * 6),
    ],
    ids=["audio", "double", "slow", "immediately"],
)
def test_the_time_of_the_events(
    make: Make, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], expected: list[float]
) -> None:
    async def work(meetings: MeetingService) -> list[float]:
        async with await meetings.open_session(MeetingRequest("m")) as session:
            clock = Clock(monkeypatch)
            monkeypatch.setattr(session, "_pause", clock.pause)
            await session.push(SECOND * 4)
            await session.finish()
            return [clock.now - 1_000.0 async for _ in session.events()]

    assert run(make(**options), work) == expected


def test_a_stored_meeting_is_processed_at_the_pace(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(meetings: MeetingService) -> list[JobState]:
        clock = Clock(monkeypatch)
        await play(meetings, mode=Mode.STORED)
        states = []
        for seconds in (0.0, 1.9, 0.2):
            clock.now += seconds
            states.append((await meetings.status("m")).state)
        return states

    assert run(make(pace="2"), work) == [
        JobState.PROCESSING,
        JobState.PROCESSING,
        JobState.COMPLETED,
    ]


def test_a_wrong_script_is_an_error_before_the_meeting(make: Make, tmp_path: Path) -> None:
    settings = make()
    (tmp_path / "script.jsonl").write_text("{}")

    async def work(meetings: MeetingService) -> None:
        await play(meetings)

    with pytest.raises(ConfigurationError, match=r"script\.jsonl, line 1"):
        run(settings, work)


@pytest.mark.parametrize("named", [False, True])
def test_names_are_a_capability_of_the_script(make: Make, named: bool) -> None:
    spoken = attrs.evolve(FIRST, participant="katie@example.com" if named else None)

    async def work(meetings: MeetingService) -> bool:
        return meetings.backend().capabilities.identification

    assert run(make([Recognized(spoken)]), work) is named
