"""Names and values are compared with three versions of the real package in tests/ledger."""

from __future__ import annotations

from enum import Enum

import pytest

from double.missing import block_imports
from speech_compat import enums
from speech_compat._sdk.real import SDK


@pytest.mark.parametrize("name", [n for n in enums.__all__ if n != "Transcription"])
def test_members_have_values_of_their_own(name: str) -> None:
    kind: type[Enum] = getattr(enums, name)
    assert len(kind) == len(kind.__members__), "an alias would change what programs print"


def test_the_nested_enumeration_is_reached_as_in_the_real_package() -> None:
    assert enums.Transcription.ParticipantChangedReason.Updated.value == 2


def test_other_names_of_the_module_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    block_imports(monkeypatch, SDK)
    with pytest.raises(NotImplementedError, match="intent recognition is not part"):
        _ = enums.IntentTriggerReason
