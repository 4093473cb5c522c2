from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speech_adapters.backends.remote_meeting.answers import (
    CANCELED,
    UNKNOWN_LENGTH,
    AnswerFile,
    TaskStatus,
    read_status,
    read_transcript,
)
from speech_adapters.contract import JobState
from speech_adapters.errors import BackendError
from speech_adapters.transcript import Provenance, Transcript

ORIGIN = Provenance("remote_meeting", "test", notes=("before",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answer.json"


def item(text: str, at: int, user: str = "Guest_0", **more: Any) -> dict[str, Any]:
    return {
        "userId": user,
        "resultId": f"id of {text}",
        "reason": 3,
        "text": text,
        "durationInTicks": 5,
        "offsetInTicks": at,
        **more,
    }


def read(path: Path, *items: Any, separate: bool = True, duration: int | None = 99) -> Transcript:
    path.write_text(json.dumps({"processingStatus": 2, "transcriptions": list(items)}))
    return read_transcript(AnswerFile(str(path), "m", ORIGIN, separate, "en-US", duration))


@pytest.mark.parametrize("number", range(5))
def test_a_status_is_a_number_its_digits_or_a_name(path: Path, number: int) -> None:
    name = ("Uploading", "Processing", "Completed", "Failed", "Deleted")[number]
    for status in (number, str(number), name, name.upper()):
        path.write_text(json.dumps({"id": "m", "processingStatus": status}))
        assert read_status(path) == TaskStatus(JobState(name))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"processingStatus": null}',
        '{"processingStatus": 5}',
        '{"processingStatus": -1}',
        '{"processingStatus": "-1"}',
        '{"processingStatus": "Queued"}',
        '{"processingStatus": true}',
        '{"processingStatus": 2.0}',
        '{"processingStatus": [2]}',
        '{"error": {"code": "private"}}',
        "[]",
        "2",
        "",
        "<html>private</html>",
        '{"processingStatus": 2',
        "[" * 100_000,
    ],
)
def test_an_answer_without_a_known_state_is_an_error_and_never_the_first_state(
    path: Path, text: str
) -> None:
    path.write_text(text)
    with pytest.raises(
        BackendError, match=r"cannot be used: it(s processingStatus)? (is|has)"
    ) as e:
        read_status(path)
    assert "private" not in str(e.value)


@pytest.mark.parametrize(
    ("reason", "expected"), [("too long?sig=x", "too long"), (None, ""), (["x"], "")]
)
def test_the_reason_of_a_failure_is_masked(path: Path, reason: Any, expected: str) -> None:
    path.write_text(json.dumps({"processingStatus": "Failed", "failureReason": reason}))
    assert read_status(path) == TaskStatus(JobState.FAILED, expected)


def test_the_transcript_has_speakers_participants_and_the_ids_of_the_service(path: Path) -> None:
    found = read(
        path,
        item("late", 50, "Guest_1"),
        item("early", 10, "katie"),
        item("unknown", 20, "Unidentified"),
        item("guest", 30, "Guest_0"),
    )
    assert [(u.text, u.speaker, u.participant) for u in found.utterances] == [
        ("early", 0, "katie"),
        ("unknown", None, None),
        ("guest", 1, None),  # the participant has its number
        ("late", 2, None),
    ]
    first = found.utterances[0]
    assert (first.id, first.offset, first.duration) == ("id of early", 10, 5)
    assert (first.language, found.duration, found.provenance) == ("en-US", 99, ORIGIN)


def test_without_separation_only_participants_are_named(path: Path) -> None:
    found = read(path, item("a", 0, "katie"), item("b", 9, "Guest_0"), separate=False)
    assert [(u.speaker, u.participant) for u in found.utterances] == [(None, "katie"), (None, None)]


@pytest.mark.parametrize("reason", ["RecognizedSpeech", "recognizedspeech", 3, "3", None])
def test_recognized_speech_may_have_several_forms(path: Path, reason: Any) -> None:
    assert [u.text for u in read(path, item("a", 0, reason=reason)).utterances] == ["a"]


@pytest.mark.parametrize("reason", ["NoMatch", 0, 2])
def test_what_is_no_final_speech_is_left_out(path: Path, reason: Any) -> None:
    assert read(path, item("a", 0, reason=reason)).utterances == ()


def test_canceled_parts_are_noted(path: Path) -> None:
    found = read(path, item("", 0, reason=1), item("", 5, reason="Canceled"), item("a", 9))
    assert found.provenance.notes == ("before", CANCELED.format(2))


def test_missing_fields_are_tolerated(path: Path) -> None:
    found = read(path, {"text": "a"}, {"text": "b", "resultId": None}, {}, duration=None)
    assert [(u.text, u.offset, u.duration, u.speaker) for u in found.utterances] == [
        ("a", 0, 0, None),
        ("b", 0, 0, None),
    ]
    assert len({u.id for u in found.utterances}) == 2
    path.write_text('{"processingStatus": 2, "transcriptions": null}')
    assert read_transcript(AnswerFile(str(path), "m", ORIGIN)).utterances == ()


def test_an_unknown_length_is_the_end_of_the_last_utterance(path: Path) -> None:
    found = read(path, item("a", 10), item("b", 40), duration=None)
    assert found.duration == 45
    assert found.provenance.notes == ("before", UNKNOWN_LENGTH)


def test_numbers_as_text_and_half_characters_are_read(path: Path) -> None:
    (found,) = read(path, item("a\ud83d", 0, offsetInTicks="12")).utterances
    assert (found.text, found.offset) == ("a\ufffd", 12)


@pytest.mark.parametrize(
    "wrong",
    [
        "private",
        7,
        {"reason": "Sung"},
        {"reason": 9},
        {"text": ["private"]},
        {"userId": 5},
        {"offsetInTicks": -1},
        {"offsetInTicks": 1.5},
        {"offsetInTicks": True},
        {"durationInTicks": 2**63},
        {"durationInTicks": "9" * 30},
        {"durationInTicks": "٣"},
    ],
)
def test_what_cannot_be_read_is_an_error_without_its_content(path: Path, wrong: Any) -> None:
    part = {**item("private", 0), **wrong} if isinstance(wrong, dict) else wrong
    with pytest.raises(BackendError, match=r"one of its transcriptions is (no|unknown)") as error:
        read(path, part)
    assert "private" not in str(error.value)


def test_transcriptions_that_are_no_list_are_an_error(path: Path) -> None:
    path.write_text('{"transcriptions": {"a": 1}}')
    with pytest.raises(BackendError, match="are no list"):
        read_transcript(AnswerFile(str(path), "m", ORIGIN))
