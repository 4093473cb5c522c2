from __future__ import annotations

import pytest
from rich.console import Console

from speech_compat.cli import progress
from speech_compat.cli.progress import ProgressDisplay


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make rich draw, although standard error is no terminal in a test."""
    monkeypatch.setattr(
        progress, "Console", lambda **options: Console(force_terminal=True, width=80, **options)
    )


def test_the_bar_moves_to_the_offset(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay() as display, display.bar("talk [1].wav", 200) as move:
        move(50)
    output = capsys.readouterr()
    assert "talk [1].wav" in output.err, "brackets are no markup"
    assert "25%" in output.err
    assert output.out == ""


def test_the_status_line_shows_the_last_status(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay() as display, display.status("it's [bold]") as update:
        update("Processing [50%]")
    output = capsys.readouterr()
    assert "it's [bold]: Processing [50%]" in output.err
    assert output.out == ""


def test_several_files_have_a_row_each(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay() as display:
        with display.bar("a.wav", 200) as move, display.status("b [1]") as update:
            move(100)
            update("Processing [50%]")
        ended = capsys.readouterr()
        with display.bar("c.wav", 200):
            pass
    output = capsys.readouterr()
    assert "50%" in ended.err
    assert "b [1]: Processing [50%]" in ended.err
    assert "a.wav" not in output.err.partition("c.wav")[2], "a file that has ended has no row"
    assert output.out == ended.out == ""
