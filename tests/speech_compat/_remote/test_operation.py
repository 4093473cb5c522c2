from __future__ import annotations

import asyncio
import threading
import time

import pytest

from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.transcript import Provenance, Transcript, Utterance
from speech_compat import PropertyId, ResultReason, SpeechConfig
from speech_compat.remote_conversation import (
    RemoteConversationTranscriptionClient,
    RemoteConversationTranscriptionOperation,
)
from speech_compat.remote_meeting import (
    RemoteMeetingTranscriptionClient,
    RemoteMeetingTranscriptionOperation,
)

UTTERANCES = (
    Utterance("a" * 32, "Good morning.", 5, 10, 0),
    Utterance("b" * 32, "Hello.", 20, 4, None),
)


def states(*found: JobState, reason: str = "") -> list[MeetingStatus]:
    return [MeetingStatus("m", state, reason if state.final else "") for state in found]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = install(monkeypatch, Played(Scenario()))
    played.states = states(JobState.UPLOADING, JobState.PROCESSING, JobState.COMPLETED)
    played.transcript = Transcript("m", UTTERANCES, 30, Provenance("scripted", "1"))
    return played


@pytest.fixture
def client(played: Played) -> RemoteMeetingTranscriptionClient:
    return RemoteMeetingTranscriptionClient(SpeechConfig("key", "region"))


@pytest.fixture
def operation(client: RemoteMeetingTranscriptionClient) -> RemoteMeetingTranscriptionOperation:
    return client.get_transcription_operation("m", 0.01)


def test_the_flow_of_the_sample(operation: RemoteMeetingTranscriptionOperation) -> None:
    seen = []
    while not operation.has_completed:
        seen.append(operation.update_status().json()["processingStatus"])
    assert seen == [0, 1, 2]
    assert not operation.has_value
    result = operation.value
    assert operation.has_value
    assert result is operation.value
    assert result.id == operation.id == "m"
    first, second = result.meeting_transcription_results
    assert (first.user_id, first.text, first.utterance_id) == ("Guest_0", "Good morning.", "")
    assert (first.offset_in_ticks, first.offset, first.duration) == (5, 5, 10)
    assert (first.result_id, first.reason) == ("a" * 32, ResultReason.RecognizedSpeech)
    assert '"durationInTicks": 10' in first.properties[PropertyId.SpeechServiceResponse_JsonResult]
    assert second.user_id == "Unidentified"


def test_waiting_returns_the_result(operation: RemoteMeetingTranscriptionOperation) -> None:
    assert len(operation.wait_for_completion().meeting_transcription_results) == 2
    assert operation.done()
    assert operation.status() == "Completed"


def test_no_request_once_completed(
    operation: RemoteMeetingTranscriptionOperation, played: Played
) -> None:
    operation.wait()
    played.states = []  # would be an unknown meeting now
    assert operation.update_status().json() == {"id": "m", "processingStatus": 2}
    assert operation.get_raw_response().status_code == 200


def test_an_unfinished_operation_returns_no_result(
    operation: RemoteMeetingTranscriptionOperation, played: Played
) -> None:
    played.states = states(JobState.PROCESSING)
    with pytest.raises(RuntimeError, match="was deleted so no value"):
        _ = operation.value  # not polled yet: the words of the C# client
    with pytest.raises(TimeoutError, match=r"not completed yet \(state Processing\)"):
        operation.result(timeout=0.05)
    with pytest.raises(RuntimeError, match="not completed yet"):
        _ = operation.value
    operation.wait(timeout=0.05)
    assert not operation.done()
    with pytest.raises(TimeoutError):
        operation.wait_for_completion(0.01, timeout=0)


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        (JobState.FAILED, "The operation was failed so no value is available. No audio."),
        (JobState.DELETED, "The operation was deleted so no value is available."),
    ],
)
def test_failed_and_deleted_raise_as_in_csharp(
    operation: RemoteMeetingTranscriptionOperation, played: Played, state: JobState, complaint: str
) -> None:
    played.states = states(state, reason="No audio.")
    with pytest.raises(RuntimeError) as caught:
        operation.wait_for_completion()
    assert str(caught.value) == complaint
    assert operation.has_completed
    assert not operation.has_value


def test_an_unknown_meeting_is_an_error_and_no_endless_wait(
    operation: RemoteMeetingTranscriptionOperation,
    client: RemoteMeetingTranscriptionClient,
    played: Played,
) -> None:
    played.states = []
    with pytest.raises(RuntimeError, match="There is no meeting 'm'"):
        operation.wait_for_completion()
    with pytest.raises(RuntimeError, match="There is no meeting 'm'"):
        client.delete_remote_transcription("m")


