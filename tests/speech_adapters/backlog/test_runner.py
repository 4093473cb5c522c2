"""The run of a backlog on the double of a service, from any state that a process may leave."""

from __future__ import annotations

import re
import uuid
import wave
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from azure.storage.blob import (
    BlobServiceClient,
)
from starlette.responses import JSONResponse

from double.containers import sign
from double.service import KEY, Fault, ServiceDouble
from speech_adapters.backlog.items import Change, Counts, ItemState
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.backlog.planning import examine, read_into
from speech_adapters.backlog.recorder import Recorder
from speech_adapters.backlog.runner import BacklogRunner, Limits, meeting_prefix
from speech_adapters.capabilities import Gap
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import AuthenticationError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.session import SpoolSession
from speech_adapters.store import Store
from speech_adapters.store.recovery import recover
from speech_adapters.transcript import Provenance, Transcript

COUNT = 6
REFUSAL = JSONResponse({"code": "InvalidArgument", "message": "Bad audio."}, 400)


@pytest.fixture
def settings(double: ServiceDouble, tmp_path: Path) -> Settings:
    return load_settings(
        {
            "backend": "fast",
            "state_dir": str(tmp_path / "state"),
            "service.endpoint": double.url,
            "service.key": KEY,
            "backends.fast.retry_seconds": "0",
        }
    )


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Create recordings of 1 to 6 tenths of a second, so that their transcripts differ."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for number in range(1, COUNT + 1):
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(b"\x01\x00" * 1600 * number)
    return folder


@pytest.fixture
def journal(settings: Settings, recordings: Path) -> Iterator[Journal]:
    path = journal_path(settings.state_dir, "calls")
    with Journal(path, create=True) as journal:
        plan(journal, str(recordings))
        yield journal


def plan(journal: Journal, manifest: str) -> None:
    read_into(
        journal,
        manifest,
        language="en-US",
        speakers=None,
        skip_invalid=False,
        on_progress=lambda _: None,
    )
    examine(journal, lambda _: None)


def run(
    settings: Settings,
    journal: Journal,
    limits: Limits | None = None,
    watch: Callable[[BacklogRunner], Coroutine[Any, Any, None]] | None = None,
) -> list[tuple[str, tuple[Gap, ...]]]:
    """Run a backlog; ``watch`` runs meanwhile, and a cancellation of it cancels the run."""
    noted: list[tuple[str, tuple[Gap, ...]]] = []

    async def work() -> None:
        async with MeetingService(settings) as meetings:
            backlog = BacklogRunner(
                meetings, journal, limits or Limits(), lambda *found: noted.append(found)
            )
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    if watch is not None:
                        tasks.start_soon(watch, backlog)
                    await backlog.run()
                    tasks.cancel_scope.cancel()

    try:
        anyio.run(work)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return noted


def ids(journal: Journal) -> list[str]:
    return [meeting_prefix(journal.name) + item.key for item in journal.items()]


def lengths(settings: Settings, journal: Journal) -> list[str]:
    """Return the seconds of audio that the transcripts of the recordings prove, in their order."""
    found = []
    with Store.open(settings.state_dir) as store:
        for meeting_id in ids(journal):
            (utterance,) = store.transcript(store.newest(meeting_id).id).utterances
            found += re.findall(r"\d\.\d+", utterance.text)
    return found


def assert_complete(settings: Settings, journal: Journal, double: ServiceDouble) -> None:
    assert journal.counts() == Counts(completed=COUNT)
    assert lengths(settings, journal) == [f"0.{number}00" for number in range(1, COUNT + 1)]


