"""A meeting is deleted by one process at each step of another that works on it.

Every call of the working process that can block, and every request to a service, is a point at
which the deletion may come.  The tests run the work as often as there are points, and delete
the meeting at the first, the second and so on.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from pydantic import SecretStr

from double.batch_parts import blob_names
from double.engine import ENGINE_MODULE, engine_module
from double.recognition import FakeRecognizer, RecognizerScript, audio
from double.remote_meetings import KEY as REMOTE_KEY
from double.remote_meetings import RemoteMeetings
from double.service import KEY, ServiceDouble
from speech_adapters import threads
from speech_adapters.azure.http import ServiceClient
from speech_adapters.backends.local import pulse as local_pulse
from speech_adapters.backends.local import worker as local_worker
from speech_adapters.backends.local.job import Processing
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.realtime import backend as realtime_backend
from speech_adapters.backends.realtime import worker as realtime_worker
from speech_adapters.backends.realtime.options import realtime_options
from speech_adapters.backends.realtime.worker import WorkerOrder
from speech_adapters.backends.remote_meeting import backend as remote_backend
from speech_adapters.backends.remote_meeting import worker as remote_worker
from speech_adapters.backends.remote_meeting.options import remote_meeting_options
from speech_adapters.backends.remote_meeting.progress import (
    RemoteProgress,
    RemoteStage,
    dump_progress,
)
from speech_adapters.backends.remote_meeting.worker import UploadOrder
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording import workers
from speech_adapters.recording.workers import log_path
from speech_adapters.store import Recording, Store
from speech_adapters.store.sqlite.database import Database
from speech_compat.testing.loopback import Script

SOUND = audio(0, 2)
Points = Callable[[], object]

# Only the working process has points; the deletion runs on the same event loop.
_working: ContextVar[bool] = ContextVar("_working", default=False)


@attrs.define
class _Deletion:
    """Deletes the meeting at the point ``at``, and counts the points."""

    at: int
    settings: Settings
    recording: str
    points: int = 0
    errors: list[BaseException] = attrs.field(factory=list)
    thread: threading.Thread | None = None

    def pass_point(self) -> None:
        """Count a point of the working process; blocks until the deletion is stored."""
        self.points += 1
        if self.points != self.at:
            return
        self.thread = threading.Thread(target=self._delete)
        self.thread.start()
        with Store.open(self.settings.state_dir) as store:
            while store.get(self.recording).state is not JobState.DELETED:
                assert self.thread.is_alive(), self.errors
                time.sleep(0.002)

    def _delete(self) -> None:
        async def delete() -> None:
            async with MeetingService(self.settings) as meetings:
                await meetings.delete("m")

        try:
            anyio.run(delete)
        except BaseException as error:
            self.errors.append(error)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for temporary files, which is empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def remote() -> Iterator[RemoteMeetings]:
    """Serve meetings that are at the service already."""
    service = RemoteMeetings(Script())
    part = {"userId": "Guest_0", "text": "private"}
    service.others["m"] = {"processingStatus": 2, "transcriptions": [part]}
    with service.running():
        yield service


@pytest.fixture
def make(
    tmp_path: Path, storage: str, double: ServiceDouble, remote: RemoteMeetings, folder: Path
) -> Callable[[str], Settings]:
    """Return a function that returns the settings for a backend."""

    def settings(backend: str) -> Settings:
        service = {"endpoint": double.url, "key": KEY, "retry_seconds": "0"}
        batch = {**service, "storage_connection_string": storage, "poll_seconds": "0"}
        realtime = {"endpoint": "ws://127.0.0.1:9", "key": "any"}
        named = {"fast": service, "batch": batch, "realtime": realtime}
        if backend == "remote_meeting":
            given = {"poll_seconds": "0", "retry_seconds": "0", "key": REMOTE_KEY}
            named[backend] = {**remote.addresses, **given}
        return load_settings(
            {
                "backend": backend,
                "state_dir": str(tmp_path / "state"),
                **{f"backends.{b}.{n}": v for b, given in named.items() for n, v in given.items()},
            }
        )

    return settings


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[_Deletion]]:
    """Make points of the calls of the working process; the list holds the present deletion."""
    present: list[_Deletion] = []
    run, exchange = threads.Threads.run, ServiceClient._exchange

    def pass_point() -> None:
        if _working.get() and present:
            present[0].pass_point()

    async def counted_run(self: threads.Threads, function: Any, *args: Any, **more: Any) -> Any:
        if _working.get():
            await anyio.to_thread.run_sync(pass_point)
        return await run(self, function, *args, **more)

    async def counted_exchange(self: ServiceClient, *args: Any, **more: Any) -> Any:
        answer = await exchange(self, *args, **more)
        if _working.get():
            # The service has done its part; the process does not know yet.
            await anyio.to_thread.run_sync(pass_point)
        return answer

    monkeypatch.setattr(threads.Threads, "run", counted_run)
    monkeypatch.setattr(ServiceClient, "_exchange", counted_exchange)
    return present  # type: ignore[return-value]


def recorded(settings: Settings, order: str = "") -> Recording:
    """Record a meeting ``m``, as a program that died right after its end.

    Args:
        settings: the settings of the program.
        order: what the program wrote for the worker of the recording.
    """
    with Store.open(settings.state_dir) as store:
        recording = store.create(MeetingRequest("m", mode=Mode.STORED), settings.backend)
        recording.audio_path.write_bytes(SOUND)
        store.close_audio(recording.id, len(SOUND))
        store.update(recording.id, backend_state=order)
        return store.get(recording.id)


def assert_nothing_is_left(settings: Settings, deletion: _Deletion, folder: Path) -> None:
    assert deletion.thread is not None
    deletion.thread.join()
    assert deletion.errors == []

    async def check() -> None:
        async with MeetingService(settings) as meetings:
            (found, *_) = await meetings.recordings()
            assert (found.id, found.state) == (deletion.recording, JobState.DELETED)
            with pytest.raises(MeetingNotFoundError):
                await meetings.transcript("m")
            found = await meetings.store.run(Store.get, found.id)
            assert found.backend_state == ""
            assert await meetings.store.run(Store.due_cleanups, 1e12) == []

    anyio.run(check)
    assert list((settings.state_dir / "audio").iterdir()) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "backend", ["batch", "fast", "auto", "local", "realtime", "remote_meeting"]
)
def test_no_step_of_a_backend_brings_a_deleted_meeting_back(
    make: Callable[[str], Settings],
    points: list[_Deletion],
    double: ServiceDouble,
    remote: RemoteMeetings,
    storage: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    def spawn(*_: Any, **__: Any) -> None:
        log_path(recording).write_text("the log of a worker")

    # Both modules are imported before: one that is imported between the two lines would bind
    # the replacement for good, and the workers of later tests would never start.
    monkeypatch.setattr(workers, "spawn", spawn)
    monkeypatch.setattr(realtime_backend, "spawn", spawn)
    monkeypatch.setattr(remote_backend, "spawn", spawn)
    settings = make(backend)
    others = set(blob_names(storage, "speech-compat"))  # of other tests

    async def work() -> None:
        async with MeetingService(settings) as meetings:
            _working.set(True)
            for _ in range(6):
                await meetings.process(recording.id)

    at = 0
    while True:
        at += 1
        # At the service, where the steps are; the worker's steps have a test of their own.
        uploaded = dump_progress(RemoteProgress(RemoteStage.UPLOADED))
        recording = recorded(settings, uploaded if backend == "remote_meeting" else "")
        remote.deleted.clear()
        points[:] = [_Deletion(at, settings, recording.id)]
        anyio.run(work)
        (deletion,) = points
        points.clear()
        if deletion.points < at:
            break
        for job in list(double.jobs.values()):
            job.status = "Succeeded"  # a service deletes no job that is running
        assert_nothing_is_left(settings, deletion, folder)
        assert double.jobs == {}, at
        assert backend != "remote_meeting" or remote.deleted == {"m"}, at
        assert set(blob_names(storage, "speech-compat")) <= others, at
    assert at > {"batch": 20, "auto": 10, "fast": 10}.get(backend, 4)


@pytest.fixture
def accesses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[_Deletion]]:
    """Make points of the accesses to the database, which a worker makes at each step."""
    present: list[_Deletion] = []
    worker = threading.current_thread()
    passing: list[bool] = []

    def counted(real: Any) -> Any:
        def call(*args: Any) -> Any:
            # Not those of the point itself, nor those of the deletion's own threads.
            if present and not passing and threading.current_thread() is worker:
                passing.append(True)
                present[0].pass_point()
                passing.clear()
            return real(*args)

        return call

    monkeypatch.setattr(Database, "transaction", counted(Database.transaction))
    monkeypatch.setattr(Database, "rows", counted(Database.rows))
    return present  # type: ignore[return-value]


def run_local(settings: Settings, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, ENGINE_MODULE, engine_module())
    monkeypatch.setattr(local_pulse, "_CHECKPOINT_SECONDS", 0.0)
    assert local_worker.main(["stored", str(settings.state_dir), recording.id]) == 0


def run_realtime(settings: Settings, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    def send_result(recognizer: FakeRecognizer) -> None:
        recognizer.result("private")

    script = RecognizerScript(written=send_result)
    monkeypatch.setattr(
        "speech_adapters.speech_sdk.recognizer.connect",
        lambda *arguments: script.connect(arguments[-1]),
    )
    monkeypatch.setattr(workers, "_REPORT_SECONDS", 0.0)
    order = WorkerOrder(
        state_dir=settings.state_dir,
        recording=recording.id,
        downmix="auto",
        options=realtime_options(settings).model_copy(update={"key": SecretStr("")}),
        endpoint="ws://127.0.0.1:9",
        key="any",
    )
    assert realtime_worker.main(order.model_dump_json()) == 0


def run_remote(settings: Settings, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    script = RecognizerScript()
    monkeypatch.setattr(
        "speech_adapters.speech_sdk.meeting_recognizer.connect_meeting",
        lambda *arguments: script.connect(arguments[-1]),
    )
    monkeypatch.setattr(workers, "_REPORT_SECONDS", 0.0)
    order = UploadOrder(
        state_dir=settings.state_dir,
        recording=recording.id,
        options=remote_meeting_options(settings).model_copy(update={"key": SecretStr("")}),
        endpoint="ws://127.0.0.1:9",
        key="any",
    )
    assert remote_worker.main(order.model_dump_json()) == 0


_WORK = {"local": run_local, "realtime": run_realtime, "remote_meeting": run_remote}


@pytest.mark.parametrize("backend", _WORK)
def test_no_step_of_a_worker_brings_a_deleted_meeting_back(
    make: Callable[[str], Settings],
    accesses: list[_Deletion],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    settings = make(backend)
    work = _WORK[backend]
    order = Processing(LocalOptions(), "auto").dump() if backend == "local" else ""
    at = 0
    while True:
        at += 1
        recording = recorded(settings, order)
        accesses[:] = [_Deletion(at, settings, recording.id)]
        with monkeypatch.context() as patch:
            work(settings, recording, patch)
        (deletion,) = accesses
        accesses.clear()
        if deletion.points < at:
            break
        assert_nothing_is_left(settings, deletion, folder)
    assert at > 10
