from __future__ import annotations

from typing import Any

import anyio
import pytest

from speech_adapters.asking import (
    delete_meeting,
    meeting_status,
    meeting_transcript,
    resume_meeting,
)
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState, MeetingRequest
from speech_adapters.errors import (
    ConfigurationError,
    MeetingFailedError,
    MeetingNotFoundError,
)
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript

DONE = Transcript("m", (), 5, Provenance("batch", "1"))


def record(state: JobState) -> None:
    """Record a meeting with a backend that is not configured here."""
    with Store.open(load_settings().state_dir) as store:
        recording = store.create(MeetingRequest("m"), "batch")
        if state is not JobState.UPLOADING:
            store.close_audio(recording.id, 2)
        if state is JobState.COMPLETED:
            store.complete(recording.id, DONE)
        if state is JobState.FAILED:
            store.fail(recording.id, "for a reason")


def ask(question: Any, meeting_id: str = "m") -> Any:
    return anyio.run(question, load_settings(), meeting_id)


def test_what_is_finished_needs_no_backend() -> None:
    record(JobState.COMPLETED)
    assert ask(meeting_status).state is JobState.COMPLETED
    assert ask(meeting_transcript) == DONE


def test_why_it_failed_needs_no_backend() -> None:
    record(JobState.FAILED)
    assert ask(meeting_status).reason == "for a reason"
    with pytest.raises(MeetingFailedError, match="for a reason"):
        ask(meeting_transcript)


@pytest.mark.parametrize("question", [meeting_status, resume_meeting, delete_meeting])
def test_what_is_not_finished_is_its_own_backends_business(question: Any) -> None:
    record(JobState.PROCESSING)
    with pytest.raises(ConfigurationError, match="The batch backend needs"):
        ask(question)


@pytest.mark.parametrize(
    "question", [meeting_status, meeting_transcript, resume_meeting, delete_meeting]
)
def test_what_nobody_knows_is_unknown(question: Any) -> None:
    with pytest.raises(MeetingNotFoundError, match="nobody"):
        ask(question, "nobody")
