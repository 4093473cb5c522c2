"""Recognizers for meetings: the real SDK against the loopback service."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest

from double.recognition import SECOND, Play, audio
from speech_adapters.audio import PcmFormat
from speech_adapters.errors import AuthenticationError, BackendError
from speech_adapters.request import Attendee, MeetingRequest, Mode
from speech_adapters.speech_sdk.meeting_recognizer import MeetingRecognizer, connect_meeting
from speech_adapters.speech_sdk.messages import (
    Completed,
    Failed,
    FinalResult,
    PartialResult,
    RecognizerMessage,
)
from speech_adapters.speech_sdk.options import Access
from speech_compat.testing.loopback import Line, Script

AWKWARD = 'it\'s "quoted"/..\\slashed \N{PARTY POPPER} ' + "x" * 300
Messages = queue.Queue[RecognizerMessage]


def access_to(url: str, **more: str) -> Access:
    return Access(endpoint=f"{url}/speech/recognition/multiaudio", **{"key": "k", **more})  # type: ignore[arg-type]


@contextmanager
def connected(
    url: str, request: MeetingRequest, access: Access | None = None
) -> Iterator[tuple[MeetingRecognizer, Messages]]:
    received: Messages = queue.Queue()
    recognizer = connect_meeting(request, access or access_to(url), 100.0, received.put)
    try:
        recognizer.start()
        yield recognizer, received
    finally:
        recognizer.stop()
        recognizer.wait_stopped(30)


def last(received: Messages) -> list[RecognizerMessage]:
    """Return all messages up to the last one."""
    found: list[RecognizerMessage] = []
    while not found or not isinstance(found[-1], Completed | Failed):
        found.append(received.get(timeout=60))
    return found


def test_a_meeting_has_its_id_its_participants_and_all_channels(play: Play) -> None:
    lines = (
        Line("hi", SECOND, SECOND, "Guest_0", ("h",)),
        Line("there", 2 * SECOND, SECOND, "katie"),
    )
    service, url = play(Script(lines))
    request = MeetingRequest(
        AWKWARD,
        audio=PcmFormat(16_000, 8),
        mode=Mode.BOTH,
        attendees=(Attendee("katie", "de-DE", '{"Version": 1}'), Attendee("steve")),
    )
    with connected(url, request) as (recognizer, received):
        recognizer.write(audio(0, 4, channels=8))
        recognizer.end()
        messages = last(received)
    (meeting,) = service.meetings
    assert meeting.id == AWKWARD
    assert [tuple(found.values())[:3] for found in meeting.details["attendees"]] == [
        ("katie", "de-DE", '{"Version": 1}'),
        ("steve", "en-US", ""),
    ]
    assert (meeting.pcm, meeting.received, meeting.ended) == (
        PcmFormat(16_000, 8),
        4 * SECOND,
        True,
    )
    own = [service.result_id(meeting.connection_id, line) for line in lines]
    results = [m for m in messages if isinstance(m, PartialResult | FinalResult) and m.text]
    assert [(m.text, m.label, m.id) for m in results] == [
        ("h", "Guest_0", own[0]),
        ("hi", "Guest_0", own[0]),
        ("there", "katie", own[1]),
    ]
    assert messages[-1] == Completed()


def test_a_meeting_that_is_only_stored_has_no_results(play: Play) -> None:
    service, url = play(Script((Line("hi", 0, SECOND),)))
    with connected(url, MeetingRequest("m", mode=Mode.STORED)) as (recognizer, received):
        recognizer.write(audio(0, 2))
        recognizer.end()
        messages = last(received)
    assert not [m for m in messages if isinstance(m, FinalResult) and m.text]
    assert messages[-1] == Completed()
    assert service.meetings[0].ended


def test_the_sdk_prints_nothing(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    _, url = play(Script())
    with connected(url, MeetingRequest("m")) as (recognizer, received):
        recognizer.write(audio(0, 1))
        recognizer.end()
        last(received)
    assert capfd.readouterr().out == ""


def test_a_refusal_is_the_last_message(play: Play) -> None:
    _, url = play(Script(refuse=401))
    with connected(url, MeetingRequest("m")) as (recognizer, received):
        recognizer.write(audio(0, 1))
        message = last(received)[-1]
    assert isinstance(message, Failed)
    assert isinstance(message.error, AuthenticationError)


def test_a_token_is_renewed_for_the_next_connection(play: Play) -> None:
    tokens = ["first"]
    service, url = play(Script(tokens=frozenset({"first", "second"}), cuts=((2 * SECOND, 1011),)))
    access = attrs.evolve(access_to(url), key="", token=lambda: tokens[-1])
    with connected(url, MeetingRequest("m"), access) as (recognizer, received):
        recognizer.write(audio(0, 1))
        deadline = time.monotonic() + 60
        while not service.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        tokens.append("second")
        recognizer.refresh()
        recognizer.write(audio(1, 3))
        recognizer.end()
        assert last(received)[-1] == Completed()
    assert [found.credential for found in service.connections] == ["first", "second"]
    assert len(service.meetings) == 1, "it is the same meeting after a reconnect"


@pytest.mark.parametrize(
    "request_",
    [
        MeetingRequest("x" * 2_000),
        MeetingRequest("m", attendees=(Attendee("katie", "", "private, and no JSON object"),)),
    ],
    ids=["id", "signature"],
)
def test_what_the_sdk_refuses_is_an_error_of_the_backend(
    play: Play, request_: MeetingRequest
) -> None:
    _, url = play(Script())
    with pytest.raises(BackendError, match="The Speech SDK refuses") as error:
        connect_meeting(request_, access_to(url), 1.0, print)
    assert "private" not in str(error.value)
