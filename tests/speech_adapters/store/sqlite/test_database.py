from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from double.other_writer import OtherWriter
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.errors import StoreCorruptError, StoreError
from speech_adapters.store.sqlite import SqliteStore, database
from speech_adapters.transcript import Provenance, Transcript, Utterance

pytestmark = pytest.mark.database("sqlite")

REQUEST = MeetingRequest("standup", mode=Mode.STORED)
SECRET = "chrysanthemum"


def transcript(text: str = "Good morning.") -> Transcript:
    said = (Utterance("0" * 32, text, 0, 10),)
    return Transcript("standup", said, 20, Provenance("local", "1.0"))


def test_the_store_is_durable_as_promised(store: SqliteStore, folder: Path) -> None:
    connection = store._database._connection
    assert connection is not None
    pragmas = [
        connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("journal_mode", "synchronous")
    ]
    assert pragmas == ["wal", 2]  # 2 is FULL


def test_an_empty_file_is_a_new_store(folder: Path) -> None:
    folder.mkdir()
    (folder / "meetings.sqlite3").touch()
    with SqliteStore.open(folder) as store:
        assert store.recordings() == []
        store.create(REQUEST, "local")


def test_a_relative_folder_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with SqliteStore.open(Path("state")) as store:
        monkeypatch.chdir("/")
        assert store.create(REQUEST, "local").audio_path.parent == tmp_path / "state" / "audio"
        store.lock_meeting("standup").release()


def damaged(folder: Path) -> Path:
    with SqliteStore.open(folder) as store:
        for number in range(40):
            key = store.create(MeetingRequest(f"meeting {number}"), "local").id
            store.complete(key, transcript(text="word " * 400))
    return folder / "meetings.sqlite3"


def put_aside(folder: Path) -> list[Path]:
    """Return the main files put aside; their logs end in -wal and -shm."""
    names = folder.glob("meetings.sqlite3.corrupt-*")
    return [path for path in names if not path.name.endswith(("-wal", "-shm"))]


def no_sqlite(file: Path) -> None:
    file.write_bytes(b"These are my notes, not a database.")


def holes(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:4096] + os.urandom(8192) + data[12288:])


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:10_000])


