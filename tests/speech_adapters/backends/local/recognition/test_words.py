from __future__ import annotations

import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from speech_adapters.backends.local.diarization import Turn
from speech_adapters.backends.local.recognition.whisper import RecognizedWord
from speech_adapters.backends.local.recognition.words import build_utterances
from speech_adapters.transcript import Utterance, seconds

SEED = uuid.UUID(int=7)


def words(text: str, start: float, each: float = 0.3, gap: float = 0.0) -> list[RecognizedWord]:
    """Return the words of a text, one after the other."""
    return [
        RecognizedWord(f" {word}", start + n * (each + gap), start + n * (each + gap) + each, 0.9)
        for n, word in enumerate(text.split())
    ]


def build(spoken: list[RecognizedWord], *turns: Turn, **more: Any) -> tuple[Utterance, ...]:
    return build_utterances(spoken, turns, language="en-US", seed=SEED, **more)


def talk(found: tuple[Utterance, ...]) -> list[tuple[int | None, str]]:
    return [(utterance.speaker, utterance.text) for utterance in found]


def test_words_between_two_turns_go_to_the_one_they_overlap_most() -> None:
    spoken = words("How are you? Fine. And you?", 0.0)
    # The third word lies in both turns, for 0.2 s in the first.
    found = build(spoken, Turn(0.0, 0.8, 0), Turn(0.8, 2.0, 1))
    assert talk(found) == [(0, "How are you?"), (1, "Fine. And you?")]


def test_words_have_their_text_time_and_confidence() -> None:
    (found,) = build(words("Good morning.", 1.0), Turn(1.0, 1.6, 0))
    assert [(w.text, w.offset, w.duration, w.confidence) for w in found.words] == [
        ("Good", 10_000_000, 3_000_000, 0.9),
        ("morning.", 13_000_000, 3_000_000, 0.9),
    ]
    assert (found.offset, found.duration, found.language) == (10_000_000, 6_000_000, "en-US")


def test_without_turns_utterances_have_no_speaker() -> None:
    found = build(words("One two.", 0.0) + words("Three.", 5.0))
    assert talk(found) == [(None, "One two."), (None, "Three.")]


def test_speakers_are_numbered_by_first_appearance() -> None:
    found = build(words("A b.", 0.0) + words("C d.", 2.0), Turn(0, 1, 4), Turn(2, 3, 1))
    assert [u.speaker for u in found] == [0, 1]


def test_the_numbers_of_earlier_words_are_continued() -> None:
    numbers = {1: 0}
    found = build(words("A b.", 0.0), Turn(0, 1, 4), numbers=numbers)
    assert [u.speaker for u in found] == [1]
    assert numbers == {1: 0, 4: 1}


def test_a_word_near_a_turn_belongs_to_it_and_one_far_away_has_no_speaker() -> None:
    found = build(words("Near.", 1.9) + words("Far.", 9.0), Turn(0.0, 1.0, 0))
    assert talk(found) == [(0, "Near."), (None, "Far.")]


def test_a_sentence_goes_on_in_a_pause_of_the_diarizer() -> None:
    # The last word begins nearer to the next turn than to its own.
    spoken = [*words("without spilling his", 0.0), RecognizedWord(" contents.", 0.9, 0.9)]
    found = build(spoken, Turn(0.0, 0.4, 0), Turn(1.2, 2.0, 1))
    assert talk(found) == [(0, "without spilling his contents.")]


def test_loose_times_are_fitted_to_the_turn() -> None:
    (found,) = build(words("Good morning.", 0.8, each=0.6), Turn(1.0, 1.7, 0))
    assert (seconds(found.offset), seconds(found.end)) == (1.0, 1.7)


def test_times_that_are_too_short_are_stretched_to_the_edges_of_the_turn() -> None:
    (found,) = build(words("Good morning.", 1.3), Turn(1.0, 2.2, 0))
    assert (seconds(found.offset), seconds(found.end)) == (1.0, 2.2)


def test_speech_that_was_not_recognized_is_no_part_of_a_word() -> None:
    (found,) = build(words("Good morning.", 3.0), Turn(1.0, 9.0, 0))
    assert (seconds(found.offset), seconds(found.end)) == (3.0, 3.6)


def test_a_pause_ends_an_utterance_and_a_shorter_one_a_sentence() -> None:
    spoken = [
        *words("One. Two", 0.0),
        *words("three. Four.", 1.3),  # 0.7 s within a sentence
        *words("Five", 2.5),  # 0.6 s after a sentence
        *words("six.", 4.4),  # 1.6 s within a sentence
    ]
    found = build(spoken, Turn(0.0, 9.0, 0))
    assert [u.text for u in found] == ["One. Two three. Four.", "Five", "six."]


