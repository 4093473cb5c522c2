from __future__ import annotations

import inspect
from typing import Any

import pytest

from speech_adapters.transcript import Provenance, Transcript, Utterance
from speech_compat import SpeechConfig, remote_conversation, remote_meeting
from speech_compat._remote.results import RemoteItem, RemoteOperation, RemoteResult

TRANSCRIPT = Transcript(
    "m",
    (Utterance("a" * 32, "Good morning.", 5, 10, 0), Utterance("b" * 32, "Hello.", 20, 4, None)),
    30,
    Provenance("scripted", "1"),
)
MODULES = {"Meeting": remote_meeting, "Conversation": remote_conversation}


def class_of(era: str, name: str) -> Any:
    return getattr(MODULES[era], f"Remote{era}Transcription{name}")


@pytest.mark.parametrize("era", MODULES)
def test_a_transcript_becomes_a_result_of_the_era(era: str) -> None:
    client = class_of(era, "Client")(SpeechConfig("key", "region"))
    operation = client.get_transcription_operation("m")
    assert type(operation) is class_of(era, "Operation")
    result = operation._result_of(TRANSCRIPT)
    assert type(result) is class_of(era, "Result")
    assert result.id == "m"
    items = getattr(result, f"{era.lower()}_transcription_results")
    assert {type(item) for item in items} == {class_of(era, "Item")}
    assert [(i.user_id, i.text, i.utterance_id) for i in items] == [
        ("Guest_0", "Good morning.", ""),
        ("Unidentified", "Hello.", ""),
    ]
    assert [(i.offset_in_ticks, i.offset, i.duration) for i in items] == [(5, 5, 10), (20, 20, 4)]


@pytest.mark.parametrize("era", MODULES)
def test_a_change_of_the_list_does_not_change_the_result(era: str) -> None:
    operation = class_of(era, "Operation")(
        "m", class_of(era, "Client")(SpeechConfig("key", "region"))
    )
    result = operation._result_of(TRANSCRIPT)
    name = f"{era.lower()}_transcription_results"
    getattr(result, name).clear()
    assert len(getattr(result, name)) == 2


@pytest.mark.parametrize("era", MODULES)
def test_the_public_classes_belong_to_the_module_of_the_era(era: str) -> None:
    for name in ("Client", "Item", "Operation", "Result"):
        assert class_of(era, name).__module__ == f"speech_compat.remote_{era.lower()}"
    assert issubclass(class_of(era, "Item"), RemoteItem)
    assert issubclass(class_of(era, "Item"), class_of_result(era))
    assert issubclass(class_of(era, "Operation"), RemoteOperation)
    assert issubclass(class_of(era, "Result"), RemoteResult)


def class_of_result(era: str) -> Any:
    from speech_compat import transcription

    return getattr(transcription, f"{era}TranscriptionResult")


@pytest.mark.parametrize("era", MODULES)
def test_the_signatures_are_the_same_in_both_eras(era: str) -> None:
    assert list(inspect.signature(class_of(era, "Result")).parameters) == ["id", "items"]
    start = class_of(era, "Client").get_transcription_operation
    parameters = inspect.signature(start).parameters
    assert list(parameters) == ["self", "id", "polling_interval"]
    assert parameters["polling_interval"].default == 10.0
