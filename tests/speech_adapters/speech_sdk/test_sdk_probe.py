from __future__ import annotations

from importlib.metadata import version
from typing import Any

import anyio
import pytest

from oracle.test_oracle import why_not
from speech_adapters.errors import BackendError
from speech_adapters.isolated import run_isolated
from speech_adapters.speech_sdk.sdk_probe import load_sdk

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
SDK = f"Speech SDK {version('azure-cognitiveservices-speech')}" if not why_not() else ""


def test_the_library_works_in_a_child_process() -> None:
    assert anyio.run(run_isolated, load_sdk, "") == SDK


def test_a_library_that_cannot_be_initialized(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError(
            "Failed to initialize platform (azure-c-shared). Error: 2153\n[CALL STACK"
        )

    monkeypatch.setattr("azure.cognitiveservices.speech.SpeechRecognizer", fail)
    with pytest.raises(BackendError) as caught:
        load_sdk("")
    assert str(caught.value) == (
        "The Speech SDK's library cannot be used: Failed to initialize platform (azure-c-shared)."
        " Error: 2153."
    )
