"""The names themselves are compared with the real package in tests/oracle."""

from __future__ import annotations

from speech_compat import PropertyCollection, PropertyId
from speech_compat._sdk.property_names import NAMES


def test_two_ids_never_share_a_name() -> None:
    names = [NAMES.get(found, found.name) for found in PropertyId]
    assert len(set(names)) == len(names)


def test_the_table_has_no_entry_that_changes_nothing() -> None:
    assert [found for found, name in NAMES.items() if found.name == name] == []


def test_an_id_without_an_entry_has_its_own_name() -> None:
    own = PropertyId.AudioConfig_AudioSource
    assert own not in NAMES
    properties = PropertyCollection(None)
    properties.set_property(own, "x")
    assert properties.get_property_by_name("AudioConfig_AudioSource") == "x"
