"""Meetings of the realtime backend over the real Speech SDK."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from double.recognition import (
    SECOND,
    Configure,
    Play,
    audio,
    fetch,
    lines,
    run,
    texts,
)
from double.service import KEY, ServiceDouble, running
from speech_adapters.config import Settings
from speech_adapters.contract import (
    JobState,
    MeetingRequest,
    Mode,
    Recognized,
)
from speech_adapters.errors import (
    AuthenticationError,
    StoreError,
    UnreachableError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_adapters.transcript import Transcript
from speech_compat.testing.loopback import (
    Script,
)


def test_a_token_that_is_not_renewed_ends_the_meeting_and_loses_nothing(
    play: Play, configure: Configure
) -> None:
    """Its utterances are kept; the rest is recognized when a program has a valid token."""
    service, url = play(
        Script(
            lines(6), tokens=frozenset({"first", "good"}), cuts=((3 * SECOND, 1011),), clock=True
        )
    )
    given = configure(url, key="")
    received: list[str] = []

    async def listen(events: Any) -> None:
        async for event in events:
            received.extend(texts([event]))

    async def record(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.BOTH))
        try:
            await session.push(audio(0, 2))
            await anyio.sleep(1)
            service.script = Script(lines(6), tokens=frozenset({"good"}), clock=True)
            await session.push(audio(2, 4))
            await session.finish()
            with pytest.raises(AuthenticationError):
                await listen(session.events())
        finally:
            await session.aclose()

    async def later(meetings: MeetingService) -> Transcript:
        await meetings.resume("m")
        return await fetch(meetings)

    def with_token(token: str) -> Settings:
        service = given.service.model_copy(update={"token": lambda: token})
        return given.model_copy(update={"service": service})

    run(with_token("first"), record)
    assert 2 <= len(received) < 6
    with Store.open(given.state_dir) as store:
        deadline = time.monotonic() + 60
        while (recording := store.newest("m")).state is not JobState.FAILED:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "Check key, token, region and roles" in recording.reason
    transcript = run(with_token("good"), later)
    assert [u.text for u in transcript.utterances] == [f"line {n}" for n in range(6)]


@pytest.mark.parametrize("final", ["realtime", "fast", "batch"])
def test_a_meeting_that_was_cut_off_is_completed_by_the_backend_final(
    play: Play, configure: Configure, final: str, request: pytest.FixtureRequest
) -> None:
    service, url = play(Script(lines(8), clock=True))
    double = ServiceDouble()
    with running(double):
        given = configure(url, final=final)
        rest = {"endpoint": double.url, "key": KEY}
        others: dict[str, dict[str, Any]] = {"fast": rest, "batch": {**rest, "poll_seconds": 0}}
        if final == "batch":
            storage = request.getfixturevalue("storage")
            others["batch"]["storage_connection_string"] = storage
        settings = given.model_copy(update={"backends": {**given.backends, **others}})

        async def cut_off(meetings: MeetingService) -> list[str]:
            session = await meetings.open_session(MeetingRequest("m", mode=Mode.BOTH))
            await session.push(audio(0, 4))
            events = session.events()
            received = [await anext(events) for _ in range(4)]
            await session.push(audio(4, 4))
            await session.aclose()
            return texts(received)

        received = run(settings, cut_off)
        assert received[0] == "line 0"

        transcript = run(settings, fetch)
    assert transcript.provenance.backend == final
    if final == "realtime":
        assert [u.text for u in transcript.utterances] == [f"line {n}" for n in range(8)]
        assert [u.offset for u in transcript.utterances] == [n * SECOND for n in range(8)]
        assert service.turn_starts[-1] > 0, "what was recognized before is not sent again"
    else:
        assert [u.text for u in transcript.utterances] == ["A double heard 8.000 seconds."]
        assert double.transcribed_seconds == 8.0


def test_a_meeting_that_is_recognized_live_starts_no_worker(
    play: Play, configure: Configure
) -> None:
    """Its program still works on it, though the audio has ended."""
    service, url = play(Script(lines(2), stall=SECOND, clock=True))
    settings = configure(url)

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.BOTH))
        await session.push(audio(0, 2))
        await session.finish()
        for _ in range(20):
            assert (await meetings.status("m")).state is JobState.PROCESSING
            await anyio.sleep(0.1)
        assert len(service.connections) == 1
        await session.aclose()
        transcript = await fetch(meetings)
        assert [u.text for u in transcript.utterances] == ["line 0", "line 1"]

    run(settings, work)


def test_nothing_is_left_of_a_meeting_that_was_deleted(play: Play, configure: Configure) -> None:
    _, url = play(Script(lines(2), refuse=503))
    settings = configure(url, attempts="1")

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.BOTH))
        await session.push(bytes(32_000))
        await session.finish()
        await session.aclose()
        with anyio.fail_after(30):
            while not (await meetings.status("m")).state.final:
                await anyio.sleep(0.05)
        await meetings.delete("m")

    run(settings, work)
    with Store.open(settings.state_dir) as store:
        assert store.newest("m").state is JobState.DELETED
    assert [path.name for path in (settings.state_dir / "audio").iterdir()] == []


def test_an_utterance_that_cannot_be_stored_is_an_error(play: Play, configure: Configure) -> None:
    _, url = play(Script(lines(2)))
    settings = configure(url)

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.BOTH))
        with Store.open(settings.state_dir) as store:
            store.newest("m").audio_path.with_suffix(".said").mkdir()
        try:
            await session.push(audio(0, 2))
            await session.finish()
            with pytest.raises(StoreError, match="What was said cannot be written"):
                await anext(e async for e in session.events() if isinstance(e, Recognized))
        finally:
            await session.aclose()

    run(settings, work)


def test_the_audio_of_a_live_meeting_is_removed(
    play: Play, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    _, url = play(Script(lines(2)))

    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m")) as session:
            await session.push(audio(0, 2))
            assert [path.name for path in folder.glob("*/*.pcm")] == ["meeting.pcm"]

    run(configure(url), work)
    assert list(folder.iterdir()) == []


def test_a_live_meeting_uses_the_programs_proxy(configure: Configure, play: Play) -> None:
    """The store keeps no proxy, so the live connection must not depend on it."""
    request = MeetingRequest(
        "m", mode=Mode.BOTH, settings={"proxy": "http://127.0.0.1:9"}, language="de-DE"
    )

    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(request) as session:
            await session.push(audio(0, 1))
            await session.finish()
            with pytest.raises(UnreachableError):
                _ = [event async for event in session.events()]

    _, url = play(Script(lines(1)))
    run(configure(url, attempts="1"), work)
