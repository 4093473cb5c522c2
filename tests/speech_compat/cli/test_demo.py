from __future__ import annotations

from speech_compat.cli.demo import timeline

SECOND = 10_000_000


def test_the_timeline_has_a_row_per_speaker_and_its_length_in_seconds() -> None:
    drawn = timeline(
        [
            ("Guest_1", 30 * SECOND, 30 * SECOND),
            ("Guest_0", 0, 15 * SECOND),
            ("Guest_0", 20 * SECOND, 10 * SECOND),
        ]
    )
    assert drawn.splitlines() == [
        "Guest_0  " + "#" * 15 + "." * 5 + "#" * 10 + "." * 30,
        "Guest_1  " + "." * 30 + "#" * 30,
        " " * 9 + "0 s" + "60 s".rjust(57),
    ]


def test_a_short_utterance_is_drawn_also_at_the_end() -> None:
    (row, _) = timeline([("Anna", 0, 1), ("Anna", 599 * SECOND, SECOND)]).splitlines()
    assert row == "Anna  #" + "." * 58 + "#"


def test_no_utterances_are_no_timeline() -> None:
    assert timeline([]) == ""
