from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from double.clock_backend import ClockBackend
from double.meetings import fetch, run
from double.replay import install
from speech_adapters import MeetingRequest, Mode, Transcript
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import ConfigurationError, StoreError
from speech_adapters.meetings import MeetingService
from speech_adapters.replay_script import load_script
from speech_compat.testing.loopback import clock_audio


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.jsonl"


def settings(script: Path, record: str = "clock") -> Settings:
    return load_settings(
        {
            "backend": "replay",
            "state_dir": str(script.parent / "state"),
            "backends.replay.script": str(script),
            "backends.replay.record": record,
        }
    )


async def hold(meetings: MeetingService, mode: Mode = Mode.LIVE) -> list[SessionEvent]:
    async with await meetings.open_session(MeetingRequest("m", mode=mode)) as session:
        await session.push(clock_audio(0, 40))
        await session.finish()
        return [event async for event in session.events()]


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.BOTH])
def test_the_script_plays_what_was_recorded(script: Path, mode: Mode) -> None:
    events = run(settings(script), lambda meetings: hold(meetings, mode))
    assert len(events) == 6
    assert load_script(script).events == tuple(events)
    assert load_script(script).source.backend == "clock"
    assert script.stat().st_mode & 0o077 == 0
    assert run(settings(script, ""), hold) == events


@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
def test_a_stored_meeting_belongs_to_the_other_backend(script: Path, mode: Mode) -> None:
    async def work(meetings: MeetingService) -> Transcript:
        await hold(meetings, mode)
        (recording,) = await meetings.recordings()
        assert recording.backend == "clock"
        return await fetch(meetings)

    transcript = run(settings(script), work)
    assert [u.text for u in transcript.utterances] == ["0-19", "20-39"]
    assert transcript.provenance.backend == "clock"
    assert script.exists() == (mode is Mode.BOTH)


def test_a_meeting_that_ends_early_writes_nothing(script: Path) -> None:
    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m")) as session:
            await session.push(clock_audio(0, 40))
            async for _ in session.events():
                break

    run(settings(script), work)
    assert not script.exists()


@pytest.mark.parametrize("record", ["replay", "fast"])
def test_a_backend_without_live_events(script: Path, record: str) -> None:
    named = settings(script, record)
    options = {"fast": {"endpoint": "http://127.0.0.1:9", "key": "x"}}
    named = named.model_copy(update={"backends": {**named.backends, **options}})
    with pytest.raises(ConfigurationError, match=r"backends\.replay\.record"):
        run(named, hold)


def test_a_script_that_cannot_be_written(script: Path) -> None:
    with pytest.raises(StoreError, match=r"backends\.replay\.script"):
        run(settings(script.parent / "missing" / "x.jsonl"), hold)


def test_what_the_other_backend_refuses(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: ClockBackend, request: MeetingRequest) -> None:
        raise ConfigurationError(f"Not {request.meeting_id}.")

    monkeypatch.setattr(ClockBackend, "check", refuse)
    with pytest.raises(ConfigurationError, match="Not m"):
        run(settings(script), lambda meetings: hold(meetings, Mode.BOTH))


def test_it_can_do_what_the_other_backend_can(script: Path) -> None:
    async def work(meetings: MeetingService) -> None:
        recorder, other = meetings.backend(), meetings.backend("clock")
        assert recorder.capabilities == other.capabilities
        assert recorder.provenance.version == "clock 1"
        assert attrs.asdict(recorder.provenance)["backend"] == "replay"

    run(settings(script), work)
