"""Nothing blocks the event loop while a result of 100 MB is stored, for every backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
import pytest
from starlette.responses import FileResponse

from double.heartbeat import ATTEMPTS, LARGE, Heart, assert_no_gap
from double.service import KEY, Fault, ServiceDouble
from speech_adapters.audio import WavFile
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode, Session
from speech_adapters.meetings import MeetingService
from speech_adapters.speech_sdk.journal import journal_path
from speech_adapters.store import Store
from speech_adapters.store.sqlite import SqliteStore
from speech_adapters.transcript import Utterance

TEXT: Final = "All work and no play makes a long meeting. " * 3
FAST: Final = b'{"durationMilliseconds": 90000000, "phrases": [%s]}'
BATCH: Final = b'{"source": "", "durationMilliseconds": 90000000, "recognizedPhrases": [%s]}'


def fast_phrase(number: int) -> dict[str, Any]:
    return {
        "offsetMilliseconds": number * 300,
        "durationMilliseconds": 250,
        "text": f"{number} {TEXT}",
        "speaker": number % 5,
        "locale": "en-US",
        "confidence": 0.9,
        "words": [
            {"text": word, "offsetMilliseconds": number * 300, "durationMilliseconds": 10}
            for word in TEXT.split()[:10]
        ],
    }


def batch_phrase(number: int) -> dict[str, Any]:
    words = [{"word": word, "offsetInTicks": number, "durationInTicks": 9} for word in TEXT.split()]
    return {
        "channel": 0,
        "speaker": number % 5 + 1,
        "recognitionStatus": "Success",
        "offsetInTicks": number * 3_000_000,
        "durationInTicks": 2_500_000,
        "nBest": [{"confidence": 0.9, "display": f"{number} {TEXT}", "displayWords": words[:10]}],
    }


def write_large(path: Path, frame: bytes, phrase: Callable[[int], dict[str, Any]]) -> Path:
    """Write a synthetic result of about 100 MB in the shape of a service's answer."""
    count = LARGE // len(msgspec.json.encode(phrase(1_000)))
    before, _, after = frame.partition(b"%s")
    with path.open("wb") as file:
        file.write(before)
        for number in range(count):
            file.write(b"," * bool(number) + msgspec.json.encode(phrase(number)))
        file.write(after)
    return path


@pytest.fixture(scope="module")
def large_results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("large")
    return {
        "fast": write_large(folder / "fast.json", FAST, fast_phrase),
        "batch": write_large(folder / "batch.json", BATCH, batch_phrase),
    }


async def record(meetings: MeetingService, speech: Path, mode: Mode) -> Session:
    with WavFile(speech) as file:
        request = MeetingRequest("m", audio=file.pcm, mode=mode)
        session = await meetings.open_session(request)
        await session.push(file.read(10_000_000))
        return session


async def finish(meetings: MeetingService, session: Session) -> int:
    """End a recording and return how many utterances are stored."""
    await session.finish()
    async for _ in session.events():
        pass
    await session.aclose()
    while not (status := await meetings.status("m")).state.final:
        await anyio.sleep(0.05)
    assert status.state is JobState.COMPLETED, status.reason
    newest = await meetings.store.run(Store.newest, "m")
    return await meetings.store.run(stored_utterances, newest.id)


def stored_utterances(store: Store, recording_id: str) -> int:
    """Count the utterances without reading the whole transcript."""
    assert isinstance(store, SqliteStore)
    rows = store._database.rows(
        "SELECT utterances FROM transcript_chunks WHERE recording_id = ?", recording_id
    )
    return sum(len(msgspec.json.decode(row[0])) for row in rows)


def longest_gap(
    settings: Settings,
    speech: Path,
    prepare: Callable[[MeetingService], Any],
    mode: Mode,
    least: int = 10_000,
) -> float:
    """Return the longest gap while one meeting is processed and stored."""

    async def run() -> float:
        async with MeetingService(settings) as meetings:
            session = await record(meetings, speech, mode)
            await prepare(meetings)
            heart = Heart()
            async with heart.beating():
                count = await finish(meetings, session)
            assert count >= least
            return heart.gap

    return anyio.run(run)


@pytest.mark.parametrize(
    ("backend", "served_by"),
    [("fast", "fast"), ("batch", "batch"), ("auto", "fast"), ("auto", "batch")],
)
def test_a_large_answer_of_a_service(
    backend: str,
    served_by: str,
    double: ServiceDouble,
    storage: str,
    large_results: dict[str, Path],
    shipped_recordings: Path,
    tmp_path: Path,
) -> None:
    attempts = iter(range(ATTEMPTS))

    def attempt() -> float:
        settings = load_settings(
            {
                "backend": backend,
                "state_dir": str(tmp_path / f"state{next(attempts)}"),
                "service.endpoint": double.url,
                "service.key": KEY,
                "backends.auto.fast_minutes": "120" if served_by == "fast" else "0",
                "backends.batch.storage_connection_string": storage,
                "backends.batch.poll_seconds": "0",
            }
        )
        pattern = (
            "transcriptions:transcribe" if served_by == "fast" else "GET /results/.*/contenturl"
        )
        double.faults = [Fault(pattern, FileResponse(large_results[served_by]))]

        async def prepare(_: MeetingService) -> None:
            """Prepare nothing: the double sends the large result."""

        return longest_gap(settings, shipped_recordings / "clone-test.wav", prepare, Mode.STORED)

    assert_no_gap(attempt)


@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
def test_a_large_journal_of_a_realtime_meeting(
    loopback: str, shipped_recordings: Path, tmp_path: Path, mode: Mode
) -> None:
    attempts = iter(range(ATTEMPTS))

    def attempt() -> float:
        settings = load_settings(
            {
                "backend": "realtime",
                "state_dir": str(tmp_path / f"state{next(attempts)}"),
                "backends.realtime.endpoint": loopback,
                "backends.realtime.key": "any",
                "backends.realtime.pace": "100",
            }
        )

        async def prepare(meetings: MeetingService) -> None:
            """Write the journal of a meeting of many days."""
            newest = await meetings.store.run(Store.newest, "m")
            await anyio.to_thread.run_sync(write_journal, journal_path(newest))

        return longest_gap(settings, shipped_recordings / "clone-test.wav", prepare, mode)

    assert_no_gap(attempt)


def write_journal(path: Path) -> None:
    line = msgspec.json.encode(Utterance("0" * 32, TEXT, 0, 10, 0)) + b"\n"
    with path.open("ab") as file:
        for number in range(LARGE // len(line)):
            file.write(msgspec.json.encode(Utterance(f"{number:032x}", TEXT, 0, 10, 0)) + b"\n")


@pytest.mark.engine
@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
def test_a_local_meeting(shipped_recordings: Path, tmp_path: Path, mode: Mode) -> None:
    """Its worker process stores the transcript, so its size does not matter to the loop."""
    attempts = iter(range(ATTEMPTS))

    def attempt() -> float:
        state_dir = str(tmp_path / f"state{next(attempts)}")
        settings = load_settings({"backend": "local", "state_dir": state_dir})

        async def prepare(_: MeetingService) -> None:
            """Nothing: the engine transcribes the recording."""

        speech = shipped_recordings / "clone-test.wav"
        return longest_gap(settings, speech, prepare, mode, least=1)

    assert_no_gap(attempt)
