from __future__ import annotations

from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.speech_sdk.messages import FinalResult, PartialResult, SpeechBoundary
from speech_adapters.speech_sdk.normalizer import EventNormalizer
from speech_adapters.transcript import Utterance, Word

SECOND = 10_000_000


def final(text: str, at: float, label: str = "Guest-1", seconds: float = 0.5) -> FinalResult:
    return FinalResult(text, round(at * SECOND), round(seconds * SECOND), label)


def events_of(
    normalizer: EventNormalizer, *messages: FinalResult | PartialResult | SpeechBoundary
) -> list[SessionEvent]:
    return [
        event
        for message in messages
        for event in normalizer.process(message)
        if not isinstance(event, Progress)
    ]


def lines(events: list[SessionEvent]) -> list[tuple[str, int | None, bool]]:
    return [
        (e.utterance.text, e.utterance.speaker, e.correction)
        for e in events
        if isinstance(e, Recognized)
    ]


def create(backfill: float = 2.0, *, separate: bool = True) -> EventNormalizer:
    return EventNormalizer("m", "en-US", backfill=round(backfill * SECOND), separate=separate)


def test_hypotheses_and_the_final_share_an_id_and_the_next_has_another() -> None:
    first, second, third = events_of(
        create(),
        PartialResult("a", 0, 5, "Guest-2"),
        final("ab", 0, "Guest-2"),
        final("c", 1, "Guest-2"),
    )
    assert isinstance(first, Hypothesis)
    assert isinstance(second, Recognized)
    assert isinstance(third, Recognized)
    assert first.utterance.id == second.utterance.id != third.utterance.id
    assert first.utterance.speaker == second.utterance.speaker == 1
    assert len(first.utterance.id) == 32


def test_unknown_speakers_are_the_new_one_right_after_them() -> None:
    events = events_of(
        create(), final("a", 0, "Unknown"), final("b", 1, "Unknown"), final("c", 2, "Guest-1")
    )
    assert lines(events) == [
        ("a", None, False),
        ("b", None, False),
        ("a", 0, True),
        ("b", 0, True),
        ("c", 0, False),
    ]
    ids = [e.utterance.id for e in events if isinstance(e, Recognized)]
    assert ids[0] == ids[2] != ids[1] == ids[3]


def test_a_speaker_identified_before_is_not_assigned_to_an_unknown_one() -> None:
    events = events_of(
        create(), final("a", 0, "Guest-1"), final("b", 1, "Unknown"), final("c", 2, "Guest-1")
    )
    assert not [line for line in lines(events) if line[2]]


def test_after_a_pause_no_speaker_is_assigned() -> None:
    events = events_of(create(), final("a", 0, "Unknown"), final("b", 4, "Guest-1"))
    assert lines(events) == [("a", None, False), ("b", 0, False)]


def test_no_speaker_is_assigned_if_that_is_switched_off() -> None:
    events = events_of(create(0), final("a", 0, "Unknown"), final("b", 0.6, "Guest-1"))
    assert len(lines(events)) == 2


def test_speakers_are_not_separated_unless_requested() -> None:
    assert lines(events_of(create(separate=False), final("a", 0, "Guest-3"))) == [
        ("a", None, False)
    ]


def test_estimates_are_listed() -> None:
    normalizer = create()
    normalizer.begin(0)
    assert not normalizer.emulated
    events_of(normalizer, final("a", 0, "Unknown"), final("b", 1))
    normalizer.begin(5)
    filled, anew = normalizer.emulated
    assert "did not know who spoke 1 time(s)" in filled
    assert "made anew 1 time(s)" in anew


def test_a_label_of_another_form_is_numbered_by_its_appearance() -> None:
    events = events_of(
        create(), final("a", 0, "Anna"), final("b", 1, "Bert"), final("c", 2, "Anna")
    )
    assert [speaker for _, speaker, _ in lines(events)] == [0, 1, 0]


