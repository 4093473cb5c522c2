"""Numbers of speakers over several recognizers, and corrections of unknown ones."""

from __future__ import annotations

from speech_adapters.speech_sdk.speakers import MeetingSpeakers, SpeakerBackfill, SpeakerNumbers
from speech_adapters.transcript import Utterance

SECOND = 10_000_000


def utterance(at: float, speaker: int | None) -> Utterance:
    return Utterance(f"{at}", "text", round(at * SECOND), SECOND // 2, speaker)


def test_labels_of_the_service_are_numbered_from_zero() -> None:
    numbers = SpeakerNumbers()
    labels = ("Guest-1", "Guest-3", "Guest-1", "Unknown", "")
    assert [numbers.number(label) for label in labels] == [0, 2, 0, None, None]


def test_another_recognizer_reuses_no_number() -> None:
    numbers = SpeakerNumbers()
    numbers.reserve(None)
    numbers.reserve(4)
    numbers.begin()
    assert [numbers.number(label) for label in ("Guest-1", "Guest-2")] == [5, 6]
    numbers.begin()
    assert numbers.number("Guest-1") == 7


def test_labels_of_no_known_form_are_numbered_by_appearance_for_each_recognizer() -> None:
    numbers = SpeakerNumbers()
    assert [numbers.number(label) for label in ("Anna", "Guest-2", "Bert", "Anna")] == [0, 1, 2, 0]
    numbers.begin()
    assert numbers.number("Anna") == 3


def test_only_a_new_speaker_is_assigned() -> None:
    backfill = SpeakerBackfill(2 * SECOND)
    backfill.add_known(0)
    backfill.add_known(None)
    assert list(backfill.assign(utterance(0, None))) == []
    assert list(backfill.assign(utterance(1, 0))) == []
    assert list(backfill.assign(utterance(2, None))) == []
    assert list(backfill.assign(utterance(3, 1))) == [utterance(2, 1)]
    assert backfill.count == 1


def test_a_pause_ends_what_is_assigned() -> None:
    backfill = SpeakerBackfill(2 * SECOND)
    for at in (0, 4):
        assert list(backfill.assign(utterance(at, None))) == []
    # Only the utterance after the pause is near enough.
    assert list(backfill.assign(utterance(6.4, 0))) == [utterance(4, 0)]


def test_a_window_of_zero_assigns_no_speaker() -> None:
    backfill = SpeakerBackfill(0)
    assert list(backfill.assign(utterance(0, None))) == []
    assert list(backfill.assign(utterance(0.5, 0))) == []
    assert backfill.count == 0


def test_the_memory_of_unknown_speakers_is_bounded() -> None:
    backfill = SpeakerBackfill(2 * SECOND)
    for at in range(100):
        assert list(backfill.assign(utterance(at, None))) == []
    assert len(list(backfill.assign(utterance(100, 0)))) == 64


def test_guests_keep_the_number_of_the_service_unless_a_participant_has_it() -> None:
    speakers = MeetingSpeakers(separate=True)
    assert speakers.resolve("Guest_2") == (2, None)
    assert speakers.resolve("katie") == (0, "katie")
    assert speakers.resolve("Guest_0") == (1, None)
    assert speakers.resolve("Guest_1") == (3, None)
    assert speakers.resolve("katie") == (0, "katie")
    assert speakers.resolve("Guest_0") == (1, None)
    assert speakers.resolve("Unidentified") == speakers.resolve("") == (None, None)


def test_guests_of_another_recognizer_are_others_but_participants_are_not() -> None:
    speakers = MeetingSpeakers(separate=True)
    assert speakers.resolve("Guest_0") == (0, None)
    assert speakers.resolve("katie") == (1, "katie")
    speakers.begin()
    assert speakers.resolve("Guest_0") == (2, None)
    assert speakers.resolve("katie") == (1, "katie")


def test_without_separation_there_are_no_numbers() -> None:
    speakers = MeetingSpeakers(separate=False)
    assert speakers.resolve("Guest_0") == (None, None)
    assert speakers.resolve("katie") == (None, "katie")
