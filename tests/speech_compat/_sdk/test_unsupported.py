from __future__ import annotations

import pytest

from speech_compat import Connection, SpeechConfig
from speech_compat._sdk.unsupported import MEMBERS, unsupported_getattr, unsupported_member

EXPLAINED = (
    "speech_compat does not include {!r}: speech synthesis was not retired. Import it from"
    " azure.cognitiveservices.speech; both packages can be used together."
)


def test_a_name_of_the_real_package_is_explained() -> None:
    with pytest.raises(NotImplementedError) as caught:
        unsupported_getattr("module")("SpeechSynthesizer")
    assert str(caught.value) == EXPLAINED.format("SpeechSynthesizer")


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'module' has no attribute 'nonsense'"):
        unsupported_getattr("module")("nonsense")


@pytest.mark.parametrize("pattern", MEMBERS)
def test_every_member_has_a_reason(pattern: str) -> None:
    assert MEMBERS[pattern] in str(unsupported_member(pattern.replace("*", "")))


def test_members_of_included_classes_are_explained() -> None:
    config = SpeechConfig("key", "region")
    member = "SpeechConfig.speech_synthesis_language"
    with pytest.raises(NotImplementedError) as caught:
        _ = config.speech_synthesis_language
    assert str(caught.value) == EXPLAINED.format(member)
    with pytest.raises(NotImplementedError):
        config.speech_synthesis_language = "en-US"
    with pytest.raises(NotImplementedError):
        _ = config.speech_synthesis_voice_name
    with pytest.raises(NotImplementedError):
        config.speech_synthesis_voice_name = "voice"
    with pytest.raises(NotImplementedError):
        _ = config.speech_synthesis_output_format_string
    with pytest.raises(NotImplementedError):
        config.set_speech_synthesis_output_format(1)
    with pytest.raises(NotImplementedError):
        Connection.from_speech_synthesizer(object())
    with pytest.raises(NotImplementedError, match="bots are not part"):
        Connection.from_dialog_service_connector(object())
