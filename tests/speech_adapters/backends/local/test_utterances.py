from __future__ import annotations

import attrs

from speech_adapters.backends.local.recognition.whisper import RecognizedWord
from speech_adapters.backends.local.utterances import (
    EngineLine,
    Segment,
    Span,
    UtteranceBuilder,
    split_by_speaker,
)
from speech_adapters.contract import Hypothesis, Recognized, SessionEvent, SpeechStarted

NEVER = 1000.0


def line(
    text: str, start: float, duration: float, *spans: Span, number: int = 1, complete: bool = True
) -> EngineLine:
    return EngineLine(number, text, start, duration, complete, spans)


def final(events: list[SessionEvent]) -> list[tuple[str, int | None, bool]]:
    return [
        (e.utterance.text, e.utterance.speaker, e.correction)
        for e in events
        if isinstance(e, Recognized)
    ]


def test_a_line_of_one_speaker_stays_whole() -> None:
    assert split_by_speaker(line("One two.", 1.0, 2.0, Span(1.0, 2.0, 7))) == [
        Segment("One two.", 1.0, 3.0, 7)
    ]


def test_a_line_is_split_where_the_speaker_changes_and_at_the_sentence_end() -> None:
    shared = line("How are you? I am fine.", 0.0, 4.0, Span(0.0, 2.2, 1), Span(2.2, 1.8, 2))
    assert split_by_speaker(shared) == [
        Segment("How are you?", 0.0, 2.2, 1),
        Segment("I am fine.", 2.2, 4.0, 2),
    ]


def test_spans_too_short_to_be_speech_split_nothing() -> None:
    noisy = line("One two three.", 0.0, 3.0, Span(0.0, 2.9, 1), Span(2.9, 0.02, 2))
    assert [part.speaker for part in split_by_speaker(noisy)] == [1]


def test_a_short_span_gets_no_word_even_in_a_short_line() -> None:
    noisy = line("a b c d e", 0.0, 1.0, Span(0.0, 0.8, 1), Span(0.8, 0.2, 2))
    assert [(part.text, part.speaker) for part in split_by_speaker(noisy)] == [("a b c d e", 1)]


def test_no_word_is_lost_however_a_line_is_split() -> None:
    words = "a b c d e f g h i j"
    for cut in range(1, 10):
        spans = (Span(0.0, cut, 1), Span(cut, 10.0 - cut, 2))
        parts = split_by_speaker(line(words, 0.0, 10.0, *spans))
        assert " ".join(part.text for part in parts) == words


def test_speakers_are_numbered_in_order_of_first_appearance() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    first = line("One.", 0.0, 1.0, Span(0.0, 1.0, 991), number=1)
    second = line("Two.", 2.0, 1.0, Span(2.0, 1.0, 17), number=2)
    events = [*talk.update([first, second], NEVER)]
    assert final(events) == [("One.", 0, False), ("Two.", 1, False)]


def test_a_line_in_progress_is_a_hypothesis_and_shares_its_id_with_the_final_text() -> None:
    talk = UtteranceBuilder("en-US", diarize=False, settle_seconds=2.0)
    started, guess = talk.update([line("One", 0.5, 1.0, complete=False)], 1.5)
    assert started == SpeechStarted(5_000_000)
    assert isinstance(guess, Hypothesis)
    (sent,) = talk.update([line("One two.", 0.5, 1.5)], NEVER)
    assert isinstance(sent, Recognized)
    assert sent.utterance.id == guess.utterance.id
    assert sent.utterance.language == "en-US"


def test_the_same_text_is_no_new_hypothesis() -> None:
    talk = UtteranceBuilder("en-US", diarize=False, settle_seconds=2.0)
    guess = line("One", 0.0, 1.0, complete=False)
    assert len([*talk.update([guess], 1.0)]) == 2
    assert [*talk.update([attrs.evolve(guess, duration=1.5)], 1.5)] == []


def test_a_complete_line_waits_until_its_speaker_is_known() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    unknown = line("One.", 0.0, 1.0)
    assert final([*talk.update([unknown], 3.0)]) == []
    known = attrs.evolve(unknown, spans=(Span(0.0, 1.0, 5),))
    assert final([*talk.update([known], 3.5)]) == [("One.", 0, False)]


def test_a_speaker_that_stays_unknown_does_not_hold_up_the_line_for_ever() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    assert final([*talk.update([line("One.", 0.0, 1.0)], 6.9)]) == []
    assert final([*talk.update([], 7.0)]) == [("One.", None, False)]


def test_a_revised_speaker_is_sent_as_a_correction_and_kept() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    one = line("One.", 0.0, 1.0, Span(0.0, 1.0, 5), number=1)
    two = line("Two.", 1.0, 1.0, Span(1.0, 1.0, 5), number=2)
    assert len(final([*talk.update([one, two], NEVER)])) == 2
    revised = attrs.evolve(two, spans=(Span(1.0, 1.0, 6),))
    assert final([*talk.update([revised], NEVER)]) == [("Two.", 1, True)]
    assert [u.speaker for u in talk.utterances] == [0, 1]


def test_utterances_come_in_order_though_an_earlier_line_waits() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    early = line("One.", 0.0, 1.0, number=1)
    late = line("Two.", 1.0, 1.0, Span(1.0, 1.0, 5), number=2)
    assert final([*talk.update([early, late], 4.0)]) == []
    assert [text for text, *_ in final([*talk.finish()])] == ["One.", "Two."]


