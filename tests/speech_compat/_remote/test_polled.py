"""The same function on a poller of azure-core and on an operation: both must do the same."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from azure.core.polling import LROPoller, PollingMethod

from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.transcript import Provenance, Transcript, Utterance
from speech_compat import SpeechConfig
from speech_compat._remote.polled import PolledOperation
from speech_compat.remote_meeting import (
    RemoteMeetingTranscriptionClient,
    RemoteMeetingTranscriptionOperation,
    TranscriptionDeletedError,
    TranscriptionFailedError,
)

TEXT = "Good morning."


class ScriptedPolling(PollingMethod[str]):
    """A polling method of azure-core that ends in a state when the test wants it."""

    def __init__(self, played: Played) -> None:
        self._played = played

    def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:
        assert (client, initial_response, deserialization_callback) == (None, None, str)

    def run(self) -> None:
        while not self.finished():
            time.sleep(0.005)
        if self.status() == "Failed":
            raise RuntimeError(self._played.states[0].reason)

    def status(self) -> str:
        return self._played.states[0].state.value

    def finished(self) -> bool:
        return self._played.states[0].state.final

    def resource(self) -> str:
        return TEXT

    def get_continuation_token(self) -> str:
        return "token"

    @classmethod
    def from_continuation_token(
        cls, continuation_token: str, **_: Any
    ) -> tuple[Any, Any, Callable[[Any], str]]:
        assert continuation_token == "token"
        return None, None, str


@attrs.frozen
class Subject:
    """A poller of either kind, and what is particular to it."""

    poller: Any
    text_of: Callable[[Any], str]
    set_state: Callable[[JobState], None]
    client: object = None


def _set_state(played: Played, state: JobState) -> None:
    played.states = [MeetingStatus("m", state, "No audio." if state is JobState.FAILED else "")]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = install(monkeypatch, Played(Scenario()))
    _set_state(played, JobState.PROCESSING)
    utterances = (Utterance("a" * 32, TEXT, 5, 10, 0),)
    played.transcript = Transcript("m", utterances, 30, Provenance("scripted", "1"))
    return played


@pytest.fixture
def operation(played: Played) -> Iterator[RemoteMeetingTranscriptionOperation]:
    client = RemoteMeetingTranscriptionClient(SpeechConfig("key", "region"))
    operation = client.get_transcription_operation("m", 0.01)
    yield operation
    operation.abandon()
    operation._poller.join(30)


@pytest.fixture(params=["azure-core", "speech-compat"])
def subject(request: pytest.FixtureRequest, played: Played) -> Subject:
    def set_state(state: JobState) -> None:
        _set_state(played, state)

    if request.param == "azure-core":
        poller = LROPoller(None, None, str, ScriptedPolling(played))
        return Subject(poller, str, set_state)
    operation = request.getfixturevalue("operation")
    text_of = lambda result: result.meeting_transcription_results[0].text  # noqa: E731
    return Subject(operation, text_of, set_state, operation._client)


def until_done(poller: Any) -> None:
    """Poll as programs do; a loop that never ends fails the test."""
    for _ in range(3_000):
        if poller.done():
            return
        time.sleep(0.01)
    pytest.fail("done() stayed false")


def test_a_loop_over_done_ends(subject: Subject) -> None:
    assert not subject.poller.done()
    subject.set_state(JobState.COMPLETED)
    until_done(subject.poller)
    assert subject.poller.status() == "Completed"
    assert subject.text_of(subject.poller.result()) == TEXT
    assert subject.poller.wait() is None


def test_a_loop_over_status_ends(subject: Subject) -> None:
    subject.set_state(JobState.COMPLETED)
    for _ in range(3_000):
        if subject.poller.status() == "Completed":
            return
        time.sleep(0.01)
    pytest.fail("status() stayed the same")


def test_a_callback_alone_is_called_once_in_another_thread(subject: Subject) -> None:
    called = threading.Event()
    threads = list[str]()
    finished = list[bool]()

    def callback(method: Any) -> None:
        threads.append(threading.current_thread().name)
        finished.append(method.finished())
        called.set()

    subject.poller.add_done_callback(callback)
    subject.set_state(JobState.COMPLETED)
    assert called.wait(30)
    until_done(subject.poller)
    assert finished == [True]
    assert threads != [threading.current_thread().name]


def test_done_is_true_only_when_the_callbacks_have_returned(subject: Subject) -> None:
    entered, leave = threading.Event(), threading.Event()

    def callback(_: Any) -> None:
        entered.set()
        assert leave.wait(30)

    subject.poller.add_done_callback(callback)
    subject.set_state(JobState.COMPLETED)
    assert entered.wait(30)
    assert not subject.poller.done()
    leave.set()
    until_done(subject.poller)


def test_wait_returns_only_when_the_callbacks_have_returned(subject: Subject) -> None:
    entered, order = threading.Event(), list[str]()

    def callback(_: Any) -> None:
        entered.set()
        time.sleep(0.2)  # time for a wait that does not wait for the callback
        order.append("callback")

    subject.poller.add_done_callback(callback)
    subject.set_state(JobState.COMPLETED)
    assert entered.wait(30)
    subject.poller.wait(30)
    order.append("wait")
    assert order == ["callback", "wait"]


def test_a_callback_that_was_removed_is_not_called(subject: Subject) -> None:
    called = list[str]()
    removed = lambda _: called.append("removed")  # noqa: E731
    for callback in (removed, lambda _: called.append("kept"), removed):
        subject.poller.add_done_callback(callback)
    subject.poller.remove_done_callback(removed)
    subject.set_state(JobState.COMPLETED)
    until_done(subject.poller)
    assert called == ["kept"]


def test_a_callback_that_comes_late_is_called_at_once_and_cannot_be_removed(
    subject: Subject,
) -> None:
    subject.set_state(JobState.COMPLETED)
    subject.poller.wait(30)
    called = list[Any]()
    subject.poller.add_done_callback(called.append)
    assert len(called) == 1
    with pytest.raises(ValueError, match="complete"):
        subject.poller.remove_done_callback(called.append)


def test_the_polling_method_knows_state_and_result(subject: Subject) -> None:
    subject.set_state(JobState.COMPLETED)
    until_done(subject.poller)
    method = subject.poller.polling_method()
    assert method.finished()
    assert method.status() == "Completed"
    assert subject.text_of(method.resource()) == TEXT
    assert method.get_continuation_token() == subject.poller.continuation_token()


def test_a_failure_is_raised_by_wait_and_result_and_calls_the_callbacks(subject: Subject) -> None:
    called = list[Any]()
    subject.poller.add_done_callback(called.append)
    subject.set_state(JobState.FAILED)
    until_done(subject.poller)
    assert len(called) == 1
    for call in (subject.poller.wait, subject.poller.result):
        with pytest.raises(RuntimeError, match=r"No audio\."):
            call()


def test_a_token_recreates_the_poller_with_the_arguments_in_the_same_order(
    subject: Subject,
) -> None:
    subject.set_state(JobState.COMPLETED)
    token, method = subject.poller.continuation_token(), subject.poller.polling_method()
    again = type(subject.poller).from_continuation_token(method, token, client=subject.client)
    assert again is not subject.poller
    assert subject.text_of(again.result(30)) == TEXT


def test_an_operation_has_every_public_method_of_a_poller() -> None:
    public = {name for name in vars(LROPoller) if not name.startswith("_")}
    assert {name for name in public if not hasattr(PolledOperation, name)} == set()


# --- beyond azure-core ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        (JobState.FAILED, TranscriptionFailedError, "No audio."),
        (JobState.DELETED, TranscriptionDeletedError, ""),
    ],
)
def test_failed_and_deleted_are_errors_of_their_own(
    operation: RemoteMeetingTranscriptionOperation,
    played: Played,
    state: JobState,
    kind: type[TranscriptionFailedError | TranscriptionDeletedError],
    reason: str,
) -> None:
    operation.update_status()
    assert operation.error is None
    _set_state(played, state)
    operation.update_status()
    assert isinstance(operation.error, kind)
    for raising in (lambda: operation.value, operation.wait, operation.result):
        with pytest.raises(kind) as caught:
            raising()
        assert caught.value.reason == reason


def test_an_unknown_meeting_ends_the_polling_with_its_error(
    operation: RemoteMeetingTranscriptionOperation, played: Played
) -> None:
    played.states = []
    called = list[Any]()
    operation.add_done_callback(called.append)
    until_done(operation)
    assert called == [operation]
    assert "There is no meeting 'm'" in str(operation.error)
    with pytest.raises(RuntimeError, match="There is no meeting 'm'"):
        operation.result()
    _set_state(played, JobState.COMPLETED)  # it was recorded meanwhile
    assert len(operation.result(30).meeting_transcription_results) == 1
    assert operation.error is None


def test_polling_goes_on_after_it_was_abandoned_once_it_is_used_again(
    operation: RemoteMeetingTranscriptionOperation, played: Played
) -> None:
    called = threading.Event()
    operation.add_done_callback(lambda _: called.set())
    operation.abandon()
    operation._poller.join(30)
    _set_state(played, JobState.COMPLETED)
    until_done(operation)
    assert called.is_set()


def test_an_operation_that_has_polled_is_freed_without_the_garbage_collector(
    played: Played,
) -> None:
    _set_state(played, JobState.COMPLETED)
    client = RemoteMeetingTranscriptionClient(SpeechConfig("key", "region"))
    operation = client.get_transcription_operation("m", 0.01)
    until_done(operation)
    reference = weakref.ref(operation)
    gc.disable()
    try:
        del operation
        assert reference() is None
    finally:
        gc.enable()


def test_a_callback_that_fails_is_logged_and_stops_no_other(
    operation: RemoteMeetingTranscriptionOperation,
    played: Played,
    caplog: pytest.LogCaptureFixture,
) -> None:
    called = threading.Event()

    def fail(_: Any) -> None:
        raise ValueError("a callback of the test")

    operation.add_done_callback(fail)
    operation.add_done_callback(lambda _: called.set())
    _set_state(played, JobState.COMPLETED)
    until_done(operation)
    assert called.is_set()
    assert "A callback of an operation failed." in caplog.text
