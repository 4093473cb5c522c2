"""What every backend must do; each backend's tests derive from :class:`BackendConformance`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from speech_adapters import Backend, JobState, MeetingRequest, Mode, Session, Transcript
from speech_adapters.audio import PcmFormat, WavFile
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Hypothesis,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import (
    AudioError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
)
from speech_adapters.registry import create_backend

__all__ = ["BackendConformance", "DoubleConformance"]

T = TypeVar("T")
PATIENCE = 120.0
BLOCK_FRAMES = 4_000
AWKWARD = 'it\'s "quoted"/..\\slashed 🎉 ' + "x" * 300


class BackendConformance:
    """Derive, and give the fixtures ``settings``, ``speech`` and ``said``."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Settings that name the backend and a state folder of the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def speech(self) -> Path:
        """Give a short recording."""
        raise NotImplementedError

    @pytest.fixture
    def said(self) -> str:
        """Give a word that is said in it."""
        raise NotImplementedError

    @pytest.fixture
    def use(self, settings: Settings) -> Callable[..., Any]:
        """Run a coroutine function with a fresh backend, which is closed afterwards."""

        def run(work: Callable[[Backend], Awaitable[T]]) -> T:
            async def closing() -> T:
                backend = create_backend(settings)
                try:
                    return await work(backend)
                finally:
                    await backend.aclose()
                    await backend.aclose()

            return anyio.run(closing)

        return run

    def test_it_tells_what_it_is(self, settings: Settings) -> None:
        backend = create_backend(settings)
        assert backend.name == settings.backend
        assert backend.provenance.backend == backend.name
        assert backend.capabilities.live or backend.capabilities.stored

    def test_a_live_meeting_gives_events_in_order(
        self, use: Callable[..., Any], speech: Path, said: str
    ) -> None:
        events = use(lambda backend: _record(backend, speech, Mode.LIVE))
        kinds = [type(event) for event in events if isinstance(event, SpeechStarted | SpeechEnded)]
        assert kinds == [SpeechStarted, SpeechEnded]
        final = [e.utterance for e in events if isinstance(e, Recognized) and not e.correction]
        assert said in " ".join(utterance.text for utterance in final)
        assert [u.offset for u in final] == sorted(u.offset for u in final)
        assert len({u.id for u in final}) == len(final)
        guesses = {e.utterance.id for e in events if isinstance(e, Hypothesis)}
        assert guesses & {u.id for u in final}

    def test_a_live_meeting_leaves_nothing_behind(
        self, use: Callable[..., Any], settings: Settings, speech: Path
    ) -> None:
        use(lambda backend: _record(backend, speech, Mode.LIVE))
        assert not settings.state_dir.exists() or not any(settings.state_dir.rglob("*.pcm"))

    @pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
    def test_a_stored_meeting_is_there_by_its_id_for_another_backend_object(
        self, use: Callable[..., Any], speech: Path, said: str, mode: Mode
    ) -> None:
        events = use(lambda backend: _record(backend, speech, mode, AWKWARD))
        transcript: Transcript = use(lambda backend: _fetch(backend, AWKWARD))
        assert transcript.meeting_id == AWKWARD
        assert said in " ".join(utterance.text for utterance in transcript.utterances)
        with WavFile(speech) as file:
            assert file.duration is not None
            assert abs(transcript.duration - file.duration) < 10_000  # services give milliseconds
        assert transcript.provenance.version
        latest = {e.utterance.id: e.utterance for e in events if isinstance(e, Recognized)}
        assert tuple(latest.values()) == (() if mode is Mode.STORED else transcript.utterances)

    def test_silence_is_an_empty_transcript(self, use: Callable[..., Any]) -> None:
        async def work(backend: Backend) -> Transcript:
            session = await _open(backend, Mode.STORED)
            await session.push(bytes(32_000))
            await _close(session)
            return await _fetch(backend)

        assert use(work).utterances == ()

    def test_no_audio_is_an_error_with_a_reason(self, use: Callable[..., Any]) -> None:
        async def live(backend: Backend) -> None:
            session = await _open(backend, Mode.LIVE)
            await session.finish()
            try:
                with pytest.raises(AudioError, match="no audio"):
                    [event async for event in session.events()]
            finally:
                await session.aclose()

        async def stored(backend: Backend) -> None:
            await _close(await _open(backend, Mode.STORED))
            status = await backend.status("meeting")
            assert status.state is JobState.FAILED
            assert "no audio" in status.reason
            with pytest.raises(MeetingFailedError, match="no audio"):
                await backend.transcript("meeting")

        use(stored)
        use(live)

    def test_closing_early_keeps_what_was_recorded(
        self, use: Callable[..., Any], speech: Path, said: str
    ) -> None:
        async def work(backend: Backend) -> Transcript:
            with WavFile(speech) as file:
                session = await _open(backend, Mode.STORED, audio=file.pcm)
                await session.push(file.read(1_000_000))
            await session.aclose()
            return await _fetch(backend)

        assert said in " ".join(utterance.text for utterance in use(work).utterances)

    def test_ends_are_idempotent_and_final(self, use: Callable[..., Any]) -> None:
        async def work(backend: Backend) -> None:
            session = await _open(backend, Mode.STORED)
            await session.push(bytes(3_200))
            await session.finish()
            await session.finish()
            with pytest.raises(SpeechError):
                await session.push(bytes(3_200))
            assert [event async for event in session.events()] == []
            await session.aclose()
            await session.aclose()
            await backend.delete("meeting")

        use(work)

    def test_one_meeting_is_recorded_by_one_session_at_a_time(
        self, use: Callable[..., Any]
    ) -> None:
        async def work(backend: Backend) -> None:
            session = await _open(backend, Mode.STORED)
            await session.push(bytes(3_200))
            assert (await backend.status("meeting")).state is JobState.UPLOADING
            for attempt in (_open(backend, Mode.STORED), backend.delete("meeting")):
                with pytest.raises(MeetingBusyError):
                    await attempt
            with pytest.raises(MeetingBusyError):
                await backend.transcript("meeting")
            await _close(session)
            await backend.delete("meeting")

        use(work)

    def test_an_unknown_meeting_is_said_to_be_unknown(self, use: Callable[..., Any]) -> None:
        async def work(backend: Backend) -> None:
            for question in (backend.status, backend.transcript, backend.delete):
                with pytest.raises(MeetingNotFoundError, match="nobody"):
                    await question("nobody")

        use(work)

    def test_a_deleted_meeting_is_gone_but_known(
        self, use: Callable[..., Any], settings: Settings, speech: Path
    ) -> None:
        async def work(backend: Backend) -> None:
            await _record(backend, speech, Mode.STORED)
            await _fetch(backend)
            await backend.delete("meeting")
            assert (await backend.status("meeting")).state is JobState.DELETED
            for question in (backend.transcript, backend.delete):
                with pytest.raises(MeetingNotFoundError, match="deleted"):
                    await question("meeting")

        use(work)
        assert not any(settings.state_dir.rglob("*.pcm"))

    def test_only_what_failed_and_can_be_tried_again_is_resumed(
        self, use: Callable[..., Any], speech: Path
    ) -> None:
        async def work(backend: Backend) -> None:
            with pytest.raises(MeetingNotFoundError):
                await backend.resume("nobody")
            await _close(await _open(backend, Mode.STORED, "empty"))
            with pytest.raises(MeetingFailedError, match="no audio"):
                await backend.resume("empty")
            await _record(backend, speech, Mode.STORED)
            await _fetch(backend)
            assert (await backend.resume("meeting")).state is JobState.COMPLETED

        use(work)

    def test_a_meeting_id_used_again_speaks_of_the_newest(
        self, use: Callable[..., Any], speech: Path, said: str
    ) -> None:
        async def work(backend: Backend) -> Transcript:
            session = await _open(backend, Mode.STORED)
            await session.push(bytes(32_000))
            await _close(session)
            await _record(backend, speech, Mode.STORED)
            return await _fetch(backend)

        assert said in " ".join(utterance.text for utterance in use(work).utterances)


