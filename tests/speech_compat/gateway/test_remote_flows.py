"""The remote flows of C# and Java as HTTP exchanges, against the local backend's workers.

The two classes do what the clients of the retired service did, and send what they sent
(docs/protocol/legacy-interface.md, 2.2, 2.3 and 2.5).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import httpx
import pytest

import speech_compat as speechsdk
from double.engine import model_folder, worker_command
from double.gateway import KEYS, serving, settings_of
from double.meetings import SOUND, run
from speech_adapters import MeetingRequest, Mode
from speech_adapters.backends.local import engine_process, job
from speech_adapters.config import Settings
from speech_adapters.meetings import MeetingService
from speech_compat.remote_meeting import (
    RemoteMeetingTranscriptionClient,
    TranscriptionDeletedError,
    TranscriptionFailedError,
)

UPLOADING, PROCESSING, COMPLETED, FAILED, DELETED = range(5)
FINAL: Final = (COMPLETED, FAILED, DELETED)
POLLS: Final = 600
POLL_SECONDS: Final = 0.1


class CSharpOperation:
    """``RemoteMeetingTranscriptionOperation`` with its client."""

    def __init__(self, endpoint: str, key: str, meeting_id: str) -> None:
        # HttpClient sends no more than these; the base is the endpoint as it is.
        self._http = httpx.Client(timeout=30)
        self._http.headers.clear()
        self._headers = {"accept": "application/json", "Ocp-Apim-Subscription-Key": key}
        self._address = f"{endpoint}/OfflineTask?id={meeting_id}"
        self.status_code = 0
        self.state = UPLOADING
        self.items: list[dict[str, Any]] = []

    def close(self) -> None:
        self._http.close()

    @property
    def has_completed(self) -> bool:
        return self.state in FINAL

    def update_status(self) -> int:
        if not self.has_completed:
            response = self._http.get(self._address, headers=self._headers)
            self.status_code = response.status_code
            document = response.json()
            # It checks no HTTP status: without a number, the state is the first one.
            self.state = document.get("processingStatus", UPLOADING)
            self.items = document.get("transcriptions", [])
        return self.state

    def wait_for_completion(self) -> list[dict[str, Any]]:
        for _ in range(POLLS):
            self.update_status()
            if self.has_completed:
                return self.value
            time.sleep(POLL_SECONDS)
        raise AssertionError("the wait does not end")

    @property
    def value(self) -> list[dict[str, Any]]:
        if self.state == DELETED:
            raise ValueError("The operation was deleted so no value is available.")
        if self.state == FAILED:
            raise ValueError("The operation was failed so no value is available.")
        return self.items

    def delete(self) -> int:
        return self._http.delete(self._address, headers=self._headers).status_code


class JavaClient:
    """``RemoteMeetingTranscriptionClient`` with its poller."""

    STATES: Final = {
        UPLOADING: "NOT_STARTED",
        PROCESSING: "IN_PROGRESS",
        COMPLETED: "SUCCESSFULLY_COMPLETED",
        DELETED: "SUCCESSFULLY_COMPLETED",
    }

    def __init__(self, endpoint: str, key: str) -> None:
        headers = {"Accept": "application/json", "Ocp-Apim-Subscription-Key": key}
        self._http = httpx.Client(headers=headers, timeout=30)
        self._address = f"{endpoint}/offlinetask"
        self.error: int | None = None
        self.result: list[dict[str, Any]] | None = None

    def close(self) -> None:
        self._http.close()

    def poll(self, meeting_id: str) -> str:
        response = self._http.get(self._address, params={"id": meeting_id})
        if response.status_code != 200:
            self.error = response.status_code
            return "FAILED"
        document = response.json()
        state = document["processingStatus"]
        if state == COMPLETED:
            self.result = document["transcriptions"]
        return self.STATES.get(state, "FAILED")

    def poll_to_the_end(self, meeting_id: str) -> list[str]:
        """Return the states, each once."""
        states: list[str] = []
        for _ in range(POLLS):
            state = self.poll(meeting_id)
            states += [state] if state not in states else []
            if state in ("SUCCESSFULLY_COMPLETED", "FAILED"):
                return states
            time.sleep(POLL_SECONDS)
        raise AssertionError("the poller does not end")

    def delete(self, meeting_id: str) -> int:
        return self._http.delete(self._address, params={"id": meeting_id}).status_code


class Site:
    """A gateway whose engine is a double, and the store in which its meetings are recorded."""

    def __init__(self, settings: Settings, address: str, model: Path) -> None:
        self.address = address
        self.endpoint = f"{address}/api/v1"
        self._settings = settings
        self._model = model

    def go_on(self) -> None:
        """Release an engine that waits."""
        (self._model / "go on").touch()

    def record(self, meeting_id: str, while_open: Callable[[], None] = lambda: None) -> None:
        """Record two seconds as another process of the same store does."""

        async def work(meetings: MeetingService) -> None:
            request = MeetingRequest(f"alice/{meeting_id}", mode=Mode.STORED)
            async with await meetings.open_session(request) as session:
                await session.push(SOUND + SOUND)
                await anyio.to_thread.run_sync(while_open)
                await session.finish()

        run(self._settings, work)


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Site]:
    for module in (job, engine_process):
        monkeypatch.setattr(module, "command", worker_command)
    model = model_folder(tmp_path / "models", getattr(request, "param", "wait"))
    named = {"backend": "local", "backends.local.model_path": str(model)}
    settings = settings_of(tmp_path / "state", **named)
    with serving(settings) as address:
        site = Site(settings, address, model)
        yield site
        site.go_on()


@pytest.fixture
def csharp(site: Site) -> Iterator[CSharpOperation]:
    operation = CSharpOperation(site.endpoint, KEYS["alice"], "m")
    yield operation
    operation.close()


@pytest.fixture
def java(site: Site) -> Iterator[JavaClient]:
    client = JavaClient(site.endpoint, KEYS["alice"])
    yield client
    client.close()


def test_csharp_waits_through_the_states_and_deletes(site: Site, csharp: CSharpOperation) -> None:
    states: list[int] = []
    site.record("m", while_open=lambda: states.append(csharp.update_status()))
    states.append(csharp.update_status())
    assert states == [UPLOADING, PROCESSING]
    site.go_on()
    items = csharp.wait_for_completion()
    assert csharp.state == COMPLETED
    assert [item["text"] for item in items] == ["Second 0.", "Second 1."]
    assert {item["userId"] for item in items} == {"Guest_0"}
    # Enum.TryParse of the text, as the client reads it.
    assert {str(item["reason"]) for item in items} == {"RecognizedSpeech"}
    assert [item["offsetInTicks"] for item in items] == [0, 10_000_000]
    assert all(isinstance(item["durationInTicks"], int) for item in items)
    assert all(len(item["resultId"]) == 32 for item in items)
    assert csharp.delete() == 200
    again = CSharpOperation(site.endpoint, KEYS["alice"], "m")
    with pytest.raises(ValueError, match="was deleted"):
        again.wait_for_completion()
    again.close()


@pytest.mark.parametrize("site", ["fail"], indirect=True)
def test_a_failed_meeting_ends_the_wait(
    site: Site, csharp: CSharpOperation, java: JavaClient
) -> None:
    site.record("m")
    with pytest.raises(ValueError, match="was failed"):
        csharp.wait_for_completion()
    assert java.poll("m") == "FAILED"
    assert java.error is None
    headers = {"Ocp-Apim-Subscription-Key": KEYS["alice"]}
    answer = httpx.get(f"{site.endpoint}/offlinetask?id=m", headers=headers).json()
    assert answer["processingStatus"] == FAILED
    assert answer["failureReason"] == "The speech engine failed as the test ordered."
    assert answer["transcriptions"] == []


def test_java_polls_through_the_states_and_deletes(site: Site, java: JavaClient) -> None:
    states: list[str] = []
    site.record("m", while_open=lambda: states.append(java.poll("m")))
    states.append(java.poll("m"))
    assert states == ["NOT_STARTED", "IN_PROGRESS"]
    site.go_on()
    assert java.poll_to_the_end("m")[-1] == "SUCCESSFULLY_COMPLETED"
    assert java.result is not None
    assert [item["text"] for item in java.result] == ["Second 0.", "Second 1."]
    assert java.delete("m") == 200
    java.result = None
    assert java.poll("m") == "SUCCESSFULLY_COMPLETED"
    assert java.result is None
    assert java.delete("m") == 200


def test_an_unknown_id(site: Site, csharp: CSharpOperation, java: JavaClient) -> None:
    assert java.poll("m") == "FAILED"
    assert java.error == 404
    assert java.delete("m") == 404
    # As with the retired service, the C# client goes on waiting.
    assert csharp.update_status() == UPLOADING
    assert csharp.status_code == 404
    assert csharp.delete() == 404


def test_a_wrong_key(site: Site) -> None:
    site.record("m")
    site.go_on()
    for key in ("wrong", "", KEYS["bob"]):
        java = JavaClient(site.endpoint, key)
        csharp = CSharpOperation(site.endpoint, key, "m")
        expected = 404 if key == KEYS["bob"] else 401
        assert java.poll("m") == "FAILED"
        assert (java.error, java.delete("m")) == (expected, expected)
        assert (csharp.update_status(), csharp.status_code) == (UPLOADING, expected)
        assert csharp.delete() == expected
        java.close()
        csharp.close()
    found = CSharpOperation(site.endpoint, KEYS["alice"], "m")
    assert len(found.wait_for_completion()) == 2
    found.close()


def test_the_endpoint_of_the_upload_serves_the_remote_client_too(site: Site) -> None:
    """One SpeechConfig, with one endpoint, is used for both halves."""
    site.record("m")
    site.go_on()
    endpoint = f"{site.address}/speech/recognition/multiaudio"
    for operation in (
        CSharpOperation(endpoint, KEYS["alice"], "m"),
        CSharpOperation(endpoint + "/", KEYS["alice"], "m"),
    ):
        assert len(operation.wait_for_completion()) == 2
        operation.close()


def client_of_the_project(site: Site, owner: str = "alice") -> RemoteMeetingTranscriptionClient:
    """Return a client as a program in another process creates it, with its own store."""
    config = speechsdk.SpeechConfig(subscription=KEYS[owner], endpoint=site.endpoint)
    config.set_property_by_name("speech-compat.backend", "remote_meeting")
    return RemoteMeetingTranscriptionClient(config)


def test_the_projects_own_client_fetches_and_deletes(site: Site) -> None:
    client = client_of_the_project(site)
    operation = client.get_transcription_operation("m", polling_interval=POLL_SECONDS)
    states: list[int] = []

    def poll() -> None:
        states.append(operation.update_status().json()["processingStatus"])

    site.record("m", while_open=poll)
    poll()
    assert states == [UPLOADING, PROCESSING]
    site.go_on()
    items = operation.wait_for_completion(timeout=60).meeting_transcription_results
    assert [item.text for item in items] == ["Second 0.", "Second 1."]
    assert {item.user_id for item in items} == {"Guest_0"}
    assert client.delete_remote_transcription("m").status_code == 200
    again = client.get_transcription_operation("m")
    with pytest.raises(TranscriptionDeletedError):
        again.wait_for_completion(timeout=60)


@pytest.mark.parametrize("site", ["fail"], indirect=True)
def test_the_projects_own_client_reports_a_failure_and_another_owner_finds_nothing(
    site: Site,
) -> None:
    site.record("m")
    operation = client_of_the_project(site).get_transcription_operation("m", POLL_SECONDS)
    with pytest.raises(TranscriptionFailedError):
        operation.wait_for_completion(timeout=60)
    with pytest.raises(RuntimeError, match="no meeting"):
        client_of_the_project(site, "bob").get_transcription_operation("m").update_status()
