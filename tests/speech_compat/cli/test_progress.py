from __future__ import annotations

import sys

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


def test_the_row_of_all_files_counts_and_estimates(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay([300, 100]) as display:
        with display.bar("a.wav", 200, 300) as move:
            move(100)
            display._progress.refresh()
        display.ended(300, failed=True)
        display._progress.refresh()
    output = capsys.readouterr().err
    assert "0 of 2 files" in output
    assert "38%" in output, "half of the file with three quarters of the bytes"
    assert "1 of 2 files, 1 failed" in output
    assert "75%" in output


def test_files_of_unknown_size_count_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay([0, 0, 0, 0]) as display:
        display.ended(0, failed=False)
        display._progress.refresh()
    assert "25%" in capsys.readouterr().err


def test_standard_output_stays_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay([1, 1]) as display:
        sys.stdout.write("one transcript\n")
        with display.paused():
            sys.stdout.write("another transcript\n")
        sys.stdout.write("a third one\n")
    output = capsys.readouterr()
    assert output.out == "one transcript\nanother transcript\na third one\n"
    assert "transcript" not in output.err
