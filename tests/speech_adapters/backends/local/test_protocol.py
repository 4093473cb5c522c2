from __future__ import annotations

import pytest

from speech_adapters.backends.local.protocol import Done, Failed, Idle, Said, decode, encode
from speech_adapters.contract import (
    Hypothesis,
    Progress,
    Recognized,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.transcript import Utterance, Word

SAID = Utterance("0" * 32, "Good\nmorning 🎉.", 5, 10, 1, None, "en-US", (Word("Good", 5, 2),))


@pytest.mark.parametrize(
    "said",
    [
        SpeechStarted(7),
        SpeechEnded(8),
        Hypothesis(SAID),
        Recognized(SAID, correction=True),
        Progress(3),
        Idle(1 << 40),
        Failed("why"),
        Done(),
    ],
)
def test_what_is_said_is_heard_on_one_line(said: Said) -> None:
    line = encode(said)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line.isascii()
    assert decode(line) == said
