from __future__ import annotations

import attrs
import pytest

from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Origin,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.transcript import Provenance, Utterance
from speech_compat import NoMatchReason, ResultReason
from speech_compat._session.dispatcher import EventDispatcher
from speech_compat._session.mapping.results import (
    DIARIZATION,
    MEETING,
    LabelRules,
    end_of_stream_record,
)
from speech_compat._session.records import EventRecord

FIRST = Utterance("a" * 32, "Good morning.", 15, 20, 1)
SECOND = Utterance("b" * 32, "Hello.", 40, 5, 0)


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, EventRecord]] = []

    def session(self, name: str, event: EventRecord) -> None:
        self.events.append(("session", name, event))

    def speech(self, name: str, event: EventRecord) -> None:
        self.events.append(("speech", name, event))

    def result(self, name: str, event: EventRecord) -> None:
        self.events.append(("result", name, event))

    def utterance_ids(self, name: str) -> list[str]:
        found = (e.result for _, n, e in self.events if n == name)
        return [result.utterance_id for result in found if result is not None]


def dispatched(rules: LabelRules, *events: SessionEvent) -> Log:
    log = Log()
    dispatcher = EventDispatcher(rules, log)
    for event in events:
        dispatcher.dispatch(event)
    return log


def test_what_was_done_otherwise_than_configured_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = dispatched(MEETING, Origin(Provenance("local", "1", ("Speakers are guessed.",))))
    assert log.events == []
    assert [record.getMessage() for record in caplog.records] == ["Speakers are guessed."]


def test_each_event_has_its_name_and_offset() -> None:
    log = dispatched(
        MEETING, SpeechStarted(5), Hypothesis(FIRST), Recognized(FIRST), Progress(9), SpeechEnded(7)
    )
    assert [(kind, name, event.offset) for kind, name, event in log.events] == [
        ("speech", "speech_start_detected", 5),
        ("result", "transcribing", 15),
        ("result", "transcribed", 15),
        ("speech", "speech_end_detected", 7),
    ]
    reasons = [e.result.reason for _, _, e in log.events if e.result is not None]
    assert reasons == [ResultReason.RecognizingSpeech, ResultReason.RecognizedSpeech]


def test_the_life_of_a_session_has_one_id() -> None:
    log = Log()
    dispatcher = EventDispatcher(MEETING, log)
    dispatcher.session_started()
    dispatcher.dispatch(SpeechStarted(5))
    dispatcher.canceled(end_of_stream_record("c", MEETING))
    dispatcher.session_stopped()
    assert [(kind, name, event.offset) for kind, name, event in log.events] == [
        ("session", "session_started", 0),
        ("speech", "speech_start_detected", 5),
        ("result", "canceled", 0),
        ("session", "session_stopped", 0),
    ]
    (session_id,) = {event.session_id for _, _, event in log.events}
    assert len(bytes.fromhex(session_id)) == 16
    other = dispatched(MEETING, SpeechStarted(5)).events[0][2]
    assert other.session_id != session_id


def test_final_results_are_counted_and_hypotheses_are_not() -> None:
    events = (Hypothesis(FIRST), Hypothesis(FIRST), Recognized(FIRST), Recognized(SECOND))
    log = dispatched(MEETING, *events)
    assert log.utterance_ids("transcribing") == ["0_Guest_1_15", "0_Guest_1_15"]
    assert log.utterance_ids("transcribed") == ["0_Guest_1_15", "1_Guest_0_40"]


def test_results_are_numbered_in_the_order_in_which_they_became_final() -> None:
    log = dispatched(MEETING, Hypothesis(FIRST), Recognized(SECOND), Recognized(FIRST))
    assert log.utterance_ids("transcribed") == ["0_Guest_0_40", "1_Guest_1_15"]


def test_a_correction_keeps_the_index_of_its_result() -> None:
    corrected = Recognized(attrs.evolve(FIRST, speaker=4), correction=True)
    log = dispatched(MEETING, Recognized(FIRST), corrected, Recognized(SECOND), corrected)
    assert log.utterance_ids("transcribed") == [
        "0_Guest_1_15",
        "0_Guest_4_15",
        "1_Guest_0_40",
        "0_Guest_4_15",
    ]


@pytest.mark.parametrize(("rules", "count"), [(MEETING, 2), (DIARIZATION, 1)])
def test_corrections_exist_only_in_the_eras_that_had_them(rules: LabelRules, count: int) -> None:
    log = dispatched(rules, Recognized(FIRST), Recognized(FIRST, correction=True))
    assert len(log.utterance_ids("transcribed")) == count


@pytest.mark.parametrize(
    ("reason", "expected", "status"),
    [
        ("NotRecognized", NoMatchReason.NotRecognized, "NoMatch"),
        ("InitialSilenceTimeout", NoMatchReason.InitialSilenceTimeout, "InitialSilenceTimeout"),
        ("InitialBabbleTimeout", NoMatchReason.InitialBabbleTimeout, "BabbleTimeout"),
        ("of a later version", NoMatchReason.NotRecognized, "NoMatch"),
    ],
)
def test_audio_that_was_not_understood_is_a_result_without_a_match(
    reason: str, expected: NoMatchReason, status: str
) -> None:
    log = dispatched(MEETING, NoMatch(5, 10, reason), Recognized(FIRST))
    (_, name, event), _ = log.events
    assert (name, event.offset) == ("transcribed", 5)
    record = event.result
    assert record is not None
    assert (record.reason, record.no_match) == (ResultReason.NoMatch, expected)
    assert (record.text, record.offset, record.duration) == ("", 5, 10)
    assert (record.speaker, record.utterance_id) == ("", "")
    assert record.document["RecognitionStatus"] == status
    assert len(record.result_id) == 32
    # It has no index: programs count utterances.
    assert log.utterance_ids("transcribed")[-1] == "0_Guest_1_15"


def test_corrections_can_be_omitted() -> None:
    log = Log()
    dispatcher = EventDispatcher(MEETING, log)
    dispatcher.omit_corrections()
    for event in (Recognized(FIRST), Recognized(attrs.evolve(FIRST, speaker=0), correction=True)):
        dispatcher.dispatch(event)
    assert log.utterance_ids("transcribed") == ["0_Guest_1_15"]
