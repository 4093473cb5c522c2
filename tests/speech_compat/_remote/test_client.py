"""What the requests of a remote client cost, and when it ends its use of the service."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters import config as config_module
from speech_adapters import registry, threads
from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_compat import SpeechConfig
from speech_compat._remote.client import RemoteClient
from speech_compat._session import event_loop, services
from speech_compat.remote_meeting import RemoteMeetingTranscriptionClient

POLLS = 100


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = install(monkeypatch, Played(Scenario()))
    played.states = [MeetingStatus("m", JobState.PROCESSING)]
    return played


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count openings of the store, settings reads and backend constructions."""
    counts: dict[str, int] = {"store": 0, "settings": 0, "backend": 0}

    def count(name: str, function: Any) -> Any:
        def counting(*arguments: Any, **more: Any) -> Any:
            counts[name] += 1
            return function(*arguments, **more)

        return counting

    monkeypatch.setattr(Store, "open", count("store", Store.open))
    read = count("settings", config_module.load_settings)
    monkeypatch.setattr(config_module, "load_settings", read)
    create = count("backend", registry.create_backend)
    monkeypatch.setattr("speech_adapters.meetings.create_backend", create)
    return counts


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set when a meeting service was closed."""
    closed = threading.Event()
    aclose = MeetingService.aclose

    async def noting(service: MeetingService) -> None:
        await aclose(service)
        closed.set()

    monkeypatch.setattr(MeetingService, "aclose", noting)
    return closed


def client() -> RemoteMeetingTranscriptionClient:
    return RemoteMeetingTranscriptionClient(SpeechConfig("key", "region"))


@pytest.mark.usefixtures("played")
def test_a_hundred_polls_open_read_and_create_once(counted: dict[str, int]) -> None:
    operation = client().get_transcription_operation("m")
    for _ in range(POLLS):
        assert operation.update_status().json()["processingStatus"] == 1
    assert counted == {"store": 1, "settings": 1, "backend": 1}


@pytest.mark.usefixtures("played")
def test_a_hundred_awaited_polls_need_no_thread_of_the_program(
    counted: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = client().get_transcription_operation("m")
    monkeypatch.setattr(asyncio, "to_thread", None)

    async def poll() -> None:
        await asyncio.gather(*(operation.update_status_async() for _ in range(POLLS)))

    asyncio.run(poll())
    assert counted == {"store": 1, "settings": 1, "backend": 1}


@pytest.mark.usefixtures("played")
def test_a_poll_does_not_wait_for_computing_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    operation = client().get_transcription_operation("m")
    operation.update_status()
    run = threads.Threads.run

    async def run_others(kind: threads.Threads, *args: Any, **options: Any) -> Any:
        assert kind is not threads.COMPUTE  # they may be busy for minutes
        return await run(kind, *args, **options)

    monkeypatch.setattr(threads.Threads, "run", run_others)
    assert operation.update_status().json()["processingStatus"] == 1


@pytest.mark.usefixtures("played")
def test_clients_with_equal_settings_share_one_service(counted: dict[str, int]) -> None:
    first, second = client(), client()
    for each in (first, second):
        each.get_transcription_operation("m").update_status()
    assert counted == {"store": 1, "settings": 2, "backend": 1}


@pytest.mark.usefixtures("played")
def test_a_client_that_is_gone_closes_the_service(closed: threading.Event) -> None:
    first, second = client(), client()
    for each in (first, second):
        each.get_transcription_operation("m").update_status()
    del each, first
    gc.collect()
    assert not closed.is_set()
    del second
    gc.collect()
    assert closed.wait(30)


@pytest.mark.usefixtures("played")
def test_a_client_collected_on_the_loop_itself_closes_the_service(
    closed: threading.Event,
) -> None:
    """The garbage collector runs in any thread."""
    held = [client()]
    held[0].get_transcription_operation("m").update_status()

    async def drop() -> None:
        held.clear()
        gc.collect()

    event_loop.call(drop)
    assert closed.wait(30)


def test_the_configuration_must_be_a_speech_config() -> None:
    with pytest.raises(ValueError, match="config must be a SpeechConfig instance"):
        RemoteClient("key")  # type: ignore[arg-type]


@pytest.mark.usefixtures("played")
def test_no_service_stays_in_use_after_the_clients_are_gone() -> None:
    gc.collect()
    before = len(services._users)
    only = client()
    only.get_transcription_operation("m").update_status()
    assert len(services._users) == before + 1
    del only
    gc.collect()
    assert len(services._users) == before
