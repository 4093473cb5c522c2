from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """Restore the levels of the loggers, which the option ``-v`` changes."""
    loggers = [logging.getLogger(name) for name in ("speech_adapters", "speech_compat", "httpx")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
