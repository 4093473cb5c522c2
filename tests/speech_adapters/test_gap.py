from __future__ import annotations

import pickle
import warnings

import pytest

import speech_adapters
import speech_compat
from speech_adapters.gap import Gap, GapWarning, describe

GAP = Gap("x", "it is lost", "do without", code="SC999")


def test_the_text_of_a_warning_begins_with_the_code_and_ends_with_the_link() -> None:
    text = "SC999: Backend 'some' [x]: it is lost; do without. See docs/warnings.md#sc999"
    assert str(GapWarning(GAP, "some")) == text
    assert str(GapWarning(GAP)).startswith("SC999: [x]: it is lost;")
    assert describe(GAP, "some") in text


def test_the_text_names_the_variables_of_the_settings_to_change() -> None:
    other = Gap("x", "it is lost", "choose another backend", code="SC999")
    variable = "In the environment: SPEECH_COMPAT_BACKEND. See docs/warnings.md#sc999"
    assert str(GapWarning(other, "some")).endswith(f"choose another backend. {variable}")
    mixed = Gap("y", "it is mixed", 'choose how in the setting "downmix"')
    assert describe(mixed).endswith("In the environment: SPEECH_COMPAT_DOWNMIX.")


def test_a_program_can_read_what_is_lost() -> None:
    with pytest.warns(speech_compat.GapWarning) as caught:
        warnings.warn(GapWarning(GAP, "some"), stacklevel=1)
    (found,) = caught
    assert isinstance(found.message, GapWarning)
    assert (found.message.gap, found.message.backend) == (GAP, "some")
    assert speech_compat.GapWarning is speech_adapters.GapWarning is GapWarning


def test_a_gap_without_a_code_links_to_the_page() -> None:
    assert Gap("x", "r", "w").link == "docs/warnings.md"


def test_a_warning_can_be_sent_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(GapWarning(GAP, "some")))
    assert str(again) == str(GapWarning(GAP, "some"))
