from __future__ import annotations

from typing import Any

import attrs
import pytest

from speech_adapters import (
    Attendee,
    Capabilities,
    JobState,
    MeetingRequest,
    Mode,
    PcmFormat,
    gaps,
)

CAN_ALL = Capabilities(
    live=True,
    stored=True,
    identification=True,
    max_speakers_hint=True,
    word_timestamps=True,
    phrases=True,
    max_channels=8,
)
ASKS_ALL = MeetingRequest(
    "m",
    audio=PcmFormat(channels=8),
    mode=Mode.BOTH,
    max_speakers=4,
    attendees=(Attendee("a", has_voice_signature=True),),
    phrases=("x",),
    word_timestamps=True,
)


def test_who_can_do_everything_has_no_gaps() -> None:
    assert gaps(ASKS_ALL, CAN_ALL) == ()


@pytest.mark.parametrize(
    ("lacking", "gap", "blocking"),
    [
        ({"live": False}, "live-events", True),
        ({"stored": False}, "stored-transcript", True),
        ({"diarization": False}, "diarization", True),
        ({"languages": frozenset({"de"})}, "language", True),
        ({"identification": False}, "voice-signature", False),
        ({"max_speakers_hint": False}, "speaker-count", False),
        ({"word_timestamps": False}, "word-timestamps", False),
        ({"phrases": False}, "phrases", False),
        ({"max_channels": 1}, "channels", False),
    ],
)
def test_each_lack_is_one_gap(lacking: dict[str, Any], gap: str, blocking: bool) -> None:
    found = gaps(ASKS_ALL, attrs.evolve(CAN_ALL, **lacking))
    assert [(g.id, g.blocking) for g in found] == [(gap, blocking)]
    assert found[0].reason
    assert found[0].way_out


def test_who_asks_for_little_misses_nothing() -> None:
    modest = MeetingRequest("m", mode=Mode.STORED, differentiate_speakers=False)
    assert gaps(modest, Capabilities(live=False, stored=True, diarization=False)) == ()


def test_modes_and_states_answer_for_themselves() -> None:
    assert [(m.live, m.stored) for m in Mode] == [(True, False), (False, True), (True, True)]
    assert [s.value for s in JobState if s.final] == ["Completed", "Failed", "Deleted"]


def test_what_is_set_and_used_by_nobody_is_told_by_name() -> None:
    request = MeetingRequest("m", settings={"profanity": "raw", "endpoint_id": "x"})
    can = Capabilities(live=True, stored=False, settings=frozenset({"profanity"}))
    (gap,) = gaps(request, can)
    assert gap.id == "setting endpoint_id"
    assert gap.reason == "it is set, but the custom model is not used"


@pytest.mark.parametrize("settings", [{}, {"endpoint_id": "y"}])
def test_a_custom_model_of_one_of_several_languages_is_not_lost_silently(
    settings: dict[str, str],
) -> None:
    languages = (("de-DE", ""), ("fr-FR", "a model"))
    request = MeetingRequest("m", languages=languages, settings=settings)
    can = Capabilities(live=True, stored=False, detects_languages=True)
    assert [gap.id for gap in gaps(request, can)] == ["setting endpoint_id"]
    assert gaps(request, attrs.evolve(can, settings=frozenset({"endpoint_id"}))) == ()