def test_without_diarization_there_are_no_speakers() -> None:
    talk = UtteranceBuilder("en-US", diarize=False, settle_seconds=2.0)
    events = [*talk.update([line("One.", 0.0, 1.0, Span(0.0, 1.0, 5))], 1.0)]
    assert final(events) == [("One.", None, False)]


def test_times_are_whole_milliseconds() -> None:
    talk = UtteranceBuilder("en-US", diarize=False, settle_seconds=2.0)
    list(talk.update([line("One.", 17.376001358032227, 1.7599983215332031)], NEVER))
    assert (talk.utterances[0].offset, talk.utterances[0].end) == (173_760_000, 191_360_000)


def test_a_line_without_text_is_no_utterance_and_holds_up_nothing() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    silent = line("", 0.0, 1.0, number=1)
    spoken = line("One.", 1.0, 1.0, Span(1.0, 1.0, 5), number=2)
    assert final([*talk.update([silent, spoken], NEVER)]) == [("One.", 0, False)]
    assert [*talk.update([attrs.evolve(silent, duration=0.5)], NEVER)] == []


def test_a_speaker_who_has_time_for_no_word_gets_no_segment() -> None:
    shared = line("One two.", 0.0, 10.0, Span(0.0, 0.5, 1), Span(0.5, 9.5, 2))
    assert [(part.text, part.speaker) for part in split_by_speaker(shared)] == [("One two.", 2)]


def test_a_speaker_that_the_engine_loses_again_stays() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    known = line("One.", 0.0, 1.0, Span(0.0, 1.0, 5))
    assert len(final([*talk.update([known], NEVER)])) == 1
    assert [*talk.update([attrs.evolve(known, spans=())], NEVER)] == []
    assert [u.speaker for u in talk.utterances] == [0]


def test_a_line_still_in_progress_at_the_end_is_an_utterance() -> None:
    talk = UtteranceBuilder("en-US", diarize=False, settle_seconds=2.0)
    assert final([*talk.update([line("One", 0.0, 1.0, complete=False)], NEVER)]) == []
    assert final([*talk.finish()]) == [("One", None, False)]


def spoken(number: int, start: float, *words: str, spans: tuple[Span, ...]) -> EngineLine:
    """Return a line with words of half a second."""
    found = tuple(
        RecognizedWord(f" {word}", start + n / 2, start + n / 2 + 0.5)
        for n, word in enumerate(words)
    )
    return EngineLine(number, " ".join(words), start, len(words) / 2, True, spans, found)


def test_a_line_with_words_is_divided_at_them() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=0.0)
    shared = spoken(
        1, 2.0, "How", "are", "you?", "Fine.", spans=(Span(2.0, 1.5, 4), Span(3.5, 0.5, 9))
    )
    assert final([*talk.update([shared], 4.0)]) == [("How are you?", 0, False), ("Fine.", 1, False)]
    first, second = talk.utterances
    assert (first.offset, first.end) == (20_000_000, 35_000_000)
    assert [word.text for word in first.words] == ["How", "are", "you?"]
    assert first.id != second.id


def test_a_line_whose_speakers_are_settled_waits_for_nothing() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=0.0)
    unknown = spoken(1, 0.0, "One.", spans=())
    assert final([*talk.update([unknown], 0.5)]) == [("One.", None, False)]


def test_a_hypothesis_shares_its_id_with_the_first_utterance_of_a_line_with_words() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=0.0)
    _, guess = talk.update([line("One", 0.0, 0.5, complete=False)], 0.5)
    assert isinstance(guess, Hypothesis)
    (sent,) = talk.update([spoken(1, 0.0, "One.", spans=(Span(0.0, 0.5, 0),))], 1.0)
    assert isinstance(sent, Recognized)
    assert sent.utterance.id == guess.utterance.id


def test_the_result_divides_a_line_anew_though_events_cannot() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=0.0)
    words = ("How", "are", "you?", "Fine.", "And", "you?")
    mixed = spoken(1, 0.0, *words, spans=(Span(0.0, 3.0, 0),))
    assert len(final([*talk.update([mixed], 3.0)])) == 1
    apart = attrs.evolve(mixed, spans=(Span(0.0, 1.4, 0), Span(1.5, 1.5, 1)))
    # Most of the utterance is of the second speaker now.
    assert final([*talk.update([apart], 3.5)]) == [("How are you? Fine. And you?", 1, True)]
    assert [(u.text, u.speaker) for u in talk.result()] == [
        ("How are you?", 0),
        ("Fine. And you?", 1),
    ]
    assert talk.result()[0].id == talk.utterances[0].id


def test_the_result_without_words_is_what_was_sent() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=2.0)
    list(talk.update([line("One.", 0.0, 1.0, Span(0.0, 1.0, 5))], NEVER))
    assert talk.result() == talk.utterances


def test_the_result_numbers_the_speakers_anew() -> None:
    talk = UtteranceBuilder("en-US", diarize=True, settle_seconds=0.0)
    first = spoken(1, 0.0, "One.", spans=(Span(0.0, 0.5, 0),))
    second = spoken(2, 1.0, "Two.", spans=(Span(1.0, 0.5, 1),))
    third = spoken(3, 2.0, "Three.", spans=(Span(2.0, 0.5, 2),))
    list(talk.update([first, second, third], 3.0))
    list(talk.update([attrs.evolve(second, spans=(Span(1.0, 0.5, 0),))], 3.0))
    assert [u.speaker for u in talk.utterances] == [0, 0, 2]
    assert [u.speaker for u in talk.result()] == [0, 0, 1]
