"""How far a run of a backlog is, with and without a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from speech_adapters.backlog.items import Counts
from speech_compat.cli.backlog_progress import BacklogProgress, format_duration


def test_a_line_is_written_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with BacklogProgress("calls", 60.0, lambda: now[0]) as progress:
        for second in range(0, 130, 5):
            now[0] = float(second)
            progress.update(Counts(waiting=9_000 - second, completed=second, failed=1), 4)
    begin, rate = "speech-compat: backlog calls:", "1 failed, 4 in flight, 60 a minute"
    assert capsys.readouterr().err.splitlines() == [
        f"{begin} 60 of 9,001 transcribed, {rate}, 2 h 29 min left.",
        f"{begin} 120 of 9,001 transcribed, {rate}, 2 h 28 min left.",
    ]


def test_the_rate_is_that_of_the_last_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = BacklogProgress("calls", 1.0, lambda: now[0])
    for second in range(0, 1000, 5):
        now[0] = float(second)
        progress.update(Counts(waiting=600, completed=max(0, second - 500)), 0)
    assert "60 a minute, 10 min left" in capsys.readouterr().err.splitlines()[-1]


def test_no_line_is_written_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = BacklogProgress("calls", 0.0, lambda: now[0])
    now[0] = 1000.0
    progress.plan("reading")
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with BacklogProgress("[calls]", 60.0) as progress:
        progress.plan("5 lines read")
        progress.update(Counts(waiting=5, completed=5), 2)
    assert "[calls]: 5 of 10 transcribed, 2 in flight" in shown.getvalue()


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (60.0, "1 min"),
        (3_599.0, "60 min"),
        (3_600.0, "1 h 0 min"),
        (90_000.0, "1 d 1 h"),
    ],
)
def test_a_duration_is_short(length: float, text: str) -> None:
    assert format_duration(length) == text
