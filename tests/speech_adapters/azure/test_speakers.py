from __future__ import annotations

import pytest

from speech_adapters.azure.speakers import speaker_limit
from speech_adapters.request import Attendee, MeetingRequest


def request(participants: int = 0, announced: int | None = None) -> MeetingRequest:
    people = tuple(Attendee(f"user{n}") for n in range(participants))
    return MeetingRequest("m", attendees=people, max_speakers=announced)


@pytest.mark.parametrize(
    ("participants", "announced", "count", "note"),
    [
        (5, None, 5, "at most 5 were distinguished, as many as participants"),
        (40, None, 35, "at most 35 were distinguished"),
        (5, 3, 3, ""),
        (0, 35, 35, ""),
        (0, 1, 2, "1 speaker was announced, but the service distinguishes at least 2"),
        (0, None, 10, "at most 10 were distinguished (option max_speakers)"),
        (1, None, 10, "at most 10 were distinguished (option max_speakers)"),
    ],
)
def test_the_limit_is_legal_and_its_origin_is_stated(
    participants: int, announced: int | None, count: int, note: str
) -> None:
    limit = speaker_limit(request(participants, announced), 10)
    assert limit.count == count
    assert note in "".join(limit.emulated)
    assert bool(limit.emulated) == bool(note)
