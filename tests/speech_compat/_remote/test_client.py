"""What the requests of a remote client cost, and when it ends its use of the service."""

from __future__ import annotations

import asyncio
import gc
import queue
from typing import Any

import pytest

from double.missing import hide_package
from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters import config as config_module
from speech_adapters import registry, threads
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState, MeetingRequest, MeetingStatus, Mode
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript
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
    """Count openings of the store, settings reads and backend constructions.

    The check of the settings when a client is created is not counted.
    """
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
def closed(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[MeetingService]:
    """Return a queue of the meeting services that were closed.

    A service that only checked the settings is one of them.
    """
    closed: queue.Queue[MeetingService] = queue.Queue()
    aclose = MeetingService.aclose

    async def noting(service: MeetingService) -> None:
        await aclose(service)
        closed.put(service)

    monkeypatch.setattr(MeetingService, "aclose", noting)
    return closed


def client(counted: dict[str, int] | None = None) -> RemoteMeetingTranscriptionClient:
    created = RemoteMeetingTranscriptionClient(SpeechConfig("key", "region"))
    if counted is not None:
        counted.update(dict.fromkeys(counted, 0))
    return created


def configured(**properties: str) -> SpeechConfig:
    config = SpeechConfig("key", "westeurope")
    for name, value in properties.items():
        config.set_property_by_name(f"speech-compat.{name.replace('__', '.')}", value)
    return config


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"backend": "fsat"}, "the closest is 'fast'"),
        ({"downmix": "loud"}, 'The setting "downmix" is'),
        ({"backend": "fast", "backends__fast__retry_seconds": "soon"}, "retry_seconds"),
    ],
)
def test_a_wrong_setting_is_an_error_of_the_constructor(
    properties: dict[str, str], message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        RemoteMeetingTranscriptionClient(configured(**properties))


def test_a_missing_extra_is_an_error_of_the_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "tenacity")
    with pytest.raises(RuntimeError, match=r'pip install "speech-compat\[batch\]"'):
        RemoteMeetingTranscriptionClient(configured(backend="fast"))


def test_meetings_of_this_machine_are_deleted_without_the_extra_of_their_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Store.open(load_settings().state_dir) as store:
        recording = store.create(MeetingRequest("m", mode=Mode.STORED), "local")
        store.complete(recording.id, Transcript("m", (), 0, Provenance("local", "1")))
    hide_package(monkeypatch, "onnxruntime")
    client = RemoteMeetingTranscriptionClient(configured(backend="local"))
    assert client.get_transcription_operation("m").update_status().json()["processingStatus"] == 2
    client.delete_remote_transcription("m")


@pytest.mark.usefixtures("played")
def test_a_token_may_be_set_until_the_first_request() -> None:
    config = SpeechConfig("key", "westeurope")
    client = RemoteMeetingTranscriptionClient(config)
    config.authorization_token = "later"
    client.get_transcription_operation("m").update_status()
    assert client._service is not None
    assert client._service.settings.service.token is not None
    assert client._service.settings.service.token() == "later"


@pytest.mark.usefixtures("played")
def test_a_hundred_polls_open_read_and_create_once(counted: dict[str, int]) -> None:
    operation = client(counted).get_transcription_operation("m")
    for _ in range(POLLS):
        assert operation.update_status().json()["processingStatus"] == 1
    assert counted == {"store": 1, "settings": 1, "backend": 1}


@pytest.mark.usefixtures("played")
def test_a_hundred_awaited_polls_need_no_thread_of_the_program(
    counted: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = client(counted).get_transcription_operation("m")
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
    first, second = client(), client(counted)
    for each in (first, second):
        each.get_transcription_operation("m").update_status()
    assert counted == {"store": 1, "settings": 2, "backend": 1}


@pytest.mark.usefixtures("played")
def test_a_client_that_is_gone_closes_the_service(closed: queue.Queue[MeetingService]) -> None:
    first, second = client(), client()
    for each in (first, second):
        each.get_transcription_operation("m").update_status()
    service = first._service
    del each, first
    gc.collect()
    assert service not in closed.queue
    del second
    gc.collect()
    while closed.get(timeout=30) is not service:
        pass


@pytest.mark.usefixtures("played")
def test_a_client_collected_on_the_loop_itself_closes_the_service(
    closed: queue.Queue[MeetingService],
) -> None:
    """The garbage collector runs in any thread."""
    held = [client()]
    held[0].get_transcription_operation("m").update_status()
    service = held[0]._service

    async def drop() -> None:
        held.clear()
        gc.collect()

    event_loop.call(drop)
    while closed.get(timeout=30) is not service:
        pass


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
