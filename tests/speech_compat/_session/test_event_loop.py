"""How a program ends while something runs; each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROLOGUE = """
import speech_compat as speechsdk, sys, time
config = speechsdk.SpeechConfig("key", "region")
stream = speechsdk.audio.PushAudioInputStream()
audio = speechsdk.audio.AudioConfig(stream=stream)
transcriber = speechsdk.transcription.ConversationTranscriber(config, audio)
transcriber.start_transcribing_async().get()
stream.write(bytes(32000))
"""


@pytest.mark.engine
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("time.sleep(1)", 0),
        ("sys.exit(3)", 3),
        ("raise SystemExit('x')", 1),
        ("transcriber.stop_transcribing_async()", 0),
    ],
)
def test_a_program_that_just_ends_ends(ending: str, code: int) -> None:
    program = textwrap.dedent(PROLOGUE) + ending
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
