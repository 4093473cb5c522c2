from __future__ import annotations

from typing import Any

import pytest

from speech_adapters.backends.shadow import options_model
from speech_adapters.backends.shadow.options import ShadowOptions, shadow_options
from speech_adapters.config import Settings
from speech_adapters.errors import ConfigurationError


def read(**options: Any) -> ShadowOptions:
    return shadow_options(Settings(backends={"shadow": options}))


def test_both_backends_are_named() -> None:
    options = read(primary="local", second="realtime")
    assert (options.primary, options.second) == ("local", "realtime")
    assert options_model() is ShadowOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"backends\.shadow\.primary"),
        ({"primary": "local"}, r"backends\.shadow\.second"),
        ({"primary": "local", "second": ""}, r"backends\.shadow\.second"),
        ({"primary": "local", "second": "local"}, "name two backends"),
        ({"primary": "shadow", "second": "local"}, "another backend than shadow"),
        ({"primary": "local", "second": "shadow"}, "another backend than shadow"),
        ({"primary": "local", "second": "fast", "third": "x"}, "third"),
    ],
)
def test_wrong_options(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(**options)