@pytest.mark.parametrize("damage", [no_sqlite, holes, cut])
def test_a_damaged_store_is_put_aside_whole_and_a_new_one_begins(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    file = damaged(folder)
    audio = folder / "audio" / "some.pcm"
    audio.write_bytes(b"sound")
    damage(file)
    before = file.read_bytes()
    with pytest.raises(
        StoreCorruptError, match=r"put aside as .*\.corrupt-.*Start again"
    ) as caught:
        SqliteStore.open(folder)
    assert "\n" not in str(caught.value)
    (aside,) = put_aside(folder)
    assert aside.read_bytes() == before
    assert not file.exists()
    assert audio.read_bytes() == b"sound"
    with SqliteStore.open(folder) as store:
        assert store.recordings() == []


def test_damage_on_damage_overwrites_nothing(folder: Path) -> None:
    folder.mkdir()
    for content in (b"first " * 100, b"second " * 100, b"third " * 100):
        (folder / "meetings.sqlite3").write_bytes(content)
        (folder / "meetings.sqlite3-wal").write_bytes(b"log of " + content)
        with pytest.raises(StoreCorruptError, match="put aside"):
            SqliteStore.open(folder)
    kept = {path.read_bytes()[:12] for path in folder.glob("*.corrupt-*")}
    assert kept >= {b"first first ", b"second secon", b"third third "}
    assert kept >= {b"log of first", b"log of secon", b"log of third"}


def test_damage_found_while_in_use_is_put_aside_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = damaged(folder)
    monkeypatch.setattr(
        "speech_adapters.store.sqlite.database._CHECKED_BYTES", 0
    )  # as if it were large
    with SqliteStore.open(folder) as store:
        data = bytearray(file.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        with file.open("r+b") as raw:
            raw.write(data)
        with pytest.raises(StoreCorruptError, match=r"damaged .* put aside as"):
            store.recordings()
        with pytest.raises(StoreError, match="closed"):
            store.recordings()
    assert len(put_aside(folder)) == 1
    with SqliteStore.open(folder) as store:
        assert store.recordings() == []


@pytest.mark.parametrize("code", [11, 26, 267, 779])  # with and without SQLite's details
def test_every_kind_of_damage_is_recognised(folder: Path, code: int) -> None:
    with SqliteStore.open(folder) as store:
        error = sqlite3.DatabaseError("as SQLite reports it")
        error.sqlite_errorcode = code
        with pytest.raises(StoreCorruptError), store._database.transaction():
            raise error


def test_who_else_has_a_store_open_that_was_put_aside_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = damaged(folder)
    monkeypatch.setattr("speech_adapters.store.sqlite.database._CHECKED_BYTES", 0)
    with SqliteStore.open(folder) as first, SqliteStore.open(folder) as second:
        holes(file)
        with pytest.raises(StoreCorruptError):
            first.recordings()
        with pytest.raises(StoreError, match="moved or deleted while in use"):
            second.create(REQUEST, "local")
    assert len(put_aside(folder)) == 1


def test_a_store_of_a_newer_version_is_left_untouched(folder: Path) -> None:
    SqliteStore.open(folder).close()
    file = folder / "meetings.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"newer version .*format 99, known is 3"):
        SqliteStore.open(folder)
    assert file.read_bytes() == before
    assert put_aside(folder) == []


def test_a_damaged_transcript_does_not_show_in_the_error(store: SqliteStore, folder: Path) -> None:
    key = store.create(REQUEST, "local").id
    store.complete(key, transcript())
    with sqlite3.connect(folder / "meetings.sqlite3") as connection:
        connection.execute("UPDATE transcripts SET header = ?", (f'{{"{SECRET}": ',))
    connection.close()
    with pytest.raises(StoreError, match="is damaged") as caught:
        store.transcript(key)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_damaged_record_does_not_show_in_the_error(store: SqliteStore, folder: Path) -> None:
    key = store.create(REQUEST, "local").id
    with sqlite3.connect(folder / "meetings.sqlite3") as connection:
        connection.execute("UPDATE recordings SET request = ?", (f'{{"{SECRET}": ',))
    connection.close()
    with pytest.raises(StoreError, match=r"record of recording .* damaged") as caught:
        store.get(key)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert SECRET not in str(store.recordings())


def test_what_cannot_be_a_store_says_why(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("I am a file.")
    with pytest.raises(StoreError, match=r"/file cannot hold .* it is not a folder.*state_dir"):
        SqliteStore.open(file)
    with pytest.raises(StoreError, match="Not a directory"):
        SqliteStore.open(file / "below")
    (tmp_path / "state" / "meetings.sqlite3").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"meetings\.sqlite3 cannot be used: unable to open"):
        SqliteStore.open(tmp_path / "state")
    assert (tmp_path / "state" / "meetings.sqlite3").is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        SqliteStore.open(tmp_path / "state")


def test_a_store_deleted_or_replaced_in_use_is_noticed(store: SqliteStore, folder: Path) -> None:
    file = folder / "meetings.sqlite3"
    file.rename(folder / "elsewhere")
    with pytest.raises(StoreError, match="moved or deleted while in use"):
        store.create(REQUEST, "local")
    file.touch()
    with pytest.raises(StoreError, match="moved or deleted while in use"):
        store.create(REQUEST, "local")


def test_a_closed_store_says_so(folder: Path) -> None:
    store = SqliteStore.open(folder)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.recordings()
    with pytest.raises(StoreError, match="is closed"):
        store.create(REQUEST, "local")


def test_a_store_locked_for_too_long_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_adapters.store.sqlite.database._WAIT_SECONDS", 0.1)
    with SqliteStore.open(folder) as store:
        other = sqlite3.connect(folder / "meetings.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="cannot be used: database is locked"):
            store.create(REQUEST, "local")
        assert store.recordings() == []  # reading goes on meanwhile
        other.execute("ROLLBACK")
        other.close()
        store.create(REQUEST, "local")


def test_other_threads_read_while_one_waits_to_write(
    store: SqliteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.store.sqlite.database._WAIT_SECONDS", 5.0)
    waiting = threading.Event()
    connection = store._database._connection
    assert connection is not None
    connection.set_trace_callback(lambda text: waiting.set() if "BEGIN" in text else None)
    with OtherWriter(folder) as other, ThreadPoolExecutor() as threads:
        other.lock()
        created = threads.submit(store.create, REQUEST, "local")
        assert waiting.wait(30)
        # If the reader waited behind the writer, that would fail after its five seconds.
        assert store.recordings() == []
        other.unlock()
        assert created.result(30).meeting_id == "standup"


def test_an_error_of_begin_that_is_no_lock_is_raised_at_once(store: SqliteStore) -> None:
    with (
        pytest.raises(StoreError, match="within a transaction"),
        store._database.transaction(),
        store._database.transaction(),
    ):
        pass
    assert store.create(REQUEST, "local").meeting_id == "standup"


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list to which each integrity check adds its file."""
    checked: list[Path] = []
    check = database._check

    def counted(connection: sqlite3.Connection, path: Path) -> None:
        checked.append(path)
        check(connection, path)

    monkeypatch.setattr(database, "_check", counted)
    return checked


def end_uncleanly(folder: Path) -> None:
    """Write to the store in a process that is killed."""
    program = (
        "import os, signal; from pathlib import Path; from speech_adapters.store import Store;"
        "from speech_adapters.contract import MeetingRequest;"
        f"store = Store.open(Path({str(folder)!r})); store.create(MeetingRequest('m'), 'local');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)


def test_the_integrity_is_checked_after_an_unclean_end_and_only_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteStore.open(folder).close()
    checked = count_checks(monkeypatch)
    SqliteStore.open(folder).close()
    assert checked == []
    end_uncleanly(folder)
    with SqliteStore.open(folder) as store:
        assert len(checked) == 1
        assert [found.meeting_id for found in store.recordings()] == ["m"]
        # The log is there, because this program uses the file.
        with SqliteStore.open(folder) as second:
            second.create(REQUEST, "local")
        assert len(store.recordings()) == 2
    SqliteStore.open(folder).close()
    assert len(checked) == 1


def test_a_store_that_another_process_uses_is_not_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteStore.open(folder).close()
    checked = count_checks(monkeypatch)
    program = (
        "import sys; from pathlib import Path; from speech_adapters.store import Store;"
        f"store = Store.open(Path({str(folder)!r})); print(len(store.recordings()), flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"0\n"
        with SqliteStore.open(folder) as store:
            store.create(REQUEST, "local")
        other.communicate()
    assert checked == []


def test_damage_after_an_unclean_end_is_found_before_anything_is_written(folder: Path) -> None:
    file = damaged(folder)
    end_uncleanly(folder)
    data = bytearray(file.read_bytes())
    data[-8192:] = os.urandom(8192)
    file.write_bytes(data)
    with pytest.raises(StoreCorruptError, match="put aside as"):
        SqliteStore.open(folder)
    (aside,) = put_aside(folder)
    assert aside.read_bytes() == bytes(data)
    assert Path(f"{aside}-wal").exists()
