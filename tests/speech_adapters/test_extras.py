from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from speech_adapters.errors import MissingExtraError
from speech_adapters.extras import need_packages


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    need_packages("batch", "httpx", "azure.storage.blob")
    with pytest.raises(MissingExtraError, match=r"no_such_package.*speech-compat\[batch\]"):
        need_packages("batch", "no_such_package.inside")
    real = importlib.util.find_spec

    def find(name: str, *more: Any) -> Any:
        return None if name == "httpx" else real(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(MissingExtraError, match="httpx"):
        need_packages("batch", "httpx")
