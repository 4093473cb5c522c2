"""A program that mixes transcription with what was not retired, on one configuration.

The service has no speech synthesis: the synthesizer is created, and its configuration read.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.test_oracle import why_not
from speech_compat.testing.loopback import Line, LoopbackService, Script

PROGRAM = Path(__file__).parent / "programs" / "mixed_program.py"
PATIENCE = 120
LINES = (
    Line("Who is there?", 1_000_000, 8_000_000, "Unknown", ("who",)),
    Line("It is me.", 10_000_000, 8_000_000, "Guest-1", ("it", "it is")),
    Line("And me.", 20_000_000, 5_000_000, "Guest-2"),
)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if why_not():
        pytest.skip(why_not())
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "realtime")
    with LoopbackService(Script(LINES)).running() as url:
        yield f"{url}/stt/speech/universal/v2"


@pytest.fixture
def recording(shipped_recordings: Path) -> str:
    return str(shipped_recordings / "clone-test.wav")


def output(*command: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def test_neither_a_changed_import_line_nor_run_changes_an_event(
    endpoint: str, recording: str, tmp_path: Path
) -> None:
    changed = tmp_path / "program.py"
    text, count = re.subn(
        r"^import azure\.cognitiveservices\.speech as",
        "import speech_compat as",
        PROGRAM.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert count == 1
    changed.write_text(text, encoding="utf-8")
    real = output(PROGRAM, recording, endpoint)
    assert "recognized SpeechRecognitionEventArgs RecognizedSpeech - And me." in real
    transcribed = "transcribed ConversationTranscriptionEventArgs RecognizedSpeech Guest-2 And me."
    assert transcribed in real
    assert "SynthVoice en-US-JennyNeural" in real
    assert output(changed, recording, endpoint) == real
    assert output("-m", "speech_compat.run", PROGRAM, recording, endpoint) == real
