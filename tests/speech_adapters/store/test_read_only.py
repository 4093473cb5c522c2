"""A store in a folder that this process cannot write, as on a backup or a read-only disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript, Utterance

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="rights are dropped as on Linux")

# Root may write anywhere, so it drops the two capabilities that allow that.
_PRELUDE = """
import ctypes, os, sys
from pathlib import Path
if os.geteuid() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    capabilities = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, capabilities) == 0
    for kind in range(3):
        capabilities[kind] &= ~0b110
    assert libc.capset(header, capabilities) == 0
folder = Path(sys.argv[1])
"""

_READ = """
from speech_adapters.errors import StoreError
from speech_adapters.store import Store
with Store.open(folder) as store:
    newest, oldest = store.recordings()
    print(newest.state.value, oldest.state.value, store.transcript(oldest.id).utterances[0].text)
    print([found.meeting_id for found in store.due_cleanups(1e12)], store.usable)
    for write in (lambda: store.fail(newest.id, "x"), lambda: store.lock_meeting("open")):
        try:
            write()
        except StoreError as error:
            print(error)
"""


def run(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", _PRELUDE + code, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def folder(folder: Path) -> Iterator[Path]:
    """Return a folder with a meeting that is completed and one that is not, to be closed."""
    yield folder
    for path in (folder, folder / "locks"):
        path.chmod(0o700)


def fill(store: Store) -> None:
    done = store.create(MeetingRequest("done", mode=Mode.STORED), "local").id
    said = (Utterance("0" * 32, "Good morning.", 0, 10),)
    store.complete(done, Transcript("done", said, 20, Provenance("local", "1.0")))
    store.close_audio(store.create(MeetingRequest("open", mode=Mode.STORED), "local").id, 10)


def close_to_writers(folder: Path) -> None:
    for path in (folder, folder / "locks"):
        path.chmod(0o500)


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("log", ["without", "with"])
def test_a_store_that_cannot_be_written_can_be_read(folder: Path, log: str) -> None:
    with Store.open(folder) as store:
        fill(store)
        if log == "without":
            store.close()  # which removes the write-ahead log
        assert (folder / "meetings.sqlite3-wal").exists() == (log == "with")
        close_to_writers(folder)
        before = contents(folder)
        lines = run(_READ, folder).splitlines()
        assert contents(folder) == before
    assert lines[:2] == ["Processing Completed Good morning.", "[] True"]
    assert "attempt to write a readonly database. Check its disk and permissions" in lines[2]
    assert "cannot be taken: Permission denied. Check its disk and permissions" in lines[3]


def test_the_status_of_a_meeting_in_a_store_that_cannot_be_written_is_its_state(
    folder: Path,
) -> None:
    with Store.open(folder) as store:
        fill(store)
        gone = store.create(MeetingRequest("gone", mode=Mode.STORED), "local").id
        store.delete(gone)  # its cleanup is due
    close_to_writers(folder)
    code = """
import anyio
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService
async def work():
    async with MeetingService(load_settings({"state_dir": str(folder)})) as meetings:
        print(*[found.meeting_id for found in await meetings.recordings()])
        print(*[(await meetings.status(name)).state.value for name in ("done", "open", "gone")])
anyio.run(work)
"""
    assert run(code, folder).splitlines() == ["gone open done", "Completed Processing Deleted"]


def test_what_others_write_meanwhile_is_read(folder: Path) -> None:
    with Store.open(folder) as store:
        fill(store)
    close_to_writers(folder)
    code = """
        from speech_adapters.store import Store
        with Store.open(folder) as store:
            print(len(store.recordings()), flush=True)
            sys.stdin.readline()
            print(len(store.recordings()), flush=True)
            sys.stdin.readline()
            print(len(store.recordings()), flush=True)
    """.replace("\n        ", "\n")
    command = [sys.executable, "-c", _PRELUDE + code, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "2\n"
        folder.chmod(0o700)  # for this process; the reader has decided already
        with Store.open(folder) as store:
            fill(store)
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == "4\n"
            fill(store)
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "6\n"


def test_an_earlier_format_that_cannot_be_migrated_says_so(folder: Path) -> None:
    with Store.open(folder):
        pass
    connection = sqlite3.connect(folder / "meetings.sqlite3")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    close_to_writers(folder)
    code = """
from speech_adapters.errors import StoreError
from speech_adapters.store import Store
try:
    Store.open(folder)
except StoreError as error:
    print(error)
"""
    assert "earlier format (1, needed is 3) and cannot be written" in run(code, folder)
