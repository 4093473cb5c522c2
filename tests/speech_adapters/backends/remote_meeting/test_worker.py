"""The worker process: real processes, over the real Speech SDK."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import attrs
import pytest
from pydantic import SecretStr

from double.recognition import SECOND, audio, lines
from double.remote_meetings import KEY, RemoteMeetings
from speech_adapters.backends.remote_meeting.options import remote_meeting_options
from speech_adapters.backends.remote_meeting.progress import (
    RemoteProgress,
    RemoteStage,
    load_progress,
    save_progress,
)
from speech_adapters.backends.remote_meeting.worker import UploadOrder
from speech_adapters.config import Settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.store import Lock, Recording, Store
from speech_compat.testing.loopback import Script

Serve = Callable[..., tuple[RemoteMeetings, Callable[..., Settings]]]
Order = Callable[..., tuple[RemoteMeetings, UploadOrder]]


@pytest.fixture
def order(serve: Serve) -> Order:
    """Return a function that serves a script and orders to upload some audio."""

    def create(
        script: Script, seconds: float = 3, **options: str
    ) -> tuple[RemoteMeetings, UploadOrder]:
        service, configure = serve(script)
        settings = configure(attempts="1", **options)
        given = remote_meeting_options(settings)
        with Store.open(settings.state_dir) as store:
            key = store.create(MeetingRequest("m", mode=Mode.BOTH), "remote_meeting").id
            sound = audio(0, seconds)
            store.get(key).audio_path.write_bytes(sound)
            store.close_audio(key, len(sound))
        return service, UploadOrder(
            state_dir=settings.state_dir,
            recording=key,
            options=given.model_copy(update={"key": SecretStr("")}),
            endpoint=given.websocket_endpoint,
            key=KEY,
        )

    return create


def start(order: UploadOrder) -> subprocess.Popen[str]:
    """Start a worker as the backend does."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "speech_adapters.backends.remote_meeting.worker"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(order.model_dump_json())
    process.stdin = None  # communicate() must not touch it again
    return process


def work(order: UploadOrder) -> Recording:
    """Run a worker to its end, and return the recording after it."""
    _, errors = start(order).communicate(timeout=120)
    assert errors == ""
    return found(order)


def found(order: UploadOrder) -> Recording:
    with Store.open(order.state_dir) as store:
        return store.get(order.recording)


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, for a process that is at work."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_all_of_the_audio_is_uploaded_once(order: Order) -> None:
    service, given = order(Script(lines(3)))
    for _ in range(2):
        recording = work(given)
        assert recording.state is JobState.PROCESSING
        assert load_progress(recording) == RemoteProgress(RemoteStage.UPLOADED)
        (meeting,) = service.loopback.meetings
        assert (meeting.received, meeting.ended) == (3 * SECOND, True)
        assert meeting.only_stored, "live events were for the program that recorded it"


def test_a_service_without_results_does_not_slow_the_upload_down(order: Order) -> None:
    """In real time it would take longer than the test waits."""
    service, given = order(Script(), 300, ahead_seconds="5")
    assert load_progress(work(given)).stage is RemoteStage.UPLOADED
    assert service.loopback.meetings[0].received == 300 * SECOND


def test_what_may_pass_is_tried_again(order: Order) -> None:
    service, given = order(Script(lines(2), refuse=503))
    recording = work(given)
    assert recording.state is JobState.PROCESSING
    assert recording.step.startswith("to be uploaded again: Real-time transcription ended")
    progress = load_progress(recording)
    assert (progress.stage, progress.interrupted) == (RemoteStage.UPLOADING, 0)
    assert "503" in progress.trouble
    service.loopback.script = Script(lines(2))
    assert load_progress(work(given)) == RemoteProgress(RemoteStage.UPLOADED)


def test_a_refusal_is_final(order: Order) -> None:
    _, given = order(Script(tokens=frozenset({"another"})))
    recording = work(given)
    assert recording.state is JobState.FAILED
    assert "Check key, token, region and roles" in recording.reason


