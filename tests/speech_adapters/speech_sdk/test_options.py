from __future__ import annotations

import pytest

from speech_adapters.errors import MissingExtraError
from speech_adapters.speech_sdk import options


def test_without_the_sdk_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install \"speech-compat\[realtime\]\""):
        options.need_sdk("realtime")
