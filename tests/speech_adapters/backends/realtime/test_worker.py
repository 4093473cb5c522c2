"""The worker process: real processes, over the real Speech SDK."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from pydantic import SecretStr

from double.other_writer import OtherWriter
from double.recognition import (
    SECOND,
    Configure,
    FakeRecognizer,
    Play,
    RecognizerScript,
    audio,
    fetch,
    lines,
    run,
)
from speech_adapters.backends.realtime import worker
from speech_adapters.backends.realtime.options import realtime_options
from speech_adapters.backends.realtime.worker import MAX_ATTEMPTS, RealtimeProgress, WorkerOrder
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import StoreError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording import workers
from speech_adapters.speech_sdk import orders
from speech_adapters.speech_sdk.journal import journal_path, read_journal
from speech_adapters.speech_sdk.messages import Completed
from speech_adapters.store import Recording, Store
from speech_adapters.store.locks import FileLock
from speech_adapters.transcript import Transcript
from speech_compat.testing.loopback import Script


@pytest.fixture
def order(configure: Configure) -> Callable[..., WorkerOrder]:
    """Return a function that makes the order for a stored recording with some audio."""

    def create(url: str, seconds: float = 3, **options: str) -> WorkerOrder:
        settings = configure(url, **options)
        with Store.open(settings.state_dir) as store:
            key = store.create(MeetingRequest("m", mode=Mode.STORED), "realtime").id
            sound = audio(0, seconds)
            store.get(key).audio_path.write_bytes(sound)
            store.close_audio(key, len(sound))
        return WorkerOrder(
            state_dir=settings.state_dir,
            recording=key,
            downmix=settings.downmix,
            options=realtime_options(settings).model_copy(update={"key": SecretStr("")}),
            endpoint=url,
            key="any",
        )

    return create


def start(order: str) -> subprocess.Popen[str]:
    """Start a worker as the backend does."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "speech_adapters.backends.realtime.worker"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(order)
    process.stdin = None  # communicate() must not touch it again
    return process


def work(order: WorkerOrder) -> Recording:
    """Run a worker to its end, and return the recording after it."""
    _, errors = start(order.model_dump_json()).communicate(timeout=120)
    assert errors == ""
    with Store.open(order.state_dir) as store:
        return store.get(order.recording)


def transcript(order: WorkerOrder) -> list[str]:
    with Store.open(order.state_dir) as store:
        return [u.text for u in store.transcript(order.recording).utterances]


def test_exactly_three_attempts_are_made(play: Play, order: Callable[..., WorkerOrder]) -> None:
    service, url = play(Script(lines(2), refuse=503))
    given = order(url, attempts="1")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        recording = work(given)
        assert recording.state is JobState.PROCESSING
        assert recording.attempts == attempt
        assert recording.step.startswith("to be tried again: Real-time transcription ended")
        assert "503" in RealtimeProgress.of(recording).trouble
    service.script = Script(lines(2))
    recording = work(given)
    assert recording.state is JobState.FAILED, "the service is well again, but it comes too late"
    assert recording.reason.startswith(f"{MAX_ATTEMPTS} attempts came to no end: Real-time")
    assert service.connections == []


def test_the_third_attempt_can_succeed(play: Play, order: Callable[..., WorkerOrder]) -> None:
    service, url = play(Script(lines(2), refuse=503))
    given = order(url, attempts="1")
    work(given)
    work(given)
    service.script = Script(lines(2))
    assert work(given).state is JobState.COMPLETED
    assert transcript(given) == ["line 0", "line 1"]


def test_attempts_that_died_are_the_reason_rather_than_an_earlier_trouble(
    order: Callable[..., WorkerOrder],
) -> None:
    given = order("ws://127.0.0.1:9")
    with Store.open(given.state_dir) as store:
        for _ in range(MAX_ATTEMPTS):
            store.begin_attempt(given.recording)
    assert "came to no end: the process that recognized it died." in work(given).reason


