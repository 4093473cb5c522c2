from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from speech_adapters.errors import StoreError
from speech_adapters.recording.spool import SpoolReader, SpoolWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "meeting.pcm"


def test_a_reader_follows_a_writer(path: Path) -> None:
    with SpoolWriter(path) as writer, SpoolReader(path) as reader:
        assert reader.read(100) == b""
        writer.write(b"abcd")
        assert reader.read(3) == b"abc"
        assert reader.read(3) == b"d"
        assert reader.read(3) == b""
        writer.write(b"efgh")
        assert reader.read(100) == b"efgh"
        assert writer.size == 8


def test_a_reader_states_the_size_of_a_file_that_was_removed(path: Path) -> None:
    with SpoolWriter(path) as writer:
        writer.write(bytes(100))
        with SpoolReader(path) as reader:
            path.unlink()
            writer.write(bytes(20))
            assert (reader.size, len(reader.read(1_000))) == (120, 120)


def test_what_was_written_survives_sigkill(path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path;"
        "from speech_adapters.recording.spool import SpoolWriter;"
        "w = SpoolWriter(Path(sys.argv[1]));"
        "[w.write(bytes([i]) * 3200) for i in range(20)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"".join(bytes([i]) * 3200 for i in range(20))


def test_an_earlier_spool_is_continued_never_cut(path: Path) -> None:
    with SpoolWriter(path) as writer:
        writer.write(b"abcd")
    with SpoolWriter(path) as writer:
        assert writer.size == 4
        writer.write(b"ef")
        writer.sync()
        assert writer.size == 6
    assert path.read_bytes() == b"abcdef"


def test_only_the_owner_may_read(path: Path) -> None:
    old = os.umask(0)
    try:
        SpoolWriter(path).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_closing_twice_is_fine_and_using_a_closed_one_says_so(path: Path) -> None:
    writer = SpoolWriter(path)
    reader = SpoolReader(path)
    for closable in (writer, writer, reader, reader):
        closable.close()
    with pytest.raises(StoreError, match="closed"):
        writer.write(b"ab")
    with pytest.raises(StoreError, match="closed"):
        writer.sync()
    with pytest.raises(StoreError, match="closed"):
        reader.read(1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named() -> None:
    with (
        SpoolWriter(Path("/dev/full")) as writer,
        pytest.raises(StoreError, match=r"/dev/full cannot be written: No space left.*state_dir"),
    ):
        writer.write(b"ab")


def test_a_partly_written_block_is_counted_and_the_failure_named(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with SpoolWriter(path) as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(StoreError, match="cannot be written: File too large"):
                writer.write(bytes(3200))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert writer.size == path.stat().st_size == 1000


def test_folders_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"x\.pcm cannot be created: No such file"):
        SpoolWriter(tmp_path / "gone" / "x.pcm")
    with pytest.raises(StoreError, match=r"x\.pcm cannot be read: No such file"):
        SpoolReader(tmp_path / "x.pcm")
    with pytest.raises(StoreError, match="Is a directory"):
        SpoolWriter(tmp_path)
