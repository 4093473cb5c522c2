"""The executor of Dask: each recording is one task, which the scheduler keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from double.certificates import write_certificate
from double.dask_cluster import add_worker, cluster, free_port
from double.missing import hide_package
from double.recorder import DONE, Recorder, stored
from speech_adapters import meetings as module
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.errors import (
    BackendError,
    ConfigurationError,
    MissingExtraError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.execution import QUEUED, dask, dask_worker
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import Host
from speech_adapters.store import Recording, Store
from speech_adapters.store.recovery import is_locked

WORKER: Mapping[str, Any] = {}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have their temporary files in the folder of the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    # Each worker has a backend of its own.
    monkeypatch.setattr(module, "create_backend", lambda _, name, host: Recorder(host, name))
    return Steps(monkeypatch)


class Steps:
    """What the backend of the workers does with a recording; by default it completes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.processed: list[str] = []
        self.call: Callable[[Recorder, Recording], Awaitable[None]] = complete

        async def process(backend: Recorder, recording: Recording) -> None:
            self.processed.append(recording.id)
            await self.call(backend, recording)

        monkeypatch.setattr(Recorder, "process", process)


async def complete(backend: Recorder, recording: Recording) -> None:
    await backend.store.run(Store.complete, recording.id, DONE)


def service(address: str, **properties: str) -> MeetingService:
    named = {f"dask.{name}": value for name, value in properties.items()}
    return MeetingService(load_settings({"executor": "dask", "dask.scheduler": address, **named}))


async def final(meetings: MeetingService, recording: Recording) -> Recording:
    """Wait until a recording is final, without a query that would submit it again."""
    with anyio.fail_after(30):
        while not (found := await meetings.store.run(Store.get, recording.id)).state.final:
            await anyio.sleep(0.02)
    return found


async def idle(meetings: MeetingService) -> None:
    """Wait until the executor has the outcome of all tasks."""
    executor: Any = meetings._executor
    with anyio.fail_after(30):
        while executor._watchers:
            await anyio.sleep(0.02)


def test_a_worker_processes_each_recording_once(steps: Steps) -> None:
    recordings = [stored(JobState.PROCESSING) for _ in range(5)]

    async def work() -> None:
        async with cluster(WORKER, WORKER) as address, service(address) as meetings:
            for recording in recordings * 2:
                await meetings.process(recording.id)
            for recording in recordings:
                assert (await final(meetings, recording)).state is JobState.COMPLETED
            assert await meetings.transcript("m") == DONE

    anyio.run(work)
    assert sorted(steps.processed) == sorted(recording.id for recording in recordings)


def test_a_status_query_returns_while_the_worker_has_the_meeting(steps: Steps) -> None:
    recording = stored(JobState.PROCESSING)

    async def work() -> None:
        started, proceed = anyio.Event(), anyio.Event()

        async def wait(backend: Recorder, recording: Recording) -> None:
            started.set()
            await proceed.wait()

        steps.call = wait
        async with cluster(WORKER) as address, service(address) as meetings:
            assert (await meetings.status("m")).step == QUEUED
            await started.wait()
            # Another program, which has not submitted it itself.
            async with service(address) as other:
                assert (await other.status("m")).state is JobState.PROCESSING
                # One task, also of those that wait.
                executor: Any = other._executor
                assert [len(keys) for keys in (await executor._client.processing()).values()] == [1]
            proceed.set()
            await idle(meetings)
            assert steps.processed == [recording.id]
            steps.call = complete
            await meetings.status("m")
            await final(meetings, recording)

    anyio.run(work)
    assert steps.processed == [recording.id] * 2


