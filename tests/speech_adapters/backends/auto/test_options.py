from __future__ import annotations

import pytest

from speech_adapters.backends.auto.options import auto_options
from speech_adapters.config import Settings
from speech_adapters.errors import ConfigurationError


def test_the_defaults_are_the_smallest_published_limits() -> None:
    options = auto_options(Settings())
    assert (options.fast_minutes, options.fast_megabytes) == (120.0, 250.0)


@pytest.mark.parametrize("name", ["fast_minutes", "fast_megabytes"])
def test_limits_are_set_and_not_negative(name: str) -> None:
    assert getattr(auto_options(Settings(backends={"auto": {name: 0}})), name) == 0
    with pytest.raises(ConfigurationError, match=name):
        auto_options(Settings(backends={"auto": {name: -1}}))
