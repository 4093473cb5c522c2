"""The engines' packages: what they do beside their work."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

_LOADS = {
    "speaker models": """
        from speech_adapters.backends.local.diarization import load_models
        load_models().close()
    """,
    "speech activity": """
        from speech_adapters.backends.local.recognition.activity import SpeechActivity
        SpeechActivity()
    """,
    "speech model": """
        from faster_whisper.vad import get_vad_model
        from speech_adapters.backends.local.recognition.models import find_model
        from speech_adapters.backends.local.recognition.whisper import WhisperRecognizer
        with WhisperRecognizer(find_model(None)):
            get_vad_model()
    """,
    "libraries": """
        from speech_adapters.backends.local.diagnose import load_libraries
        load_libraries("")
    """,
}


@pytest.mark.engine
@pytest.mark.parametrize("name", _LOADS)
def test_loading_starts_no_telemetry(name: str, tmp_path: Path) -> None:
    # onnxruntime keeps its device id and its events in the home folder, and sends them from there.
    code = textwrap.dedent(_LOADS[name])
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment | {"HOME": str(tmp_path)}
    )
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []
