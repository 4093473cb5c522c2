from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from speech_adapters.backends.local.channel import AbandonedError, SessionChannel
from speech_adapters.backends.local.protocol import NeedAudio, decode
from speech_adapters.contract import Progress


class Closed(io.StringIO):
    """Standard output whose reader has gone."""

    writes = 0

    def write(self, text: str, /) -> int:
        self.writes += 1
        raise BrokenPipeError


def commands(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_messages_are_lines_of_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = SessionChannel(tmp_path / "a.pcm", required=True)
    channel.send(Progress(1))
    channel.send(Progress(2))
    lines = capsys.readouterr().out.splitlines()
    assert [decode(line) for line in lines] == [Progress(1), Progress(2)]


def test_without_its_session_a_live_meeting_is_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(AbandonedError):
        SessionChannel(tmp_path / "a.pcm", required=True).send(Progress(1))


def test_without_its_session_a_stored_meeting_continues_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Closed()
    monkeypatch.setattr(sys, "stdout", closed)
    channel = SessionChannel(tmp_path / "a.pcm", required=False)
    channel.send(Progress(1))
    channel.send(Progress(2))
    assert closed.writes == 1


def test_waiting_ends_when_the_file_has_grown_or_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands(monkeypatch, "more\nend 3200\n")
    channel = SessionChannel(tmp_path / "a.pcm", required=True)
    assert channel.wait_for_audio(100) is None
    assert channel.wait_for_audio(3000) == 3200
    assert not channel.cut_short
    lines = capsys.readouterr().out.splitlines()
    assert [decode(line) for line in lines] == [NeedAudio(100), NeedAudio(3000)]


def test_a_session_that_dies_ends_a_live_meeting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands(monkeypatch, "")
    with pytest.raises(AbandonedError):
        SessionChannel(tmp_path / "a.pcm", required=True).wait_for_audio(0)


def test_a_session_that_dies_cuts_a_stored_meeting_short_at_the_end_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands(monkeypatch, "")
    audio = tmp_path / "a.pcm"
    audio.write_bytes(bytes(640))
    channel = SessionChannel(audio, required=False)
    assert channel.wait_for_audio(320) == 640
    assert channel.cut_short
