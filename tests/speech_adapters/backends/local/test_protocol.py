from __future__ import annotations

import json
import random

import pytest

from speech_adapters.backends.local.protocol import (
    Failed,
    Finished,
    NeedAudio,
    WorkerMessage,
    decode,
    encode,
)
from speech_adapters.contract import (
    Hypothesis,
    Origin,
    Progress,
    Recognized,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import BackendError
from speech_adapters.transcript import Provenance, Utterance, Word

UTTERANCE = Utterance("0" * 32, "Good\nmorning 🎉.", 5, 10, 1, None, "en-US", (Word("Good", 5, 2),))


@pytest.mark.parametrize(
    "message",
    [
        SpeechStarted(7),
        SpeechEnded(8),
        Hypothesis(UTTERANCE),
        Recognized(UTTERANCE, correction=True),
        Progress(3),
        Origin(Provenance("local", "1", ("Guessed.",))),
        NeedAudio(1 << 40),
        Failed("why"),
        Finished(),
    ],
)
def test_a_message_is_one_line_of_ascii(message: WorkerMessage) -> None:
    line = encode(7, message)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line.isascii()
    assert decode(line.encode()) == (7, message)


MESSAGES: list[WorkerMessage] = [Recognized(UTTERANCE), Progress(3), NeedAudio(7), Failed("why")]


def assert_refused(line: bytes) -> None:
    with pytest.raises(BackendError, match="cannot be read, probably because it crashed") as caught:
        decode(line)
    # The parser's own error may quote the transcript, and tracebacks print causes.
    assert caught.value.__suppress_context__
    assert "morning" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"Segmentation fault (core dumped)",
        b"{}",
        b'{"kind": 1}',
        b'{"kind": "Rude"}',
        b'{"kind": "Progress"}',
        b'{"kind": "Progress", "offset": "soon"}',
        b'{"kind": "Progress", "offset": 1.5}',
        b'{"kind": "Hypothesis", "utterance": {"id": "good morning"}}',
        b'{"kind": "Failed", "reason": "\xff"}',
        b'{"kind": "Finished", "more": ' + b"[" * 100_000,
        b"\x00" * 1000,
    ],
    ids=lambda line: str(line[:40]),
)
def test_a_line_that_is_no_message_is_a_backend_error(line: bytes) -> None:
    assert_refused(b"7 " + line)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_that_is_cut_off_is_a_backend_error(message: WorkerMessage) -> None:
    number, _, whole = encode(7, message).rstrip().encode().partition(b" ")
    for size in range(len(whole)):
        assert_refused(number + b" " + whole[:size])


def test_damaged_messages_are_read_or_refused_but_raise_nothing_else() -> None:
    chance = random.Random(7)
    refused = 0
    for _ in range(20_000):
        line = bytearray(encode(7, chance.choice(MESSAGES)).encode())
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(line))
            line[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        try:
            _, message = decode(bytes(line))
        except BackendError:
            refused += 1
        else:
            assert isinstance(message, WorkerMessage)
    assert refused > 10_000


def test_a_reason_with_the_name_of_an_odd_file_can_be_read() -> None:
    line = encode(7, Failed("no file \udcff.pcm")).encode()
    assert decode(line) == (7, Failed("no file ?.pcm"))


def test_unknown_fields_are_ignored() -> None:
    """A newer worker may still run when the package is upgraded."""
    line = "7 " + json.dumps({"kind": "Progress", "offset": 3, "added": [1]})
    assert decode(line.encode()) == (7, Progress(3))