def test_deleting(client: RemoteMeetingTranscriptionClient) -> None:
    response = client.delete_remote_transcription("m")
    assert (response.status_code, response.json()["processingStatus"]) == (200, 4)
    assert asyncio.run(client.delete_remote_transcription_async("m")).status_code == 200


def test_the_async_twins(client: RemoteMeetingTranscriptionClient) -> None:
    async def work() -> int:
        operation = client.get_transcription_operation("m", 0.01)
        assert (await operation.update_status_async()).json()["processingStatus"] == 0
        result = await operation.wait_for_completion_async()
        return len(result.meeting_transcription_results)

    assert asyncio.run(work()) == 2


def test_each_callback_is_called_once(operation: RemoteMeetingTranscriptionOperation) -> None:
    called = list[object]()
    operation.add_done_callback(called.append)
    operation.wait()
    operation.update_status()
    assert called == [operation]
    operation.add_done_callback(called.append)
    assert len(called) == 2


def test_an_operation_can_go_on_in_another_process(
    operation: RemoteMeetingTranscriptionOperation, client: RemoteMeetingTranscriptionClient
) -> None:
    token = operation.continuation_token()
    recreate = RemoteMeetingTranscriptionOperation.from_continuation_token
    again = recreate(None, token, client=client)
    assert again.id == "m"
    assert recreate(again.polling_method(), token).id == "m"
    for nonsense in ("", "x", "e30="):
        with pytest.raises(ValueError, match="no continuation token"):
            recreate(again, nonsense)
    with pytest.raises(ValueError, match="needs a polling method or a client"):
        recreate(None, token)


def test_many_threads_may_wait(operation: RemoteMeetingTranscriptionOperation) -> None:
    results = list[object]()
    threads = [
        threading.Thread(target=lambda: results.append(operation.result(20))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 4
    assert len(set(map(id, results))) == 1


def test_waiting_keeps_to_its_interval(client: RemoteMeetingTranscriptionClient) -> None:
    begun = time.monotonic()
    client.get_transcription_operation("m", 0.2).wait()
    assert time.monotonic() - begun >= 0.4  # three requests, two pauses


def test_the_conversation_twins(played: Played) -> None:
    client = RemoteConversationTranscriptionClient(SpeechConfig("key", "region"))
    operation = RemoteConversationTranscriptionOperation("m", client)
    result = operation.wait_for_completion(polling_interval=0.01)
    assert [r.user_id for r in result.conversation_transcription_results] == [
        "Guest_0",
        "Unidentified",
    ]


def test_wrong_arguments(client: RemoteMeetingTranscriptionClient) -> None:
    with pytest.raises(ValueError, match="SpeechConfig"):
        RemoteMeetingTranscriptionClient(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="id must not be empty"):
        RemoteMeetingTranscriptionOperation("", client)
    with pytest.raises(ValueError, match="polling_interval must be more than 0"):
        client.get_transcription_operation("m", 0)


@pytest.mark.parametrize("how", ["blocking", "async"])
def test_a_wait_that_is_abandoned_ends_at_once_and_can_be_repeated(
    operation: RemoteMeetingTranscriptionOperation, played: Played, how: str
) -> None:
    played.states = states(JobState.PROCESSING)
    threading.Timer(0.3, operation.abandon).start()
    began = time.monotonic()
    waits = {
        "blocking": lambda: operation.wait_for_completion(polling_interval=60),
        "async": lambda: asyncio.run(operation.wait_for_completion_async(polling_interval=60)),
    }
    with pytest.raises(TimeoutError, match=r"was abandoned \(state Processing\)"):
        waits[how]()
    assert time.monotonic() - began < 10
    played.states = states(JobState.COMPLETED)
    assert len(operation.wait_for_completion().meeting_transcription_results) == 2


def test_progress_is_reported_after_every_request(
    operation: RemoteMeetingTranscriptionOperation, played: Played
) -> None:
    played.states = [
        MeetingStatus("m", JobState.PROCESSING, progress=0.5, step="half way"),
        MeetingStatus("m", JobState.COMPLETED, progress=1.0),
    ]
    reported = []
    operation.wait_for_completion(
        on_progress=lambda of: reported.append((of.status(), of.progress, of.step))
    )
    assert reported == [("Processing", 0.5, "half way"), ("Completed", 1.0, "")]
