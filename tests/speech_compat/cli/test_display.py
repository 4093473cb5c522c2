from __future__ import annotations

import pytest

from double.missing import hide_package
from speech_compat.cli.display import NoDisplay, open_display
from speech_compat.cli.progress import ProgressDisplay


def test_only_a_terminal_has_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert isinstance(open_display(()), NoDisplay)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(open_display(()), ProgressDisplay)


def test_a_terminal_without_rich_has_no_display_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hide_package(monkeypatch, "rich")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    display = open_display((1, 2))
    assert isinstance(display, NoDisplay)
    with display, display.bar("a.wav", 10) as move:
        move(5)
    assert capsys.readouterr().err == (
        "speech-compat: No progress is shown. The package rich is needed, but not installed:"
        ' pip install "speech-compat[cli]"\n'
    )