def test_a_long_utterance_ends_at_a_sentence_and_at_half_a_minute_at_the_latest() -> None:
    sentences = build(words("a b c d e f. " * 10, 0.0, each=0.5), Turn(0.0, 60.0, 0))
    # 15 s are 30 words, so the fifth sentence is complete, and the sixth begins anew.
    assert [len(u.words) for u in sentences] == [30, 30]
    endless = build(words("a " * 100, 0.0, each=0.5), Turn(0.0, 60.0, 0))
    assert [len(u.words) for u in endless] == [60, 40]


def test_an_interjection_does_not_divide_a_sentence() -> None:
    spoken = [
        *words("I think that", 0.0),
        *words("mhm", 0.9),
        *words("we should go.", 1.2),
    ]
    found = build(spoken, Turn(0.0, 2.1, 0), Turn(0.9, 1.2, 1))
    # While both speak, the one who spoke before goes on.
    assert talk(found) == [(0, "I think that mhm we should go.")]
    found = build(spoken, Turn(0.0, 0.9, 0), Turn(0.9, 1.2, 1), Turn(1.2, 2.1, 0))
    assert talk(found) == [(0, "I think that we should go."), (1, "mhm")]


def test_a_speaker_who_takes_over_ends_an_utterance() -> None:
    spoken = [
        *words("I think that", 0.0),
        *words("no wait a moment please", 0.9, each=0.2),
        *words("we should go.", 2.0),
    ]
    found = build(spoken, Turn(0.0, 0.9, 0), Turn(0.9, 1.9, 1), Turn(2.0, 2.9, 0))
    assert talk(found) == [
        (0, "I think that"),
        (1, "no wait a moment please"),
        (0, "we should go."),
    ]


def test_an_interjection_after_a_sentence_ends_the_utterance() -> None:
    spoken = [*words("All right.", 0.0), *words("mhm", 0.6), *words("We go.", 0.9)]
    found = build(spoken, Turn(0.0, 0.6, 0), Turn(0.6, 0.9, 1), Turn(0.9, 1.5, 0))
    assert talk(found) == [(0, "All right."), (1, "mhm"), (0, "We go.")]


def test_while_two_speak_the_words_are_those_of_the_one_who_spoke_before() -> None:
    spoken = [*words("so", 0.5), *words("it is", 1.5)]
    found = build(spoken, Turn(0.0, 1.0, 1), Turn(1.0, 3.0, 0), Turn(1.2, 3.0, 1))
    assert talk(found) == [(0, "so it is")]


def test_words_of_languages_without_spaces_are_joined_without_spaces() -> None:
    spoken = [RecognizedWord("你好", 0.0, 0.5), RecognizedWord("世界。", 0.5, 1.0)]
    (found,) = build(spoken, Turn(0.0, 1.0, 0))
    assert found.text == "你好世界。"
    assert [w.text for w in found.words] == ["你好", "世界。"]


def test_a_repeated_transcription_has_the_same_ids() -> None:
    spoken, turns = words("A b.", 0.0) + words("C d.", 2.0), (Turn(0, 1, 0), Turn(2, 3, 1))
    first, again = build(spoken, *turns), build(spoken, *turns)
    assert [u.id for u in first] == [u.id for u in again]
    assert len({u.id for u in first}) == 2
    other = build_utterances(spoken, turns, language="en", seed=uuid.UUID(int=8))
    assert not {u.id for u in first} & {u.id for u in other}


times = st.floats(0, 60).map(lambda value: round(value, 2))
lengths = st.floats(0, 5).map(lambda value: round(value, 2))
texts = st.sampled_from([" a", " b.", " c?", "d"])
recognized = st.lists(
    st.builds(lambda t, s, d: RecognizedWord(t, s, s + d, 0.5), texts, times, lengths), max_size=40
).map(lambda found: sorted(found, key=lambda word: word.start))
turns = st.lists(
    st.builds(lambda s, d, k: Turn(s, s + d, k), times, lengths, st.integers(0, 3)), max_size=20
).map(lambda found: sorted(found, key=lambda turn: turn.start))


@given(recognized, turns)
def test_no_word_is_lost_or_doubled_and_times_stay_in_order(
    spoken: list[RecognizedWord], found_turns: list[Turn]
) -> None:
    found = build(spoken, *found_turns)
    kept = sorted(word.text for utterance in found for word in utterance.words)
    assert kept == sorted(word.text.strip() for word in spoken)
    assert [u.offset for u in found] == sorted(u.offset for u in found)
    for utterance in found:
        assert utterance.duration >= 0
        assert all(word.duration >= 0 for word in utterance.words)
        assert all(
            utterance.offset <= word.offset and word.offset + word.duration <= utterance.end
            for word in utterance.words
        )


@given(recognized, turns)
def test_speakers_are_consecutive_numbers_of_the_turns(
    spoken: list[RecognizedWord], found_turns: list[Turn]
) -> None:
    speakers = [u.speaker for u in build(spoken, *found_turns) if u.speaker is not None]
    assert list(dict.fromkeys(speakers)) == list(range(len(set(speakers))))
    assert len(set(speakers)) <= len({turn.speaker for turn in found_turns})