def test_another_recognizer_has_its_own_offsets_and_speakers() -> None:
    normalizer = create()
    normalizer.begin(0)
    events_of(normalizer, final("a", 0, "Guest-1"), final("b", 1, "Guest-2"))
    normalizer.begin(2 * SECOND)
    word = FinalResult("c", SECOND, 5, "Guest-1", words=(Word("c", SECOND, 5),))
    (event,) = events_of(normalizer, word)
    assert isinstance(event, Recognized)
    assert (event.utterance.offset, event.utterance.speaker) == (3 * SECOND, 2)
    assert event.utterance.words[0].offset == 3 * SECOND
    assert normalizer.reached == 3 * SECOND + 5


def test_a_repeated_result_is_dropped_but_crosstalk_is_not() -> None:
    normalizer = create()
    assert len(events_of(normalizer, final("a", 1), final("a", 1))) == 1
    assert len(events_of(normalizer, final("b", 0.5, "Guest-2", 2))) == 1


def test_audio_that_is_not_understood_counts_as_recognized() -> None:
    normalizer = create()
    assert events_of(normalizer, FinalResult("", 0, 7 * SECOND)) == []
    assert normalizer.reached == 7 * SECOND


def test_a_boundary_of_speech_is_reported_once() -> None:
    normalizer = create()
    normalizer.begin(0)
    events = events_of(normalizer, SpeechBoundary(True, 5), SpeechBoundary(True, 9), final("a", 0))
    assert [type(event) for event in events] == [SpeechStarted, Recognized]
    assert list(normalizer.finish()) == [SpeechEnded(normalizer.reached)]
    assert list(normalizer.finish()) == []


def test_an_equal_result_of_another_recognizer_is_another_utterance() -> None:
    normalizer = create()
    normalizer.begin(0)
    events_of(normalizer, final("yes", 0))
    normalizer.begin(5 * SECOND)
    (event,) = events_of(normalizer, final("yes", 0))
    assert isinstance(event, Recognized)
    assert event.utterance.offset == 5 * SECOND


def test_progress_is_the_end_of_the_latest_result() -> None:
    normalizer = create()
    late, crosstalk, silence = final("a", 1, seconds=4), final("b", 2, "Guest-2"), final("", 6)
    reached = [list(normalizer.process(result))[-1] for result in (late, crosstalk, silence)]
    assert reached == [Progress(5 * SECOND), Progress(5 * SECOND), Progress(6 * SECOND + 5_000_000)]


def test_a_hypothesis_without_a_text_is_no_event() -> None:
    assert events_of(create(), PartialResult("", 0, 5)) == []


def test_speech_that_ends_and_starts_again_is_reported_each_time() -> None:
    normalizer = create()
    normalizer.begin(SECOND)
    boundaries = [SpeechBoundary(False, 1), SpeechBoundary(True, 2), SpeechBoundary(False, 3)]
    events = events_of(normalizer, *boundaries, SpeechBoundary(True, 4))
    assert events == [
        SpeechStarted(SECOND + 2),
        SpeechEnded(SECOND + 3),
        SpeechStarted(SECOND + 4),
    ]


def test_it_continues_after_the_utterances_of_another_process() -> None:
    known = [Utterance("x" * 32, "a", 0, SECOND, 1)]
    normalizer = EventNormalizer("m", "en-US", known=known)
    assert normalizer.reached == SECOND
    normalizer.begin(SECOND)
    (event,) = events_of(normalizer, final("b", 0, "Guest-1"))
    assert isinstance(event, Recognized)
    assert (event.utterance.offset, event.utterance.speaker) == (SECOND, 2)


def test_audio_that_was_not_understood_is_an_event_of_its_own() -> None:
    normalizer = EventNormalizer("m", "en-US")
    normalizer.begin(100)
    nothing = FinalResult("", 5, 10, no_match="InitialSilenceTimeout")
    events = list(normalizer.process(nothing))
    assert events == [NoMatch(105, 10, "InitialSilenceTimeout"), Progress(115)]
    assert list(normalizer.process(nothing)) == [], "a reconnect repeats it"
    assert list(normalizer.process(FinalResult("", 20, 10))) == [Progress(130)]
