from __future__ import annotations

from speech_adapters.backends.realtime.messages import Final, Guess, SpeechEdge
from speech_adapters.backends.realtime.normalizer import Narrator
from speech_adapters.contract import (
    Hypothesis,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.transcript import Utterance, Word

SECOND = 10_000_000


def final(text: str, at: float, label: str = "Guest-1", seconds: float = 0.5) -> Final:
    return Final(text, round(at * SECOND), round(seconds * SECOND), label)


def told(narrator: Narrator, *said: Final | Guess | SpeechEdge) -> list[SessionEvent]:
    return [
        event for one in said for event in narrator.hear(one) if not isinstance(event, Progress)
    ]


def lines(events: list[SessionEvent]) -> list[tuple[str, int | None, bool]]:
    return [
        (e.utterance.text, e.utterance.speaker, e.correction)
        for e in events
        if isinstance(e, Recognized)
    ]


def narrator(backfill: float = 2.0, *, apart: bool = True) -> Narrator:
    return Narrator("m", "en-US", backfill=round(backfill * SECOND), apart=apart)


def test_hypotheses_and_the_final_share_an_id_and_the_next_has_another() -> None:
    first, second, third = told(
        narrator(), Guess("a", 0, 5, "Guest-2"), final("ab", 0, "Guest-2"), final("c", 1, "Guest-2")
    )
    assert isinstance(first, Hypothesis)
    assert isinstance(second, Recognized)
    assert isinstance(third, Recognized)
    assert first.utterance.id == second.utterance.id != third.utterance.id
    assert first.utterance.speaker == second.utterance.speaker == 1
    assert len(first.utterance.id) == 32


def test_early_unknown_speakers_are_the_new_one_who_goes_on() -> None:
    events = told(
        narrator(), final("a", 0, "Unknown"), final("b", 1, "Unknown"), final("c", 2, "Guest-1")
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


def test_a_speaker_known_before_would_have_been_known() -> None:
    events = told(
        narrator(), final("a", 0, "Guest-1"), final("b", 1, "Unknown"), final("c", 2, "Guest-1")
    )
    assert not [line for line in lines(events) if line[2]]


def test_after_a_pause_nobody_is_guessed() -> None:
    events = told(narrator(), final("a", 0, "Unknown"), final("b", 4, "Guest-1"))
    assert lines(events) == [("a", None, False), ("b", 0, False)]


def test_nobody_is_guessed_where_that_is_switched_off() -> None:
    events = told(narrator(0), final("a", 0, "Unknown"), final("b", 0.6, "Guest-1"))
    assert len(lines(events)) == 2


def test_nobody_is_told_apart_where_nobody_asked() -> None:
    assert lines(told(narrator(apart=False), final("a", 0, "Guest-3"))) == [("a", None, False)]


def test_what_was_estimated_is_said() -> None:
    teller = narrator()
    teller.begin(0)
    assert not teller.emulated
    told(teller, final("a", 0, "Unknown"), final("b", 1))
    teller.begin(5)
    filled, anew = teller.emulated
    assert "did not know who spoke 1 time(s)" in filled
    assert "made anew 1 time(s)" in anew


def test_a_label_of_no_known_form_is_numbered_by_its_appearance() -> None:
    events = told(narrator(), final("a", 0, "Anna"), final("b", 1, "Bert"), final("c", 2, "Anna"))
    assert [speaker for _, speaker, _ in lines(events)] == [0, 1, 0]


def test_another_recogniser_has_offsets_and_speakers_of_its_own() -> None:
    teller = narrator()
    teller.begin(0)
    told(teller, final("a", 0, "Guest-1"), final("b", 1, "Guest-2"))
    teller.begin(2 * SECOND)
    word = Final("c", SECOND, 5, "Guest-1", words=(Word("c", SECOND, 5),))
    (event,) = told(teller, word)
    assert isinstance(event, Recognized)
    assert (event.utterance.offset, event.utterance.speaker) == (3 * SECOND, 2)
    assert event.utterance.words[0].offset == 3 * SECOND
    assert teller.reached == 3 * SECOND + 5


def test_what_comes_twice_is_told_once_but_crosstalk_is_told() -> None:
    teller = narrator()
    assert len(told(teller, final("a", 1), final("a", 1))) == 1
    assert len(told(teller, final("b", 0.5, "Guest-2", 2))) == 1


def test_what_was_not_understood_counts_as_heard() -> None:
    teller = narrator()
    assert told(teller, Final("", 0, 7 * SECOND)) == []
    assert teller.reached == 7 * SECOND


def test_the_edges_of_speech_are_told_once() -> None:
    teller = narrator()
    teller.begin(0)
    events = told(teller, SpeechEdge(True, 5), SpeechEdge(True, 9), final("a", 0))
    assert [type(event) for event in events] == [SpeechStarted, Recognized]
    assert list(teller.end()) == [SpeechEnded(teller.reached)]
    assert list(teller.end()) == []


def test_it_goes_on_after_what_another_process_told() -> None:
    known = [Utterance("x" * 32, "a", 0, SECOND, 1)]
    teller = Narrator("m", "en-US", known=known)
    assert teller.reached == SECOND
    teller.begin(SECOND)
    (event,) = told(teller, final("b", 0, "Guest-1"))
    assert isinstance(event, Recognized)
    assert (event.utterance.offset, event.utterance.speaker) == (SECOND, 2)
