from __future__ import annotations

from typing import Any

import pytest

from speech_compat import PropertyCollection, PropertyId

KEY = PropertyId.SpeechServiceConnection_Key


def test_id_and_name_are_one_property() -> None:
    properties = PropertyCollection(None)
    properties.set_property(KEY, "a")
    assert properties.get_property_by_name("SPEECH-SubscriptionKey") == "a"
    properties.set_property_by_name("SPEECH-SubscriptionKey", "b")
    assert properties.get_property(KEY) == "b"


def test_what_is_not_set_has_its_default() -> None:
    properties = PropertyCollection(None)
    properties.set_property(KEY, "")
    assert properties.get_property(KEY, "default") == "default"
    assert properties.get_property_by_name("x") == ""
    assert properties.get_property_by_name("x", "default") == "default"


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.set_property("x", "y"),
        lambda p: p.set_property(KEY, 3),
        lambda p: p.set_property_by_name(KEY, "y"),
        lambda p: p.set_property_by_name("x", None),
        lambda p: p.get_property("x"),
        lambda p: p.get_property_by_name(KEY),
    ],
)
def test_wrong_types(call: Any) -> None:
    with pytest.raises(TypeError):
        call(PropertyCollection(None))