def test_each_recording_is_transcribed_once(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    noted = run(settings, journal)
    assert_complete(settings, journal, double)
    assert len(double.uploads) == COUNT
    assert {name for name, _ in noted} == {"fast"}
    assert all(item.ended and item.duration for item in journal.items())
    run(settings, journal)
    assert len(double.uploads) == COUNT


def test_what_the_store_has_is_not_transcribed_again(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    run(settings, journal)
    # As after a power cut, which the store survives.
    journal.apply([Change(item.number, ItemState.WAITING) for item in journal.items()])
    run(settings, journal)
    assert_complete(settings, journal, double)
    assert len(double.uploads) == COUNT


def part(settings: Settings, meeting_id: str, *, recovered: bool, state: str = "") -> None:
    """Leave a part of a recording, as a process that was killed; another one may have ended it."""
    with Store.open(settings.state_dir) as store:
        recording = store.create(MeetingRequest(meeting_id, mode=Mode.STORED), "fast")
        if state != "empty":
            recording.audio_path.write_bytes(b"\x01\x00" * 800)
        if recovered:
            recover(store, meeting_id)


@pytest.mark.parametrize("recovered", [False, True])
@pytest.mark.parametrize("state", ["", "empty"])
def test_a_part_of_a_recording_is_discarded(
    settings: Settings, journal: Journal, double: ServiceDouble, recovered: bool, state: str
) -> None:
    for meeting_id in ids(journal)[:3]:
        part(settings, meeting_id, recovered=recovered, state=state)
    run(settings, journal)
    assert_complete(settings, journal, double)
    with Store.open(settings.state_dir) as store:
        states = Counter(recording.state for recording in store.recordings())
    assert states == {JobState.COMPLETED: COUNT, JobState.DELETED: 3}
    # Nothing of a part was sent.
    assert len(double.uploads) == COUNT


@pytest.mark.parametrize("state", [ItemState.WAITING, ItemState.RECORDED])
def test_a_part_that_was_transcribed_is_no_result(
    settings: Settings, journal: Journal, double: ServiceDouble, state: ItemState
) -> None:
    (meeting_id, *_) = ids(journal)
    part(settings, meeting_id, recovered=True)
    with Store.open(settings.state_dir) as store:
        transcript = Transcript(meeting_id, (), 1, Provenance("fast", "1"))
        store.complete(store.newest(meeting_id).id, transcript)
    journal.apply([Change(1, state)])
    run(settings, journal)
    assert_complete(settings, journal, double)


def test_parts_of_other_meetings_are_left(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    part(settings, "mine", recovered=False)
    run(settings, journal)
    with Store.open(settings.state_dir) as store:
        # The sweep ends it, as that of any other program.
        assert store.newest("mine").state is JobState.COMPLETED


def test_a_recording_in_flight_that_the_store_has_no_more_is_recorded_again(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    journal.apply([Change(1, ItemState.RECORDED)])
    run(settings, journal)
    assert_complete(settings, journal, double)


def test_a_failure_has_its_reason_and_is_none_of_the_others(
    settings: Settings, journal: Journal, double: ServiceDouble, recordings: Path
) -> None:
    (recordings / "2.wav").unlink()
    double.faults.append(Fault("transcribe$", REFUSAL))
    run(settings, journal, Limits(jobs=1))
    failed = {Path(item.source).name: item.reason for item in journal.items(ItemState.FAILED)}
    assert failed.keys() == {"1.wav", "2.wav"}
    assert "Bad audio." in failed["1.wav"]
    assert "No such file or directory" in failed["2.wav"]
    assert journal.counts() == Counts(completed=COUNT - 2, failed=2)


def test_what_failed_is_retried_with_the_stored_audio_or_with_the_file(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    double.faults.append(Fault("transcribe$", REFUSAL, 2))
    run(settings, journal, Limits(jobs=1))
    assert journal.counts() == Counts(completed=COUNT - 2, failed=2)
    with Store.open(settings.state_dir) as store:
        store.newest(ids(journal)[0]).audio_path.unlink()
    assert journal.retry() == 2
    run(settings, journal)
    assert_complete(settings, journal, double)
    assert len(double.uploads) == COUNT


def test_a_failure_that_the_journal_lost_is_not_retried(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    double.faults.append(Fault("transcribe$", REFUSAL))
    run(settings, journal, Limits(jobs=1))
    journal.apply([Change(1, ItemState.WAITING)])
    run(settings, journal)
    assert journal.counts() == Counts(completed=COUNT - 1, failed=1)


@pytest.mark.parametrize(("retries", "failed"), [(1, 1), (2, 0)])
def test_a_recording_is_retried_so_often(
    settings: Settings, journal: Journal, double: ServiceDouble, retries: int, failed: int
) -> None:
    # Only the first recording is refused, which is then tried after the others.
    double.faults.append(Fault("transcribe$", REFUSAL, 1))
    journal.apply([Change(n, ItemState.COMPLETED) for n in range(2, COUNT + 1)])
    double.faults[0].times = 2
    run(settings, journal, Limits(retries=retries))
    assert journal.counts().failed == failed
    (item,) = [item for item in journal.items() if item.number == 1]
    assert item.attempts == retries


def test_the_first_failure_may_end_the_run(
    settings: Settings, journal: Journal, double: ServiceDouble, recordings: Path
) -> None:
    (recordings / "1.wav").unlink()
    run(settings, journal, Limits(jobs=1, fail_fast=True))
    counts = journal.counts()
    assert counts.failed == 1
    assert counts.unfinished >= COUNT - 2
    run(settings, journal)
    assert journal.counts() == Counts(completed=COUNT - 1, failed=1)


def test_an_error_of_all_recordings_ends_the_run_and_none_of_them(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    double.accepted = {"another key"}
    with pytest.raises(AuthenticationError):
        run(settings, journal)
    assert journal.counts().failed == 0
    double.accepted = {KEY}
    run(settings, journal)
    assert_complete(settings, journal, double)
    assert len(double.uploads) == COUNT


def test_a_deleted_meeting_has_failed(
    settings: Settings, journal: Journal, double: ServiceDouble
) -> None:
    (meeting_id, *_) = ids(journal)
    with Store.open(settings.state_dir) as store:
        recording = store.create(MeetingRequest(meeting_id, mode=Mode.STORED), "fast")
        store.delete(recording.id)
    journal.apply([Change(1, ItemState.RECORDED)])
    run(settings, journal)
    (item,) = journal.items(ItemState.FAILED)
    assert (item.number, item.reason) == (1, "Its meeting was deleted.")


def test_a_canceled_run_leaves_no_part(
    settings: Settings,
    journal: Journal,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = SpoolSession._append

    def half(self: SpoolSession, audio: bytes) -> None:
        real(self, audio[: len(audio) // 4 * 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SpoolSession, "_append", half)
        with pytest.raises(KeyboardInterrupt):
            run(settings, journal, Limits(jobs=1))
    with Store.open(settings.state_dir) as store:
        assert {recording.state for recording in store.recordings()} == {JobState.DELETED}
    assert double.uploads == []
    run(settings, journal)
    assert_complete(settings, journal, double)


@pytest.mark.parametrize(("jobs", "in_flight"), [(1, 6), (3, 6), (6, 2)])
def test_no_more_recordings_are_in_flight_than_is_allowed(
    settings: Settings,
    journal: Journal,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
    jobs: int,
    in_flight: int,
) -> None:
    most, present = Counter[str](), Counter[str]()
    real = Recorder.record

    async def counted(self: Recorder, item: Any) -> str:
        present["jobs"] += 1
        most["jobs"] = max(most["jobs"], present["jobs"])
        try:
            return await real(self, item)
        finally:
            present["jobs"] -= 1

    async def watch(backlog: BacklogRunner) -> None:
        while True:
            most["in flight"] = max(most["in flight"], backlog.in_flight)
            await anyio.sleep(0)

    monkeypatch.setattr(Recorder, "record", counted)
    run(settings, journal, Limits(jobs=jobs, in_flight=in_flight), watch)
    assert_complete(settings, journal, double)
    assert most["jobs"] == min(jobs, in_flight)
    assert most["in flight"] <= in_flight


def test_recordings_begin_at_the_rate(
    settings: Settings,
    journal: Journal,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, slept, real = [100.0], list[float](), anyio.sleep

    async def sleep(seconds: float) -> None:
        if seconds > 5:
            now[0] += seconds
            slept.append(seconds)
        await real(0 if seconds > 5 else seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)

    async def work() -> None:
        async with MeetingService(settings) as meetings:
            limits = Limits(rate=6.0)
            await BacklogRunner(meetings, journal, limits, lambda *_: None, lambda: now[0]).run()

    anyio.run(work)
    # The first one begins at once.
    assert slept == [10.0] * (COUNT - 1)
    assert_complete(settings, journal, double)


def test_a_container_is_transcribed_at_its_addresses(
    settings: Settings, storage: str, double: ServiceDouble, recordings: Path
) -> None:
    with signed_container(storage, recordings) as address:
        changes = {"backend": "batch", "backends": {"batch": {"poll_seconds": 0}}}
        batch = settings.model_copy(update=changes)
        with Journal(journal_path(settings.state_dir, "web"), create=True) as journal:
            plan(journal, address)
            assert journal.estimate().unknown == COUNT
            run(batch, journal)
            assert journal.counts() == Counts(completed=COUNT)
            items = list(journal.items())
    assert [item.address for item in items] == [""] * COUNT
    assert [item.source.rpartition("/")[2] for item in items] == [f"{n}.wav" for n in range(1, 7)]
    assert len(double.submitted) == COUNT


@contextmanager
def signed_container(storage: str, folder: Path) -> Iterator[str]:
    """Yield the signed address of a container with the files of a folder, in a folder of it."""
    with BlobServiceClient.from_connection_string(storage) as service:
        container = service.create_container(f"backlog-{uuid.uuid4().hex}")
        for path in folder.iterdir():
            container.upload_blob(f"calls/{path.name}", path.read_bytes())
        container.upload_blob("other/x.wav", b"")
        container.upload_blob("calls/notes.txt", b"")
        signature = sign(service, container.container_name)
        yield f"{container.url}/calls?{signature}"
        container.delete_container()
