"""Texts and types are those of the real package (1.53.0), as it answered when called."""

from __future__ import annotations

from typing import Any

import pytest

from speech_compat import SpeechConfig
from speech_compat.transcription import Conversation, Meeting, Participant

CONFIG = SpeechConfig("key", "region")


@pytest.fixture
def meeting() -> Meeting:
    return Meeting(CONFIG, "m")


def test_a_meeting_needs_configuration_and_id() -> None:
    with pytest.raises(ValueError, match="speech_config must be a SpeechConfig instance"):
        Meeting(None, "m")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="meeting_id must not be empty"):
        Meeting(CONFIG, "")
    with pytest.raises(TypeError, match=r"object of type 'NoneType' has no len\(\)"):
        Meeting(CONFIG, None)  # type: ignore[arg-type]


def test_a_conversation_makes_up_its_id() -> None:
    assert Conversation(CONFIG, "c").conversation_id == "c"
    first, second = Conversation(CONFIG), Conversation(CONFIG)
    assert first.conversation_id != second.conversation_id


def test_nothing_happens_before_get(meeting: Meeting) -> None:
    someone = Participant("u", "en-US")
    future = meeting.add_participant_async(someone)
    assert meeting._participants == {}
    assert future.get() is someone
    assert list(meeting._participants) == ["u"]


def test_adding_by_user_id_works_here(meeting: Meeting) -> None:
    assert meeting.add_participant_async(user_id="u").get().participant_id == "u"


@pytest.mark.parametrize("call", ["add_participant_async", "remove_participant_async"])
def test_exactly_one_argument(meeting: Meeting, call: str) -> None:
    for arguments in ((), (Participant("u", "en-US"), "u")):
        with pytest.raises(ValueError) as caught:
            getattr(meeting, call)(*arguments)
        assert str(caught.value) == (
            "bad arguments: pass either participant object or user id string "
        )


def test_removing(meeting: Meeting) -> None:
    meeting.add_participant_async(Participant("u", "en-US")).get()
    assert meeting.remove_participant_async(user_id="u").get() is None
    with pytest.raises(RuntimeError, match=r"has not been added before\. So, it can't be removed"):
        meeting.remove_participant_async(user_id="u").get()


@pytest.mark.parametrize("made", [Meeting(CONFIG, "m"), Conversation(CONFIG, "c")])
def test_calls_that_the_real_package_refuses_are_refused_on_get(made: Any) -> None:
    kind = type(made).__name__.lower()
    names = [f"{verb}_{kind}_async" for verb in ("start", "end", "delete", "lock", "unlock")]
    for name in (*names, "mute_all_participants_async", "unmute_all_participants_async"):
        future = getattr(made, name)()
        with pytest.raises(RuntimeError, match=r"0x2b \(SPXERR_UNSUPPORTED_API_ERROR\)"):
            future.get()
    for name in ("mute_participant_async", "unmute_participant_async"):
        with pytest.raises(RuntimeError, match="0x2b"):
            getattr(made, name)("u").get()


def test_a_participant() -> None:
    someone = Participant("u", "en-US", "{}")
    assert someone.participant_id == "u"
    assert (someone.avatar, someone.display_name) == ("", "")
    assert (someone.is_using_tts, someone.is_muted, someone.is_host) == (False, False, False)
    someone.set_preferred_language("de-DE")
    someone.set_voice_signature('{"Version": 0}')
    assert someone.properties.get_property_by_name("x") == ""


@pytest.mark.parametrize("signature", ["x", "[]", '{"a"', "null"])
def test_a_voice_signature_is_a_json_object_and_is_not_quoted(signature: str) -> None:
    for call in (
        lambda: Participant("u", "en", signature),
        lambda: Participant("u", "en").set_voice_signature(signature),
    ):
        with pytest.raises(RuntimeError) as caught:
            call()
        assert str(caught.value) == (
            "Invalid argument exception: Voice signature does not parse as JSON object."
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda: Participant("", "en"),
        lambda: Participant("u", "en").set_preferred_language(""),
        lambda: Participant("u", "en").set_voice_signature(""),
    ],
)
def test_values_that_must_not_be_empty(call: Any) -> None:
    with pytest.raises(RuntimeError, match="5"):
        call()


def test_properties_begin_with_those_of_the_configuration(meeting: Meeting) -> None:
    assert meeting.properties.get_property_by_name("SPEECH-Region") == "region"
    meeting.authorization_token = "t"
    assert meeting.authorization_token == "t"
    assert CONFIG.authorization_token == ""