def test_a_connection_that_breaks_for_good_leaves_it_to_be_uploaded_from_the_start(
    order: Order,
) -> None:
    service, given = order(Script(lines(6), cuts=((2 * SECOND, 4000),)), 6)
    assert load_progress(work(given)).stage is RemoteStage.UPLOADING
    assert load_progress(work(given)).stage is RemoteStage.UPLOADED
    first, second = service.loopback.meetings
    assert not first.ended
    assert (second.received, second.ended) == (6 * SECOND, True)


def test_a_worker_that_is_killed_leaves_all_to_the_next(order: Order) -> None:
    service, given = order(Script(lines(60)), 60, pace="2")
    process = start(given)
    until(lambda: any(m.received for m in service.loopback.meetings))
    process.kill()
    process.communicate()
    progress = load_progress(found(given))
    assert (progress.stage, progress.interrupted) == (RemoteStage.UPLOADING, 1)
    fast = given.options.model_copy(update={"pace": 100.0})
    recording = work(given.model_copy(update={"options": fast}))
    assert load_progress(recording) == RemoteProgress(RemoteStage.UPLOADED)
    assert service.loopback.meetings[-1].received == 60 * SECOND


def test_a_deletion_stops_the_upload_and_leaves_nothing(order: Order) -> None:
    service, given = order(Script(lines(60)), 60, pace="1")
    process = start(given)
    until(lambda: any(m.received for m in service.loopback.meetings))
    with Store.open(given.state_dir) as store:
        store.delete(given.recording)
    _, errors = process.communicate(timeout=60)
    assert errors == ""
    recording = found(given)
    assert recording.state is JobState.DELETED
    assert load_progress(recording).stage is RemoteStage.UPLOADING, "the cleanup has to know"
    assert list((given.state_dir / "audio").iterdir()) == []
    assert service.loopback.meetings[-1].received < 60 * SECOND


def test_a_newer_recording_stops_the_upload(order: Order) -> None:
    service, given = order(Script(lines(60)), 60, pace="1")
    process = start(given)
    until(lambda: any(m.received for m in service.loopback.meetings))
    with Store.open(given.state_dir) as store:
        store.create(MeetingRequest("m", mode=Mode.STORED), "remote_meeting")
    process.communicate(timeout=60)
    assert load_progress(found(given)).stage is RemoteStage.UPLOADING
    assert service.loopback.meetings[-1].received < 60 * SECOND
    count = len(service.loopback.connections)
    work(given)
    assert len(service.loopback.connections) == count, "it is not uploaded again either"


def test_a_recording_that_another_process_works_on_is_left_alone(order: Order) -> None:
    service, given = order(Script(lines(1)))
    with Store.open(given.state_dir) as store:
        lock: Lock = store.lock_recording(given.recording)
        with lock:
            work(given)
    assert service.loopback.meetings == []


def test_a_meeting_that_is_deleted_before_the_upload_is_not_sent(order: Order) -> None:
    service, given = order(Script(lines(1)))
    with Store.open(given.state_dir) as store:
        store.delete(given.recording)
    work(given)
    assert service.loopback.meetings == []


def test_the_progress_of_earlier_attempts_is_kept(order: Order) -> None:
    """The deadline counts from the first attempt."""
    _, given = order(Script(lines(1)), 1)
    begun = RemoteProgress(RemoteStage.UPLOADING, begun_at=12.5, interrupted=2)
    with Store.open(given.state_dir) as store:
        save_progress(store, given.recording, begun)
    expected = attrs.evolve(begun, stage=RemoteStage.UPLOADED, interrupted=0)
    assert load_progress(work(given)) == expected


def test_an_order_shows_no_key(order: Order) -> None:
    _, given = order(Script())
    with pytest.raises(ValueError, match="options") as error:
        UploadOrder.model_validate_json(given.model_dump_json().replace('"pace"', '"space"'))
    assert KEY not in str(error.value)