class DoubleConformance(BackendConformance):
    """For backends on a double of their service, which says how much it heard."""

    @pytest.fixture
    def speech(self, shipped_recordings: Path) -> Path:
        return shipped_recordings / "clone-test.wav"

    @pytest.fixture
    def said(self) -> str:
        return "double"


async def _open(
    backend: Backend, mode: Mode, meeting_id: str = "meeting", audio: PcmFormat | None = None
) -> Session:
    can = backend.capabilities
    if (mode.live and not can.live) or (mode.stored and not can.stored):
        pytest.skip(f"backend {backend.name!r} has no mode {mode.value!r}")
    request = MeetingRequest(meeting_id, audio=audio or PcmFormat(), mode=mode)
    return await backend.open_session(request)


async def _close(session: Session) -> None:
    await session.finish()
    await session.aclose()


async def _record(
    backend: Backend, speech: Path, mode: Mode, meeting_id: str = "meeting"
) -> list[SessionEvent]:
    with WavFile(speech) as file:
        session = await _open(backend, mode, meeting_id, file.pcm)
        try:
            while block := file.read(BLOCK_FRAMES):
                await session.push(block)
            await session.finish()
            return [event async for event in session.events()]
        finally:
            await session.aclose()


async def _fetch(backend: Backend, meeting_id: str = "meeting") -> Transcript:
    deadline = time.monotonic() + PATIENCE
    while not (await backend.status(meeting_id)).state.final:
        assert time.monotonic() < deadline, "the meeting was never finished"
        await anyio.sleep(0.1)
    return await backend.transcript(meeting_id)