def test_a_worker_that_dies_leaves_no_trouble_of_an_earlier_one(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("speech_adapters.speech_sdk.recognizer.connect", die)
    given = order("ws://127.0.0.1:9")
    with Store.open(given.state_dir) as store:
        store.update(given.recording, backend_state=RealtimeProgress("busy").encode())
        with pytest.raises(KeyboardInterrupt):
            worker.main(given.model_dump_json())
        assert RealtimeProgress.of(store.get(given.recording)).trouble == ""


def test_what_would_fail_again_is_not_tried_again(
    play: Play, order: Callable[..., WorkerOrder]
) -> None:
    _, url = play(Script(refuse=401))
    recording = work(order(url))
    assert recording.state is JobState.FAILED
    assert "Check key, token, region and roles" in recording.reason


def test_a_worker_that_is_killed_loses_and_repeats_nothing(
    play: Play, order: Callable[..., WorkerOrder]
) -> None:
    service, url = play(Script(lines(20), stall=6 * SECOND, clock=True))
    given = order(url, 20, ahead_seconds="5", patience_seconds="1")
    with Store.open(given.state_dir) as store:
        path = journal_path(store.get(given.recording))
    child = start(given.model_dump_json())
    # The service answers only the first six, so the worker is killed in the middle.
    while len(read_journal(path)) < 6 or service.received < 7 * SECOND:
        assert child.poll() is None
        threading.Event().wait(0.01)
    child.kill()
    child.communicate()
    known = read_journal(path)
    assert work(given).state is JobState.COMPLETED
    assert transcript(given) == [f"line {n}" for n in range(20)]
    first, second = service.turn_starts
    # The clock of the audio counts tenths of a second.
    assert (first, second) == (0, known[-1].end // 1_000_000 * 1_000_000)


def test_a_meeting_deleted_during_the_work_leaves_no_file(
    play: Play, order: Callable[..., WorkerOrder]
) -> None:
    _, url = play(Script(lines(5), stall=2 * SECOND))
    given = order(url, 5, patience_seconds="1", attempts="1")
    with Store.open(given.state_dir) as store:
        recording = store.get(given.recording)
        child = start(given.model_dump_json())
        while not read_journal(journal_path(recording)):
            assert child.poll() is None
            threading.Event().wait(0.01)
        store.delete(given.recording)
        child.communicate(timeout=120)
        assert store.get(given.recording).state is JobState.DELETED
    assert list(recording.audio_path.parent.iterdir()) == []


def test_a_worker_stops_when_its_meeting_is_deleted(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_REPORT_SECONDS", 0.0)
    given = order("ws://127.0.0.1:9", 4)
    with Store.open(given.state_dir) as store:
        recording = store.get(given.recording)

        def written(recognizer: FakeRecognizer) -> None:
            recognizer.result()
            if recognizer.received >= SECOND:
                store.delete(recording.id)
                recognizer.result()

        script = RecognizerScript(written=written)
        monkeypatch.setattr(
            "speech_adapters.speech_sdk.recognizer.connect",
            lambda _request, _access, _pace, on_message: script.connect(on_message),
        )
        # In this process: nothing but the deletion can end it.
        assert worker.main(given.model_dump_json()) == 0
        assert script.recognizers[0].received == SECOND
        assert store.get(recording.id).state is JobState.DELETED
    assert list(recording.audio_path.parent.iterdir()) == []


def test_a_store_that_is_locked_for_long_fails_no_meeting(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_REPORT_SECONDS", 0.0)
    monkeypatch.setattr("speech_adapters.store.sqlite.database._WAIT_SECONDS", 0.05)
    given = order("ws://127.0.0.1:9", 2)
    with OtherWriter(given.state_dir) as other, Store.open(given.state_dir) as store:

        def unlock_later(recognizer: FakeRecognizer) -> None:
            threading.Timer(0.3, other.unlock).start()
            recognizer.send(Completed())

        script = RecognizerScript(started=lambda _: other.lock(), ended=unlock_later)
        monkeypatch.setattr(
            "speech_adapters.speech_sdk.recognizer.connect",
            lambda _request, _access, _pace, on_message: script.connect(on_message),
        )
        assert worker.main(given.model_dump_json()) == 0
        assert store.get(given.recording).state is JobState.COMPLETED


def test_a_transcript_that_cannot_be_stored_is_stored_by_the_next_worker(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sqlite.database._WAIT_SECONDS", "sql.store._FINAL_WAIT_SECONDS"):
        monkeypatch.setattr(f"speech_adapters.store.{name}", 0.05)
    given = order("ws://127.0.0.1:9", 2)
    with OtherWriter(given.state_dir) as other, Store.open(given.state_dir) as store:
        script = RecognizerScript(started=lambda _: other.lock())
        monkeypatch.setattr(
            "speech_adapters.speech_sdk.recognizer.connect",
            lambda _request, _access, _pace, on_message: script.connect(on_message),
        )
        with pytest.raises(StoreError, match="database is locked"):
            worker.main(given.model_dump_json())
        other.unlock()
        assert store.get(given.recording).state is JobState.PROCESSING
        script.started = lambda _: None
        assert worker.main(given.model_dump_json()) == 0
        assert store.get(given.recording).state is JobState.COMPLETED


def test_a_worker_whose_meeting_is_deleted_while_it_waits_for_others_does_nothing(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = order("ws://127.0.0.1:9")
    monkeypatch.setattr(worker, "_WORKERS", 1)
    with Store.open(given.state_dir) as store:

        def sleep(_: float) -> None:
            assert "waiting until other meetings" in store.get(given.recording).step
            store.delete(given.recording)

        monkeypatch.setattr("speech_adapters.recording.slots.time", SimpleNamespace(sleep=sleep))
        with FileLock(given.state_dir / "locks", "worker:realtime:0", "busy"):
            assert worker.main(given.model_dump_json()) == 0
        assert store.get(given.recording).attempts == 0


def test_a_second_worker_leaves_the_recording_to_the_first(
    order: Callable[..., WorkerOrder],
) -> None:
    given = order("ws://127.0.0.1:9")
    with Store.open(given.state_dir) as store, store.lock_recording(given.recording):
        assert work(given).attempts == 0


def test_an_order_that_cannot_be_read_shows_no_key() -> None:
    child = start('{"key": "SECRET", "state_dir": 5, "token": ["SECRET"]}')
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "validation error" in errors
    assert "SECRET" not in errors


def test_an_order_does_not_depend_on_the_encoding_of_the_system(
    order: Callable[..., WorkerOrder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    elsewhere = order("ws://127.0.0.1:9").model_copy(update={"state_dir": tmp_path / "Grüße"})
    start(elsewhere.model_dump_json()).communicate(timeout=60)
    assert (tmp_path / "Grüße").is_dir()


def test_an_order_carries_the_credentials(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = order("ws://127.0.0.1:9")
    access = given.access()
    assert (access.key, access.endpoint, access.token) == ("any", "ws://127.0.0.1:9", None)
    with_token = given.model_copy(update={"key": "", "token": "T", "region": "r"}).access()
    assert with_token.token is not None
    assert (with_token.token(), with_token.region) == ("T", "r")
    monkeypatch.setattr(orders, "default_credential", lambda name: f"credential of {name}")
    found = given.model_copy(update={"default_credential": True}).access()
    assert found.credential == "credential of realtime"


def test_progress_is_a_record_with_the_key_of_the_first_schema(
    order: Callable[..., WorkerOrder],
) -> None:
    given = order("ws://127.0.0.1:9")
    with Store.open(given.state_dir) as store:
        assert RealtimeProgress.of(store.get(given.recording)) == RealtimeProgress()
        store.update(given.recording, backend_state='{"trouble": "busy"}')
        progress = RealtimeProgress.of(store.get(given.recording))
    assert progress == RealtimeProgress("busy")
    assert progress.encode() == '{"trouble":"busy"}'


def test_a_meeting_that_no_attempt_completes_fails_with_the_reason_and_can_be_resumed(
    play: Play, configure: Configure
) -> None:
    service, url = play(Script(lines(2), refuse=503))
    settings = configure(url, attempts="1")

    async def give_up(meetings: MeetingService) -> str:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))
        await session.push(bytes(2 * 32_000))
        await session.finish()
        await session.aclose()
        with anyio.fail_after(60):
            while not (status := await meetings.status("m")).state.final:
                await anyio.sleep(0.05)
        return status.reason

    reason = run(settings, give_up)
    assert "3 attempts came to no end: Real-time transcription ended" in reason
    service.script = Script(lines(2))

    async def again(meetings: MeetingService) -> Transcript:
        assert (await meetings.resume("m")).state is JobState.PROCESSING
        return await fetch(meetings)

    assert len(run(settings, again).utterances) == 2


def test_a_worker_creates_no_journal_for_a_deleted_meeting(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = order("ws://127.0.0.1:9")
    script = RecognizerScript()
    monkeypatch.setattr(
        "speech_adapters.speech_sdk.recognizer.connect",
        lambda *arguments: script.connect(arguments[-1]),
    )
    # So long after the last report that no result of this test causes another one.
    monkeypatch.setattr(workers, "_REPORT_SECONDS", 1_000.0)
    with Store.open(given.state_dir) as store:
        path = journal_path(store.get(given.recording))
        left: list[bool] = []

        def delete(recognizer: FakeRecognizer) -> None:
            if not left:
                store.delete(given.recording)
            recognizer.result("private")
            left.append(path.exists())

        script.written = delete
        monkeypatch.setattr(worker, "remove_others", lambda _: None)  # as if it were killed
        worker.main(given.model_dump_json())
    assert left
    assert not any(left)


def test_a_meeting_that_is_deleted_before_its_worker_starts_is_not_recognized(
    order: Callable[..., WorkerOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = order("ws://127.0.0.1:9")
    script = RecognizerScript()
    monkeypatch.setattr("speech_adapters.speech_sdk.recognizer.connect", script.connect)
    with Store.open(given.state_dir) as store:

        def delete(path: Path) -> object:
            store.delete(given.recording)
            return read_journal(path)

        monkeypatch.setattr("speech_adapters.backends.realtime.worker.read_journal", delete)
        worker.main(given.model_dump_json())
        assert not journal_path(store.get(given.recording)).exists()
    assert script.recognizers == []