def test_a_sweep_submits_what_waits_and_needs_no_backend(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = [stored(JobState.PROCESSING) for _ in range(2)]

    def create(_: object, name: str, host: Host) -> Recorder:
        assert host.in_worker, "only workers have the package"
        return Recorder(host, name)

    monkeypatch.setattr(module, "create_backend", create)

    async def work() -> None:
        async with cluster(WORKER) as address, service(address) as meetings:
            await meetings.sweep()
            for recording in recordings:
                await final(meetings, recording)

    anyio.run(work)


def test_an_error_on_the_worker_is_raised_by_the_next_call(steps: Steps) -> None:
    recording = stored(JobState.PROCESSING)

    async def throttle(backend: Recorder, recording: Recording) -> None:
        raise UnavailableError("The service is overloaded.")

    async def work() -> None:
        steps.call = throttle
        async with cluster(WORKER) as address, service(address) as meetings:
            await meetings.process(recording.id)
            await idle(meetings)
            found = await meetings.store.run(Store.get, recording.id)
            assert found.step == "to be tried again: The service is overloaded."
            with pytest.raises(UnavailableError, match=r"^On the worker tcp:.*: The service is ov"):
                await meetings.process(recording.id)
            steps.call = complete
            await meetings.process(recording.id)
            await final(meetings, recording)

    anyio.run(work)


def test_an_unexpected_error_is_reported_without_its_text(steps: Steps) -> None:
    recording = stored(JobState.PROCESSING)

    async def fail(backend: Recorder, recording: Recording) -> None:
        raise ValueError("secret words")

    async def work() -> None:
        steps.call = fail
        async with cluster(WORKER) as address, service(address) as meetings:
            await meetings.process(recording.id)
            await idle(meetings)
            with pytest.raises(BackendError, match="an unexpected ValueError; please") as caught:
                await meetings.process(recording.id)
            assert "secret" not in str(caught.value)

    anyio.run(work)


def test_a_worker_with_another_store_is_named(steps: Steps, tmp_path: Path) -> None:
    with Store.open(tmp_path / "other") as store:
        recording = store.create(stored(JobState.PROCESSING).request, "batch")
        store.close_audio(recording.id, 2)

    async def work() -> None:
        # The worker reads its own settings, those of the environment.
        named = {"executor": "dask", "state_dir": str(tmp_path / "other")}
        async with cluster(WORKER) as address:
            settings = load_settings({**named, "dask.scheduler": address})
            async with MeetingService(settings) as meetings:
                await meetings.process(recording.id)
                await idle(meetings)
                with pytest.raises(Exception, match="is not in the meeting store of this worker"):
                    await meetings.process(recording.id)

    anyio.run(work)
    assert steps.processed == []


@pytest.mark.database("postgres")
def test_a_worker_waits_for_the_lock_that_a_dead_one_left(
    database: str, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the task would end with nothing done, and no program may be left to repeat it."""
    recording = stored(JobState.PROCESSING)
    found: list[bool] = []

    def counted(store: Store, recording: Recording) -> bool:
        found.append(is_locked(store, recording))
        return found[-1]

    monkeypatch.setattr(dask_worker, "is_locked", counted)

    async def work() -> None:
        with Store.open(load_settings().state_dir) as other:
            lock = other.lock_recording(recording.id)
            async with cluster(WORKER) as address, service(address) as meetings:
                await meetings.process(recording.id)
                with anyio.fail_after(30):
                    while not found:
                        await anyio.sleep(0.02)
                lock.release()
                await final(meetings, recording)

    anyio.run(work)
    assert (found[0], found[-1]) == (True, False)
    assert steps.processed == [recording.id]


def test_a_recording_outlives_the_program_that_submitted_it(steps: Steps) -> None:
    recordings = [stored(JobState.PROCESSING) for _ in range(3)]

    async def work() -> None:
        async with cluster() as address:
            async with service(address) as meetings:
                for recording in recordings:
                    await meetings.process(recording.id)
            async with add_worker(address), service(address) as meetings:
                for recording in recordings:
                    await final(meetings, recording)

    anyio.run(work)
    assert sorted(steps.processed) == sorted(recording.id for recording in recordings)


def test_a_lost_scheduler_loses_no_recording(steps: Steps) -> None:
    recording = stored(JobState.PROCESSING)

    async def work() -> None:
        port = free_port()
        async with service(f"tcp://127.0.0.1:{port}", connect_seconds="2") as meetings:
            async with cluster(port=port):
                await meetings.process(recording.id)
            with pytest.raises(UnreachableError):
                await meetings.process(recording.id)
            executor: Any = meetings._executor
            executor._failure = "", 0.0
            async with cluster(WORKER, port=port):
                # The task was lost with the scheduler.
                await meetings.process(recording.id)
                await final(meetings, recording)

    anyio.run(work)
    assert steps.processed == [recording.id]


def test_an_unreachable_scheduler_is_named_and_tried_once(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = [stored(JobState.PROCESSING) for _ in range(3)]
    address = f"tcp://127.0.0.1:{free_port()}"
    attempts: list[object] = []
    connect = dask.connect

    async def counted(options: Any) -> Any:
        attempts.append(options)
        return await connect(options)

    monkeypatch.setattr(dask, "connect", counted)
    errors: list[UnreachableError] = []

    async def work() -> None:
        async with service(address, connect_seconds="0.2") as meetings:

            async def process(recording: Recording) -> None:
                try:
                    await meetings.process(recording.id)
                except UnreachableError as error:
                    errors.append(error)

            async with anyio.create_task_group() as tasks:
                for recording in recordings:
                    tasks.start_soon(process, recording)

    anyio.run(work)
    assert len(attempts) == 1
    assert len(errors) == 3
    assert f"The scheduler of Dask at {address} cannot be reached in 0.2 s" in str(errors[0])
    assert "SPEECH_COMPAT_DASK__SCHEDULER" in str(errors[0])
    assert errors[0].retryable


def test_a_port_that_is_no_scheduler_is_unreachable() -> None:
    async def work() -> None:
        async def answer(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    await stream.receive()

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, answer)
            settings = load_settings(
                {"dask.scheduler": f"tcp://127.0.0.1:{port}", "dask.connect_seconds": "0.5"}
            )
            with pytest.raises(UnreachableError):
                await dask.connect(settings.dask)
            tasks.cancel_scope.cancel()

    anyio.run(work)


def test_a_recording_before_its_next_poll_is_not_submitted(steps: Steps) -> None:
    recording = stored(JobState.PROCESSING)

    async def work() -> None:
        async with service(f"tcp://127.0.0.1:{free_port()}") as meetings:
            await meetings.store.run(Store.update, recording.id, next_poll=1e12)
            await meetings.process(recording.id)

    anyio.run(work)


def test_resources_select_the_workers(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_DASK__RESOURCES", '{"batch": {"GPU": 1}}')
    recordings = [stored(JobState.PROCESSING) for _ in range(3)]

    async def work() -> None:
        async with (
            cluster() as address,
            add_worker(address) as plain,
            add_worker(address, resources={"GPU": 1}) as gpu,
            service(address) as meetings,
        ):
            for recording in recordings:
                await meetings.process(recording.id)
            for recording in recordings:
                await final(meetings, recording)
            assert "speech-compat" in gpu.plugins
            assert "speech-compat" not in plain.plugins

    anyio.run(work)


def test_a_worker_closes_its_service_when_it_ends(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = stored(JobState.PROCESSING)
    closed: list[bool] = []
    aclose = MeetingService.aclose

    async def noted(self: MeetingService) -> None:
        closed.append(self.in_worker)
        await aclose(self)

    monkeypatch.setattr(MeetingService, "aclose", noted)

    async def work() -> None:
        async with cluster() as address, service(address) as meetings:
            async with add_worker(address):
                await meetings.process(recording.id)
                await final(meetings, recording)
            assert closed == [True]

    anyio.run(work)


def test_a_scheduler_with_tls_needs_the_certificate(steps: Steps, tmp_path: Path) -> None:
    from distributed import Security

    recording = stored(JobState.PROCESSING)
    certificate, key = write_certificate(tmp_path, "localhost")
    files = {"tls_ca_file": str(certificate)}
    for name in ("scheduler", "worker", "client"):
        files |= {f"tls_{name}_cert": str(certificate), f"tls_{name}_key": str(key)}
    security = Security(require_encryption=True, **files)
    ours = {"tls_ca_file": str(certificate), "tls_cert": str(certificate), "tls_key": str(key)}

    async def work() -> None:
        async with (
            cluster(security=security, protocol="tls") as address,
            add_worker(address, security=security),
            service(address, connect_seconds="2", **ours) as meetings,
        ):
            assert address.startswith("tls://")
            await meetings.process(recording.id)
            await final(meetings, recording)
            without = load_settings({"dask.scheduler": address, "dask.connect_seconds": "0.5"})
            with pytest.raises(UnreachableError):
                await dask.connect(without.dask)

    anyio.run(work)


def test_the_package_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "distributed")

    async def work() -> None:
        async with service("tcp://127.0.0.1:1") as meetings:
            with pytest.raises(MissingExtraError, match=r'pip install "speech-compat\[dask\]"'):
                meetings.check_executor()
            with pytest.raises(MissingExtraError):
                await meetings.process(stored(JobState.PROCESSING).id)

    anyio.run(work)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({}, "set dask.scheduler to tcp://HOST:8786"),
        (
            {"dask.scheduler": "tls://a:1", "dask.tls_key": "/no/file"},
            "There is no file /no/file: correct dask.tls_key",
        ),
    ],
)
def test_missing_settings_are_found_before_a_connection(
    properties: dict[str, str], message: str
) -> None:
    settings = load_settings({"executor": "dask", **properties})

    async def work() -> None:
        async with MeetingService(settings) as meetings:
            with pytest.raises(ConfigurationError, match=message):
                meetings.check_executor()

    anyio.run(work)


def test_a_service_without_executor_has_nothing_to_check() -> None:
    async def work() -> None:
        async with MeetingService(load_settings()) as meetings:
            meetings.check_executor()

    anyio.run(work)
