"""Tests of the contract, for every backend: their classes derive from the ones here."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from double.encoded import encode
from speech_adapters import JobState, MeetingRequest, Mode, Session, Transcript
from speech_adapters.audio import PcmFormat, WavFile, open_audio
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
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.store import Store

__all__ = ["BackendConformance", "DoubleConformance", "fetch"]

T = TypeVar("T")
PATIENCE = 120.0
BLOCK_FRAMES = 4_000
AWKWARD = 'it\'s "quoted"/..\\slashed 🎉 ' + "x" * 300


class BackendConformance:
    """The contract's tests; a subclass overrides ``settings``, ``speech`` and ``word``."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return settings that name the backend and a state folder of the test."""
        raise NotImplementedError

    @pytest.fixture
    def speech(self) -> Path:
        """Return the path of a short recording."""
        raise NotImplementedError

    @pytest.fixture
    def word(self) -> str:
        """Return a word of its transcript."""
        raise NotImplementedError

    @pytest.fixture
    def use(self, settings: Settings) -> Callable[..., Any]:
        """Return a runner of coroutine functions with a new service, which it closes afterwards.

        Its keywords replace settings.
        """

        def run(work: Callable[[MeetingService], Awaitable[T]], **replaced: Any) -> T:
            async def closing() -> T:
                meetings = MeetingService(settings.model_copy(update=replaced))
                try:
                    return await work(meetings)
                finally:
                    await meetings.aclose()
                    await meetings.aclose()

            return anyio.run(closing)

        return run

    def test_it_describes_itself(self, use: Callable[..., Any], settings: Settings) -> None:
        async def work(meetings: MeetingService) -> None:
            backend = meetings.backend()
            assert backend.name == settings.backend
            assert backend.provenance.backend == backend.name
            assert backend.capabilities.live or backend.capabilities.stored

        use(work)

    def test_a_live_meeting_emits_events_in_order(
        self, use: Callable[..., Any], speech: Path, word: str
    ) -> None:
        events = use(lambda meetings: _record(meetings, speech, Mode.LIVE))
        kinds = [type(event) for event in events if isinstance(event, SpeechStarted | SpeechEnded)]
        assert kinds == [SpeechStarted, SpeechEnded]
        final = [e.utterance for e in events if isinstance(e, Recognized) and not e.correction]
        assert word in " ".join(utterance.text for utterance in final)
        assert [u.offset for u in final] == sorted(u.offset for u in final)
        assert len({u.id for u in final}) == len(final)
        hypotheses = {e.utterance.id for e in events if isinstance(e, Hypothesis)}
        assert hypotheses & {u.id for u in final}

    def test_a_live_meeting_leaves_nothing_behind(
        self, use: Callable[..., Any], settings: Settings, speech: Path
    ) -> None:
        use(lambda meetings: _record(meetings, speech, Mode.LIVE))
        assert not settings.state_dir.exists() or not any(settings.state_dir.rglob("*.pcm"))

    @pytest.mark.parametrize("suffix", ["flac", "m4a"])
    def test_a_compressed_file_has_the_transcript_of_its_samples(
        self, use: Callable[..., Any], speech: Path, tmp_path: Path, suffix: str
    ) -> None:
        """The first is a kind that services accept as it is, the second is always decoded."""
        with WavFile(speech) as file:
            pcm, audio = file.read(10**9), file.pcm
        compressed = tmp_path / "a"
        codec = "flac" if suffix == "flac" else "alac"
        compressed.write_bytes(encode(pcm, suffix, audio.sample_rate, audio.channels, codec=codec))
        use(lambda meetings: _record(meetings, speech, Mode.STORED, "samples"))
        use(lambda meetings: _record(meetings, compressed, Mode.STORED, "compressed"))
        samples: Transcript = use(lambda meetings: fetch(meetings, "samples"))
        found: Transcript = use(lambda meetings: fetch(meetings, "compressed"))
        assert samples.utterances
        assert [u.text for u in found.utterances] == [u.text for u in samples.utterances]
        assert found.duration == samples.duration

    @pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
    def test_another_service_fetches_a_stored_meeting_by_its_id(
        self, use: Callable[..., Any], speech: Path, word: str, mode: Mode
    ) -> None:
        events = use(lambda meetings: _record(meetings, speech, mode, AWKWARD))
        transcript: Transcript = use(lambda meetings: fetch(meetings, AWKWARD))
        assert transcript.meeting_id == AWKWARD
        assert word in " ".join(utterance.text for utterance in transcript.utterances)
        with WavFile(speech) as file:
            assert file.duration is not None
            assert abs(transcript.duration - file.duration) < 10_000  # services return milliseconds
        assert transcript.provenance.version
        latest = {e.utterance.id: e.utterance for e in events if isinstance(e, Recognized)}
        assert tuple(latest.values()) == (() if mode is Mode.STORED else transcript.utterances)

    def test_silence_is_an_empty_transcript(self, use: Callable[..., Any]) -> None:
        async def work(meetings: MeetingService) -> Transcript:
            session = await _open(meetings, Mode.STORED)
            await session.push(bytes(32_000))
            await _close(session)
            return await fetch(meetings)

        assert use(work).utterances == ()

    def test_no_audio_is_an_error_with_a_reason(self, use: Callable[..., Any]) -> None:
        async def live(meetings: MeetingService) -> None:
            session = await _open(meetings, Mode.LIVE)
            await session.finish()
            try:
                with pytest.raises(AudioError, match="no audio"):
                    [event async for event in session.events()]
            finally:
                await session.aclose()

        async def stored(meetings: MeetingService) -> None:
            await _close(await _open(meetings, Mode.STORED))
            status = await meetings.status("meeting")
            assert status.state is JobState.FAILED
            assert "no audio" in status.reason
            with pytest.raises(MeetingFailedError, match="no audio"):
                await meetings.transcript("meeting")

        use(stored)
        use(live)

    def test_closing_early_keeps_the_recorded_audio(
        self, use: Callable[..., Any], speech: Path, word: str
    ) -> None:
        async def work(meetings: MeetingService) -> Transcript:
            with WavFile(speech) as file:
                session = await _open(meetings, Mode.STORED, audio=file.pcm)
                await session.push(file.read(1_000_000))
            await session.aclose()
            return await fetch(meetings)

        assert word in " ".join(utterance.text for utterance in use(work).utterances)

    def test_finish_and_aclose_are_idempotent_and_final(self, use: Callable[..., Any]) -> None:
        async def work(meetings: MeetingService) -> None:
            session = await _open(meetings, Mode.STORED)
            await session.push(bytes(3_200))
            await session.finish()
            await session.finish()
            with pytest.raises(SpeechError):
                await session.push(bytes(3_200))
            assert [event async for event in session.events()] == []
            await session.aclose()
            await session.aclose()
            await meetings.delete("meeting")

        use(work)

    def test_one_meeting_is_recorded_by_one_session_at_a_time(
        self, use: Callable[..., Any]
    ) -> None:
        async def work(meetings: MeetingService) -> None:
            session = await _open(meetings, Mode.STORED)
            await session.push(bytes(3_200))
            assert (await meetings.status("meeting")).state is JobState.UPLOADING
            for attempt in (_open(meetings, Mode.STORED), meetings.delete("meeting")):
                with pytest.raises(MeetingBusyError):
                    await attempt
            with pytest.raises(MeetingBusyError):
                await meetings.transcript("meeting")
            await _close(session)
            await meetings.delete("meeting")

        use(work)

    def test_an_unknown_meeting_is_not_found(self, use: Callable[..., Any]) -> None:
        async def work(meetings: MeetingService) -> None:
            for method in (meetings.status, meetings.transcript, meetings.delete):
                with pytest.raises(MeetingNotFoundError, match="unknown"):
                    await method("unknown")

        use(work)

    def test_a_deleted_meeting_has_a_status_but_no_transcript(
        self, use: Callable[..., Any], settings: Settings, speech: Path
    ) -> None:
        async def work(meetings: MeetingService) -> None:
            await _record(meetings, speech, Mode.STORED)
            await fetch(meetings)
            await meetings.delete("meeting")
            assert (await meetings.status("meeting")).state is JobState.DELETED
            for method in (meetings.transcript, meetings.delete):
                with pytest.raises(MeetingNotFoundError, match="deleted"):
                    await method("meeting")

        use(work)
        assert not any(settings.state_dir.rglob("*.pcm"))

    def test_only_a_failed_meeting_with_audio_is_resumed(
        self, use: Callable[..., Any], speech: Path
    ) -> None:
        async def work(meetings: MeetingService) -> None:
            with pytest.raises(MeetingNotFoundError):
                await meetings.resume("unknown")
            await _close(await _open(meetings, Mode.STORED, "empty"))
            with pytest.raises(MeetingFailedError, match="no audio"):
                await meetings.resume("empty")
            await _record(meetings, speech, Mode.STORED)
            await fetch(meetings)
            assert (await meetings.resume("meeting")).state is JobState.COMPLETED

        use(work)

    def test_a_repeated_meeting_id_means_the_newest_recording(
        self, use: Callable[..., Any], speech: Path, word: str
    ) -> None:
        async def work(meetings: MeetingService) -> Transcript:
            session = await _open(meetings, Mode.STORED)
            await session.push(bytes(32_000))
            await _close(session)
            await _record(meetings, speech, Mode.STORED)
            return await fetch(meetings)

        assert word in " ".join(utterance.text for utterance in use(work).utterances)

    @pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
    def test_audio_that_is_to_be_kept_stays_until_the_deletion(
        self, use: Callable[..., Any], settings: Settings, speech: Path, mode: Mode
    ) -> None:
        async def read(meetings: MeetingService) -> tuple[PcmFormat, int, bytes]:
            await meetings.recordings()  # removes leftovers
            kept = await meetings.audio("meeting")
            return kept.format, kept.size, kept.path.read_bytes()

        async def work(meetings: MeetingService) -> tuple[PcmFormat, int, bytes]:
            if not isinstance(meetings.backend(), RecordingBackend):
                pytest.skip("the recordings of this backend are at its service")
            await _record(meetings, speech, mode)
            await fetch(meetings)
            return await read(meetings)

        async def delete(meetings: MeetingService) -> None:
            await meetings.delete("meeting")
            with pytest.raises(MeetingNotFoundError, match="audio"):
                await meetings.audio("meeting")

        found = use(work, keep_audio=True)
        with WavFile(speech) as file:
            audio = file.read(100_000_000)
            assert found == (file.pcm, len(audio), audio)
        # Of another process, whose own meetings have no audio kept.
        assert use(read) == found
        use(delete)
        assert not any(settings.state_dir.rglob("*.pcm"))

    @pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
    def test_a_meeting_of_a_dead_program_is_taken_over(
        self, use: Callable[..., Any], speech: Path, word: str, mode: Mode
    ) -> None:
        async def work(meetings: MeetingService) -> tuple[list[SessionEvent], Transcript]:
            with WavFile(speech) as file:
                request = _request(meetings, mode, audio=file.pcm)
                audio = file.read(100_000_000)
            backend = meetings.backend()
            if not isinstance(backend, RecordingBackend):
                pytest.skip(f"the recordings of {backend.name!r} are at its service")
            half = len(audio) // 2 // request.audio.frame_bytes * request.audio.frame_bytes
            old = await meetings.store.run(Store.create, request, backend.name)
            # It had received more than the client continues from.
            old.audio_path.write_bytes(audio[: half + 3_200])
            session = await meetings.take_over_session(request, request.audio.ticks(half))
            async with session:
                await session.push(audio[half:])
                await session.finish()
                events = [event async for event in session.events()]
            assert (await meetings.store.run(Store.get, old.id)).state is JobState.DELETED
            newest = await meetings.store.run(Store.newest, "meeting")
            assert newest.audio_bytes == len(audio)
            return events, await fetch(meetings)

        events, transcript = use(work)
        assert word in " ".join(utterance.text for utterance in transcript.utterances)
        assert transcript.provenance.notes == ()
        latest = {e.utterance.id: e.utterance for e in events if isinstance(e, Recognized)}
        assert tuple(latest.values()) == (() if mode is Mode.STORED else transcript.utterances)


class DoubleConformance(BackendConformance):
    """For backends on a double of their service, whose transcripts contain the word double."""

    @pytest.fixture
    def speech(self, shipped_recordings: Path) -> Path:
        return shipped_recordings / "clone-test.wav"

    @pytest.fixture
    def word(self) -> str:
        return "double"


async def _open(
    meetings: MeetingService,
    mode: Mode,
    meeting_id: str = "meeting",
    audio: PcmFormat | None = None,
) -> Session:
    return await meetings.open_session(_request(meetings, mode, meeting_id, audio))


def _request(
    meetings: MeetingService,
    mode: Mode,
    meeting_id: str = "meeting",
    audio: PcmFormat | None = None,
) -> MeetingRequest:
    backend = meetings.backend()
    capabilities = backend.capabilities
    if (mode.live and not capabilities.live) or (mode.stored and not capabilities.stored):
        pytest.skip(f"backend {backend.name!r} has no mode {mode.value!r}")
    return MeetingRequest(meeting_id, audio=audio or PcmFormat(), mode=mode)


async def _close(session: Session) -> None:
    await session.finish()
    await session.aclose()


async def _record(
    meetings: MeetingService, speech: Path, mode: Mode, meeting_id: str = "meeting"
) -> list[SessionEvent]:
    with open_audio(speech) as file:
        session = await _open(meetings, mode, meeting_id, file.pcm)
        try:
            while block := file.read(BLOCK_FRAMES):
                await session.push(block)
            if mode.stored and file.original is not None:
                await meetings.keep_original(meeting_id, file.original)
            await session.finish()
            return [event async for event in session.events()]
        finally:
            await session.aclose()


async def fetch(meetings: MeetingService, meeting_id: str = "meeting") -> Transcript:
    deadline = time.monotonic() + PATIENCE
    while not (await meetings.status(meeting_id)).state.final:
        assert time.monotonic() < deadline, "the meeting was never finished"
        await anyio.sleep(0.1)
    return await meetings.transcript(meeting_id)
