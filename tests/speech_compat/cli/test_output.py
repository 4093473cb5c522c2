from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture
def umask() -> Iterator[None]:
    """Set a umask that leaves nothing to others."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions as on POSIX")
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path, umask: None) -> None:
    write("text\n", tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640
    write("secret\n", tmp_path / "signature", private=True)
    assert (tmp_path / "signature").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="permissions as on POSIX")
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, umask: None) -> None:
    output = tmp_path / "out"
    output.touch()
    output.chmod(0o604)
    write("text\n", output)
    assert output.stat().st_mode & 0o777 == 0o604
    write("secret\n", output, private=True)
    assert output.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="links as on POSIX")
@pytest.mark.parametrize("exists", [False, True])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, exists: bool) -> None:
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    if exists:
        target.write_text("before")
    link.symlink_to(Path("folder", "target"))
    write("text\n", link)
    assert link.is_symlink()
    assert target.read_text() == "text\n"


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs as on POSIX")
def test_a_fifo_is_written_to(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(fifo.read_text)
        write("text\n", fifo)
        assert reader.result(60) == "text\n"
    assert fifo.is_fifo()


@pytest.mark.skipif(sys.platform == "win32", reason="devices as on POSIX")
def test_a_device_stays_a_device() -> None:
    write("text\n", Path(os.devnull))
    assert Path(os.devnull).is_char_device()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there is no /dev/stdout")
def test_standard_output_in_a_file_is_continued(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from speech_compat.cli.output import write\n"
        "for name in ('/dev/stdout', '-'): write(f'{name}\\n', Path(name))"
    )
    output = tmp_path / "out"
    output.write_text("before\n")
    with output.open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, timeout=60)
    assert output.read_text() == "before\n/dev/stdout\n-\n"
