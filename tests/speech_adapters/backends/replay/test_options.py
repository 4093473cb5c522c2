from __future__ import annotations

import re
from pathlib import Path

import pytest

from speech_adapters.backends.replay import options_model
from speech_adapters.backends.replay.options import ReplayOptions, replay_options
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError, ThrottledError


def options(**given: str) -> ReplayOptions:
    named = {f"backends.replay.{name}": value for name, value in given.items()}
    return replay_options(load_settings(named))


def test_a_script_is_needed() -> None:
    with pytest.raises(ConfigurationError, match=r"backends\.replay\.script"):
        options()


def test_a_fault_is_an_error_of_the_tree() -> None:
    error = options(script="x", fault="ThrottledError").error()
    assert isinstance(error, ThrottledError)
    assert "backends.replay.fault" in str(error)
    assert options(script="x", fault="hang").error() is None
    assert options(script="x").error() is None


def test_all_options_are_described() -> None:
    page = (Path(__file__).parents[4] / "docs/configuration.md").read_text(encoding="utf-8")
    section = page.partition("## The backend `replay`")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert set(listed) == set(options_model().model_fields)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fault": "ValueError"}, "fault: must be hang or one of AuthenticationError, "),
        ({"fault": "StoreError"}, "fault: must be hang or one of"),
        ({"fault_after": "-1"}, "fault_after: "),
        ({"pace": "-1"}, "pace: "),
        ({"delay_seconds": "nan"}, "delay_seconds: "),
        ({"speed": "1"}, "speed: there is no such name"),
    ],
)
def test_wrong_options(given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options(script="x", **given)
    assert message in str(caught.value)
