"""The steps of a recording, against the REST interface of the double."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypeVar

import anyio
import attrs
import pytest
from starlette.responses import JSONResponse, Response

from double.remote_meetings import KEY, RemoteMeetings
from double.service import Fault
from speech_adapters.azure.http import KeyAuth, RetryPolicy, ServiceClient
from speech_adapters.backends.remote_meeting.client import MeetingClient
from speech_adapters.backends.remote_meeting.options import RemoteMeetingOptions
from speech_adapters.backends.remote_meeting.progress import (
    RemoteProgress,
    RemoteStage,
    load_progress,
    save_progress,
)
from speech_adapters.backends.remote_meeting.runner import (
    MAX_INTERRUPTED,
    MAX_MISSING,
    MAX_UNREADABLE,
    RecordingRunner,
)
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    SpeechError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.store import AsyncStore, Recording, Store
from speech_compat.testing.loopback import Script

T = TypeVar("T")
UPLOADED = RemoteProgress(RemoteStage.UPLOADED)
LONG_AGO = time.time() - 50 * 3_600
DONE = {
    "processingStatus": "Completed",
    "transcriptions": [
        {"userId": "Guest_3", "resultId": "r", "text": "hi", "offsetInTicks": 1, "reason": "3"}
    ],
}


@attrs.define
class Bench:
    """One recording of a meeting ``m``, the service, and what its runner uploads."""

    folder: Path
    service: RemoteMeetings
    recording: str = ""
    options: RemoteMeetingOptions = attrs.field(
        factory=lambda: RemoteMeetingOptions(poll_seconds=0.0)
    )
    kept: list[str] = attrs.field(factory=list)
    uploads: list[str] = attrs.field(factory=list)
    upload_error: SpeechError | None = None

    def create(self, progress: RemoteProgress = UPLOADED, size: int | None = 64_000) -> None:
        """Create a recording in a stage; ``None`` for one that is being recorded."""
        with Store.open(self.folder) as store:
            created = store.create(MeetingRequest("m", mode=Mode.STORED), "remote_meeting")
            created.audio_path.write_bytes(b"sound")
            if size is not None:
                store.close_audio(created.id, size)
            save_progress(store, created.id, progress)
            self.recording = self.recording or created.id

    def step(self) -> Recording:
        """Process one step, and return the recording after it."""

        async def work() -> None:
            store = AsyncStore(self.folder)
            policy = RetryPolicy(attempts=1, first=0.0)
            client = MeetingClient(ServiceClient(self.service.rest, KeyAuth(KEY), policy))
            runner = RecordingRunner(store, client, self.options, self._upload)
            try:
                await runner.step(await store.run(Store.get, self.recording))
            finally:
                await client.aclose()
                await store.aclose()

        anyio.run(work)
        # Before a store is opened, which removes what a process that was killed left.
        self.kept = [path.name for path in (self.folder / "audio").iterdir()]
        return self.found

    @property
    def found(self) -> Recording:
        with Store.open(self.folder) as store:
            return store.get(self.recording)

    @property
    def progress(self) -> RemoteProgress:
        return load_progress(self.found)

    def answer(self, response: Any) -> None:
        """Have the service answer every question with a response, or a document."""
        found = response if isinstance(response, Response) else JSONResponse(response)
        self.service.faults = [Fault("GET", found, 99)]

    def _upload(self, recording: Recording) -> None:
        if self.upload_error is not None:
            raise self.upload_error
        self.uploads.append(recording.id)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    service = RemoteMeetings(Script())
    with service.running():
        yield Bench(tmp_path / "state", service)


@pytest.mark.parametrize("stage", [RemoteStage.RECORDED, RemoteStage.UPLOADING])
def test_what_is_not_uploaded_is_uploaded(bench: Bench, stage: RemoteStage) -> None:
    bench.create(RemoteProgress(stage))
    assert bench.step().state is JobState.PROCESSING
    assert bench.uploads == [bench.recording]
    assert bench.service.requests == []
    assert bench.progress.begun_at > LONG_AGO


def test_a_completed_meeting_is_stored_and_its_audio_removed(bench: Bench) -> None:
    bench.create()
    bench.answer(DONE)
    found = bench.step()
    assert found.state is JobState.COMPLETED
    assert bench.kept == []
    with Store.open(bench.folder) as store:
        transcript = store.transcript(bench.recording)
    (utterance,) = transcript.utterances
    assert (utterance.id, utterance.text, utterance.speaker) == ("r", "hi", 0)
    assert (utterance.language, transcript.duration) == ("en-US", 20_000_000)
    assert list(bench.folder.parent.glob("speech-compat-*")) == []


def test_a_meeting_that_was_deleted_meanwhile_stays_deleted(bench: Bench) -> None:
    bench.create()
    bench.answer(DONE)
    with Store.open(bench.folder) as store:
        store.delete(bench.recording)
    assert bench.step().state is JobState.DELETED


@pytest.mark.parametrize("status", ["Uploading", 0, "Processing", 1])
def test_a_meeting_at_the_service_is_asked_about_again(bench: Bench, status: Any) -> None:
    bench.create()
    bench.answer({"processingStatus": status})
    found = bench.step()
    assert (found.state, found.step) == (JobState.PROCESSING, "at the service")
    bench.answer(DONE)
    assert bench.step().state is JobState.COMPLETED


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (3, "The service failed to transcribe it. It is too long."),
        ("Deleted", "It was deleted at the service."),
    ],
)
def test_a_meeting_that_is_lost_at_the_service_fails_and_is_uploaded_again_if_resumed(
    bench: Bench, status: Any, reason: str
) -> None:
    bench.create()
    bench.answer({"processingStatus": status, "failureReason": "It is too long."})
    found = bench.step()
    assert (found.state, found.reason) == (
        JobState.FAILED,
        f"{reason} Its audio is kept: resume the meeting to upload it again.",
    )
    assert found.audio_path.exists()
    with Store.open(bench.folder) as store:
        store.resume(bench.recording)
    bench.step()
    assert bench.uploads == [bench.recording]


def test_a_meeting_that_the_service_does_not_know_yet_is_awaited_but_not_for_ever(
    bench: Bench,
) -> None:
    bench.create()
    for _ in range(MAX_MISSING - 1):
        assert bench.step().state is JobState.PROCESSING
    found = bench.step()
    assert found.state is JobState.FAILED
    assert "does not know it, although it was uploaded" in found.reason


def test_a_meeting_that_appears_late_is_completed(bench: Bench) -> None:
    bench.create()
    for _ in range(MAX_MISSING - 1):
        bench.step()
    bench.answer({"processingStatus": 1})
    bench.step()
    assert bench.progress.missing == 0
    bench.answer(DONE)
    assert bench.step().state is JobState.COMPLETED


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (Response("<html>", media_type="text/html"), BackendError),
        ({"processingStatus": 7}, BackendError),
        ({"processingStatus": 2, "transcriptions": 5}, BackendError),
        (Response(status_code=400), BackendError),
    ],
)
def test_an_answer_that_is_none_fails_the_meeting_at_last_with_the_reason(
    bench: Bench, response: Any, kind: type[Exception]
) -> None:
    bench.create()
    bench.answer(response)
    for _ in range(MAX_UNREADABLE - 1):
        with pytest.raises(kind):
            bench.step()
    found = bench.step()
    assert found.state is JobState.FAILED
    assert "resume it to ask again" in found.reason
    with Store.open(bench.folder) as store:
        store.resume(bench.recording)
    bench.answer(DONE)
    assert bench.step().state is JobState.COMPLETED
    assert bench.uploads == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (403, AuthenticationError), (503, UnavailableError)],
)
def test_what_may_pass_is_tried_until_the_deadline(
    bench: Bench, status: int, kind: type[Exception]
) -> None:
    bench.create()
    bench.answer(Response(status_code=status))
    for _ in range(MAX_UNREADABLE + MAX_MISSING):
        with pytest.raises(kind):
            bench.step()
    with Store.open(bench.folder) as store:
        save_progress(store, bench.recording, attrs.evolve(UPLOADED, begun_at=LONG_AGO))
    found = bench.step()
    assert found.state is JobState.FAILED
    assert found.reason.startswith("The service has not finished it in 48 hours (deadline_hours).")
    assert str(status) in found.reason
    assert bench.progress == UPLOADED, "a resumed meeting has the whole time again"


def test_a_service_that_never_finishes_misses_the_deadline(bench: Bench) -> None:
    bench.create(attrs.evolve(UPLOADED, begun_at=LONG_AGO))
    bench.answer({"processingStatus": 0})
    assert "has not finished it in 48 hours" in bench.step().reason


def test_an_upload_misses_the_deadline_with_its_last_error(bench: Bench) -> None:
    bench.create(RemoteProgress(begun_at=LONG_AGO, trouble="it was unreachable"))
    found = bench.step()
    assert found.state is JobState.FAILED
    assert found.reason.startswith("It could not be uploaded in 48 hours")
    assert found.reason.endswith("The last error: it was unreachable")
    assert bench.uploads == []


def test_an_upload_that_cannot_begin_is_tried_again(bench: Bench) -> None:
    bench.create(RemoteProgress())
    bench.upload_error = UnreachableError("no")
    with pytest.raises(UnreachableError):
        bench.step()
    bench.upload_error = None
    bench.step()
    assert bench.uploads == [bench.recording]


def test_uploads_that_die_again_and_again_fail_the_meeting(bench: Bench) -> None:
    bench.create(RemoteProgress(RemoteStage.UPLOADING, interrupted=MAX_INTERRUPTED - 1))
    bench.step()
    assert bench.uploads == [bench.recording]
    with Store.open(bench.folder) as store:
        dead = RemoteProgress(RemoteStage.UPLOADING, interrupted=MAX_INTERRUPTED)
        save_progress(store, bench.recording, dead)
    found = bench.step()
    assert (found.state, len(bench.uploads)) == (JobState.FAILED, 1)
    assert f"{MAX_INTERRUPTED} processes died" in found.reason


def test_an_older_recording_waits_and_is_replaced_by_a_newer_one(bench: Bench) -> None:
    """The service would answer with the transcript of the newer one."""
    bench.create()
    bench.create(RemoteProgress(), size=None)
    bench.answer(DONE)
    assert bench.step().state is JobState.PROCESSING
    with Store.open(bench.folder) as store:
        store.close_audio(store.newest("m").id, 64_000)
    found = bench.step()
    assert found.state is JobState.FAILED
    assert "A newer recording of the meeting has replaced it" in found.reason
    assert bench.service.requests == []


def test_pauses_are_kept(bench: Bench) -> None:
    bench.options = RemoteMeetingOptions(poll_seconds=60.0)
    bench.create()
    bench.answer({"processingStatus": 1})
    before = time.time()
    bench.step()
    assert before + 60 <= bench.found.next_poll <= time.time() + 60
    bench.step()
    assert len(bench.service.requests) == 1


def test_the_service_may_request_a_longer_pause(bench: Bench) -> None:
    bench.create()
    bench.answer(JSONResponse({"processingStatus": 1}, headers={"Retry-After": "90"}))
    before = time.time()
    bench.step()
    assert before + 90 <= bench.found.next_poll <= time.time() + 90
    bench.step()
    assert len(bench.service.requests) == 1


def test_a_pause_that_cannot_be_meant_is_ignored(bench: Bench) -> None:
    bench.create()
    bench.answer(DONE)
    with Store.open(bench.folder) as store:
        store.poll_later([bench.recording], time.time() + 1e6)
    assert bench.step().state is JobState.COMPLETED
