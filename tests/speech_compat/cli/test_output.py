from __future__ import annotations

from pathlib import Path

import pytest

from speech_adapters.contract import JobState, MeetingStatus
from speech_compat.cli.output import format_status, write


@pytest.mark.parametrize(
    ("progress", "step", "text"),
    [
        (None, "", "Processing"),
        (0.0, "", "Processing, 0% done"),
        (0.425, "", "Processing, 42% done"),
        (None, "uploading", "Processing (uploading)"),
        (1.0, "storing", "Processing, 100% done (storing)"),
    ],
)
def test_a_status_is_one_phrase(progress: float | None, step: str, text: str) -> None:
    status = MeetingStatus("m", JobState.PROCESSING, progress=progress, step=step)
    assert format_status(status) == text


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_text("before")
    write("Ünïcode\n", output)
    assert output.read_bytes() == "Ünïcode\n".encode()
    assert output.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [output]


def test_a_failed_write_leaves_the_file_unchanged(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write("\ud800", output)  # a lone surrogate cannot be encoded
    assert output.read_text() == "before"
    assert list(tmp_path.iterdir()) == [output]


def test_the_error_names_the_file_that_the_user_named(tmp_path: Path) -> None:
    output = tmp_path / "missing" / "out"
    with pytest.raises(FileNotFoundError) as caught:
        write("text", output)
    assert caught.value.filename == str(output)


def test_text_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write("text\n", None)
    assert capsys.readouterr().out == "text\n"
