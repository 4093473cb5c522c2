"""The client against the double of the service, with each fault of a service or a proxy."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from starlette.responses import JSONResponse, Response

from double.remote_meetings import KEY, RemoteMeetings
from double.service import Fault
from speech_adapters import isolated
from speech_adapters.azure.http import KeyAuth, RetryPolicy, ServiceClient
from speech_adapters.azure.limits import AnswerLimits
from speech_adapters.backends.remote_meeting import client as module
from speech_adapters.backends.remote_meeting.answers import TaskStatus
from speech_adapters.backends.remote_meeting.client import MeetingClient, is_busy
from speech_adapters.contract import JobState
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    MeetingBusyError,
    RefusedError,
    SpeechError,
    ThrottledError,
    TimedOutError,
    UnavailableError,
)
from speech_compat.testing.loopback import Script

T = TypeVar("T")
ID = "a/meeting?with=all &sorts ü"


@pytest.fixture
def service() -> Iterator[RemoteMeetings]:
    service = RemoteMeetings(Script())
    service.others[ID] = {"id": ID, "processingStatus": 1}
    with service.running():
        yield service


def use(
    service: RemoteMeetings,
    work: Callable[[MeetingClient], Awaitable[T]],
    *,
    key: str = KEY,
    limits: AnswerLimits | None = None,
) -> T:
    async def closing() -> T:
        policy = RetryPolicy(attempts=2, first=0.0)
        client = MeetingClient(ServiceClient(service.rest, KeyAuth(key), policy, limits=limits))
        try:
            return await work(client)
        finally:
            await client.aclose()

    return anyio.run(closing)


@pytest.fixture
def query(service: RemoteMeetings, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that asks about a meeting; it returns the state and the pause."""

    def ask(meeting_id: str = ID, **more: Any) -> Any:
        answer = tmp_path / "answer.json"
        return use(service, lambda client: client.query(meeting_id, answer), **more)

    return ask


def fault(response: Response, times: int = 99) -> Fault:
    return Fault("GET /api/v1/offlinetask", response, times)


@pytest.mark.parametrize("state", JobState)
def test_every_state_is_read(
    service: RemoteMeetings, query: Callable[..., Any], state: JobState
) -> None:
    for status in (state.value, list(JobState).index(state)):
        service.others[ID] = {"processingStatus": status}
        assert query() == (TaskStatus(state), 0.0)


def test_an_unknown_meeting_has_no_state(query: Callable[..., Any]) -> None:
    assert query("unknown") == (None, 0.0)


def test_the_pause_that_the_service_requests_is_returned(
    service: RemoteMeetings, query: Callable[..., Any]
) -> None:
    service.faults = [fault(JSONResponse({"processingStatus": 1}, headers={"Retry-After": "7"}))]
    assert query() == (TaskStatus(JobState.PROCESSING), 7.0)


@pytest.mark.parametrize(
    ("response", "kind", "message"),
    [
        (Response(status_code=400), RefusedError, "400"),
        (Response(status_code=409), MeetingBusyError, "409"),
        (Response(status_code=403), AuthenticationError, "403"),
        (Response(status_code=429, headers={"Retry-After": "0"}), ThrottledError, "429"),
        (Response(status_code=500), UnavailableError, "500"),
        (Response(status_code=503), UnavailableError, "503"),
        (Response("<html>private</html>", media_type="text/html"), BackendError, "is no JSON"),
        (JSONResponse({"processingStatus": "Queued"}), BackendError, "is unknown"),
        (JSONResponse({"error": "private"}), BackendError, "no processingStatus"),
        (Response(status_code=204), BackendError, "is no JSON"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_no_answer_is_an_error_with_a_reason(
    service: RemoteMeetings,
    query: Callable[..., Any],
    response: Response,
    kind: type[SpeechError],
    message: str,
) -> None:
    service.faults = [fault(response)]
    with pytest.raises(kind, match=message) as error:
        query()
    assert "private" not in str(error.value)


def test_a_wrong_key_is_an_error(query: Callable[..., Any]) -> None:
    with pytest.raises(AuthenticationError, match="401"):
        query(key="wrong")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(
    service: RemoteMeetings, query: Callable[..., Any], status: int
) -> None:
    service.faults = [fault(Response(status_code=status, headers={"Retry-After": "0"}), 1)]
    assert query() == (TaskStatus(JobState.PROCESSING), 0.0)
    assert len(service.requests) == 2


def test_an_answer_that_is_too_large_is_not_read(
    service: RemoteMeetings, query: Callable[..., Any], tmp_path: Path
) -> None:
    service.others[ID] = {"processingStatus": 2, "transcriptions": ["x" * 100_000]}
    with pytest.raises(BackendError, match=r"more than 0\.01 MB"):
        query(limits=AnswerLimits(result_bytes=10_000))
    assert (tmp_path / "answer.json").stat().st_size <= 10_000


def test_a_service_that_hangs_is_an_error(
    service: RemoteMeetings, query: Callable[..., Any]
) -> None:
    async def hang(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        await receive()  # the request
        await receive()  # until the client leaves

    response = Response()
    response.__class__ = type("Hanging", (Response,), {"__call__": staticmethod(hang)})
    service.faults = [fault(response)]
    with pytest.raises(TimedOutError, match=r"has not answered GET completely in 0\.3 s"):
        query(limits=AnswerLimits(result_seconds=0.3))


def test_the_state_in_a_large_answer_is_read_by_another_process(
    service: RemoteMeetings, query: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    async def run_isolated(function: Callable[[str], str], argument: str) -> str:
        called.append(function.__qualname__)
        return await isolated.run_isolated(function, argument)

    monkeypatch.setattr(isolated, "LARGE_BYTES", 100)
    monkeypatch.setattr(module, "run_isolated", run_isolated)
    service.others[ID] = {"processingStatus": 2, "transcriptions": [{"text": "x" * 100}]}
    assert query() == (TaskStatus(JobState.COMPLETED), 0.0)
    assert called == ["read_status_isolated"]


def test_deletion(service: RemoteMeetings, query: Callable[..., Any]) -> None:
    assert use(service, lambda client: client.delete(ID))
    assert query() == (None, 0.0)
    assert not use(service, lambda client: client.delete(ID))


@pytest.mark.parametrize(("status", "busy"), [(409, True), (423, True), (400, False)])
def test_a_deletion_that_is_refused(service: RemoteMeetings, status: int, busy: bool) -> None:
    service.faults = [Fault("DELETE", Response(status_code=status))]
    with pytest.raises(RefusedError) as error:
        use(service, lambda client: client.delete(ID))
    assert is_busy(error.value) is busy  # type: ignore[arg-type]


def test_an_answer_is_written_to_the_file(
    service: RemoteMeetings, query: Callable[..., Any], tmp_path: Path
) -> None:
    query()
    assert json.loads((tmp_path / "answer.json").read_text()) == service.others[ID]
