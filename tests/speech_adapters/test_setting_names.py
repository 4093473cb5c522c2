from __future__ import annotations

import pytest

from speech_adapters.errors import ConfigurationError
from speech_adapters.setting_names import closest, environment_name, with_environment_names


def test_the_variable_of_a_setting() -> None:
    assert environment_name("backends.local.device") == "SPEECH_COMPAT_BACKENDS__LOCAL__DEVICE"


def test_only_a_similar_name_is_proposed() -> None:
    assert closest("bakend", ["backend", "strict"]) == "; the closest is 'backend'"
    assert closest("volume", ["backend", "strict"]) == ""


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("Set backends.batch.key.", ["BACKENDS__BATCH__KEY"]),
        ("Check gateway.host and gateway.port.", ["GATEWAY__HOST", "GATEWAY__PORT"]),
        ('Check the setting "state_dir".', ["STATE_DIR"]),
        ('Set service.key, or set "backend".', ["SERVICE__KEY", "BACKEND"]),
        ("See docs/gateway.md.", []),
        ("Set backends.fast.model, then backends.fast.model again.", ["BACKENDS__FAST__MODEL"]),
    ],
)
def test_a_message_names_the_variable_of_each_setting(message: str, names: list[str]) -> None:
    listed = ", ".join(f"SPEECH_COMPAT_{name}" for name in names)
    expected = f"{message} In the environment: {listed}." if names else message
    assert str(ConfigurationError(message)) == expected
    # An error that quotes another one does not repeat it.
    assert with_environment_names(expected) == expected
