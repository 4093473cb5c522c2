from __future__ import annotations

from typing import Any

import attrs
import pytest

from double.voices import MODEL, RETIRED, signature_text
from speech_adapters import (
    Attendee,
    Capabilities,
    JobState,
    MeetingRequest,
    Mode,
    PcmFormat,
    gaps,
)
from speech_adapters.capabilities import with_usable_signatures

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
    attendees=(Attendee("a", voice_signature=signature_text()),),
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


def test_a_setting_that_is_not_used_is_a_gap_with_its_name() -> None:
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


def people(*signatures: str) -> MeetingRequest:
    attendees = (Attendee(f"SECRET{n}", "en", text) for n, text in enumerate(signatures))
    return MeetingRequest("m", attendees=tuple(attendees))


IDENTIFIES = Capabilities(live=True, stored=True, identification=True, signature_model=MODEL)


def test_signatures_that_can_be_used_are_no_gap() -> None:
    assert gaps(people(signature_text(0), "", signature_text(1)), IDENTIFIES) == ()


def test_signatures_that_cannot_be_used_are_one_gap_with_each_reason_once() -> None:
    foreign = signature_text(model="f" * 16)
    (gap,) = gaps(people(RETIRED, signature_text(), RETIRED, foreign), IDENTIFIES)
    assert (gap.id, gap.blocking) == ("voice-signature", False)
    assert gap.reason.startswith("3 of the voice signatures cannot be used")
    assert gap.reason.count("made by the retired service") == 1
    assert gap.reason.count("another embedding model") == 1
    assert "speech-compat enroll" in gap.way_out
    assert "SECRET" not in repr(gap)
    assert "bWFkZSB1cA" not in repr(gap)


def test_a_service_judges_the_signatures_that_are_passed_on_to_it() -> None:
    passes = attrs.evolve(IDENTIFIES, passes_signatures=True)
    request = people(RETIRED, signature_text(model="f" * 16))
    assert gaps(request, passes) == ()
    assert with_usable_signatures(request, passes) == request


def test_only_usable_signatures_go_to_a_backend() -> None:
    request = people(RETIRED, signature_text(), "", signature_text(model="f" * 16))
    kept = with_usable_signatures(request, IDENTIFIES)
    assert [a.id for a in kept.attendees] == ["SECRET0", "SECRET1", "SECRET2", "SECRET3"]
    assert [a.voice_signature for a in kept.attendees] == ["", signature_text(), "", ""]
    assert kept.participants == 4
    none = with_usable_signatures(request, attrs.evolve(IDENTIFIES, identification=False))
    assert [a.voice_signature for a in none.attendees] == [""] * 4


def test_who_the_attendees_are_is_not_shown() -> None:
    request = people(signature_text(5))
    assert "SECRET" not in repr(request)
    assert "1.0" not in repr(request)
    assert request.attendees[0].has_voice_signature
    assert not Attendee("a").has_voice_signature
