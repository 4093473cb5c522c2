from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from speech_adapters.backends.local.channel import AbandonedError, MessageWriter, SessionChannel
from speech_adapters.backends.local.protocol import (
    WINDOW,
    Finished,
    NeedAudio,
    WorkerMessage,
    decode,
)
from speech_adapters.contract import Progress


class Closed(io.StringIO):
    """An output whose reader has gone."""

    writes = 0

    def write(self, text: str, /) -> int:
        self.writes += 1
        raise BrokenPipeError


def messages(output: io.StringIO) -> list[tuple[int, WorkerMessage]]:
    return [decode(line.encode()) for line in output.getvalue().splitlines()]


def channel(output: io.StringIO, audio: Path, *, required: bool) -> SessionChannel:
    return SessionChannel(7, audio, MessageWriter(output).write, required=required)


def test_messages_are_lines_of_the_output(tmp_path: Path) -> None:
    output = io.StringIO()
    sending = channel(output, tmp_path / "a.pcm", required=True)
    sending.send(Progress(1))
    sending.send(Progress(2))
    assert messages(output) == [(7, Progress(1)), (7, Progress(2))]


def test_without_its_session_a_live_meeting_is_abandoned(tmp_path: Path) -> None:
    with pytest.raises(AbandonedError):
        channel(Closed(), tmp_path / "a.pcm", required=True).send(Progress(1))


def test_without_its_session_a_stored_meeting_continues_silently(tmp_path: Path) -> None:
    closed = Closed()
    sending = channel(closed, tmp_path / "a.pcm", required=False)
    sending.send(Progress(1))
    sending.send(Progress(2))
    assert closed.writes == 1


def test_waiting_ends_when_the_file_has_grown_or_is_complete(tmp_path: Path) -> None:
    output = io.StringIO()
    waiting = channel(output, tmp_path / "a.pcm", required=True)
    waiting.grow()
    assert waiting.wait_for_audio(100) is None
    waiting.end(3200)
    assert waiting.wait_for_audio(3000) == 3200
    assert not waiting.cut_short
    assert messages(output) == [(7, NeedAudio(100)), (7, NeedAudio(3000))]


def test_a_session_that_dies_ends_a_live_meeting(tmp_path: Path) -> None:
    waiting = channel(io.StringIO(), tmp_path / "a.pcm", required=True)
    waiting.orphan()
    with pytest.raises(AbandonedError):
        waiting.wait_for_audio(0)


def test_a_session_that_dies_cuts_a_stored_meeting_short_at_the_end_of_its_file(
    tmp_path: Path,
) -> None:
    audio = tmp_path / "a.pcm"
    audio.write_bytes(bytes(640))
    waiting = channel(io.StringIO(), audio, required=False)
    waiting.orphan()
    assert waiting.wait_for_audio(320) == 640
    assert waiting.cut_short


def test_a_program_that_dies_after_the_end_of_the_audio_cuts_nothing_short(tmp_path: Path) -> None:
    waiting = channel(io.StringIO(), tmp_path / "a.pcm", required=False)
    waiting.end(640)
    waiting.orphan()
    assert waiting.wait_for_audio(320) == 640
    assert not waiting.cut_short


@pytest.mark.parametrize(
    "call",
    [
        lambda stopped: stopped.send(Progress(1)),
        lambda stopped: stopped.wait_for_audio(0),
        lambda stopped: stopped.check(),
    ],
    ids=["send", "wait", "check"],
)
def test_a_session_that_is_closed_ends_its_meeting(
    tmp_path: Path, call: Callable[[SessionChannel], object]
) -> None:
    output = io.StringIO()
    stopped = channel(output, tmp_path / "a.pcm", required=False)
    stopped.stop()
    with pytest.raises(AbandonedError):
        call(stopped)
    stopped.send_last(Finished())
    assert messages(output) == [(7, Finished())]


@pytest.mark.parametrize(
    ("wake", "ends"), [("acknowledge", False), ("orphan", False), ("stop", True)]
)
def test_a_session_that_does_not_read_holds_up_its_meeting(
    tmp_path: Path, wake: str, ends: bool
) -> None:
    output, outcome = io.StringIO(), list[str]()
    sending = channel(output, tmp_path / "a.pcm", required=False)
    for number in range(WINDOW):
        sending.send(Progress(number))

    def send_one_more() -> None:
        try:
            sending.send(Progress(WINDOW))
            outcome.append("sent")
        except AbandonedError:
            outcome.append("abandoned")

    sender = threading.Thread(target=send_one_more)
    sender.start()
    sender.join(0.05)
    assert sender.is_alive()
    assert len(messages(output)) == WINDOW
    calls = {
        "acknowledge": lambda: sending.acknowledge(1),
        "orphan": sending.orphan,
        "stop": sending.stop,
    }
    calls[wake]()
    sender.join(60)
    assert outcome == ["abandoned" if ends else "sent"]
