from __future__ import annotations

from speech_adapters.contract import (
    Hypothesis,
    MeetingRequest,
    NoMatch,
    Progress,
    Recognized,
    SessionEvent,
    SpeechStarted,
)
from speech_adapters.speech_sdk.meeting_normalizer import MeetingNormalizer
from speech_adapters.speech_sdk.messages import FinalResult, PartialResult, SpeechBoundary

SECOND = 10_000_000


def create(*, separate: bool = True) -> MeetingNormalizer:
    request = MeetingRequest("m", differentiate_speakers=separate)
    normalizer = MeetingNormalizer.of_meeting(request)
    normalizer.begin(0)
    return normalizer


def final(own: str, label: str = "Guest_0", at: int = 0, text: str = "hi") -> FinalResult:
    return FinalResult(text, at * SECOND, SECOND, label, id=own)


def events_of(
    normalizer: MeetingNormalizer, *messages: FinalResult | PartialResult | SpeechBoundary
) -> list[SessionEvent]:
    found = [event for message in messages for event in normalizer.process(message)]
    return [event for event in found if not isinstance(event, Progress)]


def test_ids_are_those_of_the_service() -> None:
    first, second = events_of(create(), PartialResult("h", 0, 5, "Guest_0", id="a"), final("a"))
    assert isinstance(first, Hypothesis)
    assert isinstance(second, Recognized)
    assert first.utterance.id == second.utterance.id == "a"
    assert second.utterance.language == "en-US"


def test_results_without_an_id_have_one_of_their_own() -> None:
    first, second = events_of(create(), final("", at=0), final("", at=1))
    assert isinstance(first, Recognized)
    assert isinstance(second, Recognized)
    assert first.utterance.id != second.utterance.id != ""


def test_a_result_with_another_speaker_is_a_correction() -> None:
    normalizer = create()
    found = events_of(
        normalizer,
        final("a"),
        final("b", at=1),
        final("a", "Guest_1"),
        final("a", "katie"),
        final("a"),
    )
    assert [
        (e.utterance.id, e.utterance.speaker, e.utterance.participant, e.correction)
        for e in found
        if isinstance(e, Recognized)
    ] == [
        ("a", 0, None, False),
        ("b", 0, None, False),
        ("a", 1, None, True),
        ("a", 2, "katie", True),
        ("a", 0, None, True),
    ]
    assert normalizer.reached == 2 * SECOND


def test_a_result_that_comes_again_is_no_event() -> None:
    assert len(events_of(create(), final("a"), final("a"), final("other id"))) == 1


def test_offsets_count_from_the_start_of_the_recording_and_guests_are_others() -> None:
    normalizer = create()
    events_of(normalizer, final("a"), final("b", "katie", 1))
    normalizer.begin(10 * SECOND)
    first, second = events_of(normalizer, final("c"), final("d", "katie", 1))
    assert isinstance(first, Recognized)
    assert isinstance(second, Recognized)
    assert (first.utterance.offset, first.utterance.speaker) == (10 * SECOND, 2)
    assert (second.utterance.speaker, second.utterance.participant) == (1, "katie")
    assert normalizer.recognizers == 2


def test_without_separation_there_are_only_participants() -> None:
    found = events_of(create(separate=False), final("a"), final("b", "katie", 1))
    assert [
        (e.utterance.speaker, e.utterance.participant) for e in found if isinstance(e, Recognized)
    ] == [(None, None), (None, "katie")]


def test_other_messages_are_those_of_every_recognizer() -> None:
    silence = FinalResult("", 0, SECOND, no_match="NotRecognized", id="x")
    found = events_of(create(), SpeechBoundary(True, 5), silence)
    assert found == [SpeechStarted(5), NoMatch(0, SECOND, "NotRecognized")]
