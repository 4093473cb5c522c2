"""Every state of a meeting at a service with the retired interface, from cassettes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from starlette.responses import Response

from double.meetings import run
from double.remote_meetings import KEY, RemoteMeetings
from double.service import Fault
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
)
from speech_adapters.meetings import MeetingService
from speech_compat.testing.loopback import Script

pytestmark = pytest.mark.vcr
T = TypeVar("T")
PORT = 18_098
ID = "weekly 'stand-up' & more"
# The spelling of the C# client's model, with numbers as the Java client reads them.
PARTS = [
    {
        "userId": "Guest_1",
        "resultId": "11111111111111111111111111111111",
        "reason": 3,
        "text": "Good morning.",
        "durationInTicks": 9_000_000,
        "offsetInTicks": 12_000_000,
    },
    {
        "userId": "katie@example.com",
        "resultId": "22222222222222222222222222222222",
        "reason": "RecognizedSpeech",
        "text": "Hello.",
        "durationInTicks": "5000000",
        "offsetInTicks": "30000000",
    },
    {"userId": "Unidentified", "reason": 3, "text": "Yes.", "offsetInTicks": 36_000_000},
    {"userId": "Unidentified", "resultId": "4", "reason": 0, "text": "", "offsetInTicks": 1},
]
STATES = ("Uploading", "Processing", "Completed", "Failed", "Deleted")


@pytest.fixture
def service(record_mode: str) -> Iterator[RemoteMeetings]:
    """Yield the service; it runs only while cassettes are recorded."""
    service = RemoteMeetings(Script())
    if record_mode == "none":
        yield service
        return
    with service.running(PORT):
        yield service


@pytest.fixture
def ask(tmp_path: Path, service: RemoteMeetings) -> Callable[..., Any]:
    """Return a function that runs a coroutine function with a meeting service."""

    def work(action: Callable[[MeetingService], Awaitable[T]], key: str = KEY) -> T:
        options = {
            "websocket_endpoint": "ws://127.0.0.1:9/speech/recognition/multiaudio",
            "rest_endpoint": f"http://127.0.0.1:{PORT}/api/v1",
            "key": key,
            "retry_seconds": "0",
        }
        settings = load_settings(
            {
                "backend": "remote_meeting",
                "state_dir": str(tmp_path),
                **{f"backends.remote_meeting.{name}": value for name, value in options.items()},
            }
        )
        return run(settings, action)

    return work


@pytest.mark.parametrize("named", [False, True], ids=["number", "name"])
@pytest.mark.parametrize("number", range(5), ids=STATES)
def test_a_state(
    service: RemoteMeetings, ask: Callable[..., Any], number: int, named: bool
) -> None:
    service.others[ID] = {
        "id": ID,
        "processingStatus": STATES[number] if named else number,
        "transcriptions": PARTS if number == 2 else [],
    }
    status: MeetingStatus = ask(lambda meetings: meetings.status(ID))
    assert status.state is JobState(STATES[number])
    assert bool(status.reason) is (status.state is JobState.FAILED)
    kinds = {
        JobState.UPLOADING: MeetingBusyError,
        JobState.PROCESSING: MeetingBusyError,
        JobState.FAILED: MeetingFailedError,
        JobState.DELETED: MeetingNotFoundError,
    }
    if status.state in kinds:
        with pytest.raises(kinds[status.state]):
            ask(lambda meetings: meetings.transcript(ID))
        return
    found = ask(lambda meetings: meetings.transcript(ID))
    assert [(u.text, u.speaker, u.participant, u.offset, u.duration) for u in found.utterances] == [
        ("Good morning.", 0, None, 12_000_000, 9_000_000),
        ("Hello.", 1, "katie@example.com", 30_000_000, 5_000_000),
        ("Yes.", None, None, 36_000_000, 0),
    ]


def test_deletion(service: RemoteMeetings, ask: Callable[..., Any]) -> None:
    service.others[ID] = {"id": ID, "processingStatus": 2, "transcriptions": []}
    ask(lambda meetings: meetings.delete(ID))
    for name in ("status", "delete"):
        with pytest.raises(MeetingNotFoundError):
            ask(lambda meetings, name=name: getattr(meetings, name)(ID))


def test_a_wrong_key(ask: Callable[..., Any]) -> None:
    with pytest.raises(AuthenticationError, match="401"):
        ask(lambda meetings: meetings.status(ID), "wrong")


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (Response("<html></html>", media_type="text/html"), "no JSON"),
        (Response('{"error": {"code": "Unexpected"}}', media_type="application/json"), "has no"),
        (Response('{"processingStatus": 9}', media_type="application/json"), "is unknown"),
    ],
    ids=["html", "error", "unknown"],
)
def test_what_is_no_answer(
    service: RemoteMeetings, ask: Callable[..., Any], response: Response, message: str
) -> None:
    service.faults = [Fault("GET", response)]
    with pytest.raises(BackendError, match=message):
        ask(lambda meetings: meetings.status(ID))


def test_a_service_that_recovers(service: RemoteMeetings, ask: Callable[..., Any]) -> None:
    service.others[ID] = {"id": ID, "processingStatus": 1}
    headers = {"Retry-After": "0"}
    service.faults = [
        Fault("GET", Response(status_code=503, headers=headers)),
        Fault("GET", Response(status_code=429, headers=headers)),
    ]
    assert ask(lambda meetings: meetings.status(ID)).state is JobState.PROCESSING
