from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from double.store_rows import change, rows
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingNotFoundError, StoreError
from speech_adapters.store import Store
from speech_adapters.store.sql import transcripts
from speech_adapters.store.sql.store import SqlStore
from speech_adapters.store.sql.transcript_rows import (
    CHUNK_UTTERANCES,
    decode_header,
    encode_chunks,
)
from speech_adapters.transcript import Provenance, Transcript, Utterance, Word

REQUEST = MeetingRequest("standup", mode=Mode.STORED)
SECRET = "chrysanthemum"


def transcript(count: int = 1, text: str = "Good morning.") -> Transcript:
    words = (Word("Good", 0, 5, 0.5), Word("morning", 5, 5))
    spoken = tuple(
        Utterance(f"{number:032x}", f"{text} {number}", number, 10, number % 3, 1, "en-US", words)
        for number in range(count)
    )
    return Transcript("standup", spoken, 20, Provenance("local", "1.0", ("a",), ("b", "c")))


def chunks(store: SqlStore) -> list[tuple[str, int]]:
    """Return recording and number of all chunks stored."""
    return rows(store, "SELECT recording_id, number FROM transcript_chunks ORDER BY number")


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1700])
def test_a_transcript_of_any_length_is_read_as_it_was_written(
    store: SqlStore, folder: Path, count: int
) -> None:
    key = store.create(REQUEST, "local").id
    assert store.complete(key, transcript(count))
    assert store.transcript(key) == transcript(count)
    expected = -(-count // CHUNK_UTTERANCES)
    assert chunks(store) == [(key, number) for number in range(expected)]


def test_stored_speakers_are_numbered_without_gaps(store: SqlStore) -> None:
    """A corrected speaker, or a second connection, leaves gaps in the live numbers."""
    key = store.create(REQUEST, "realtime").id
    live = transcript(3)
    said = tuple(
        attrs.evolve(utterance, speaker=speaker)
        for utterance, speaker in zip(live.utterances, (1, 3, 4), strict=True)
    )
    store.complete(key, attrs.evolve(live, utterances=said))
    assert [u.speaker for u in store.transcript(key).utterances] == [0, 1, 2]


def test_half_a_character_costs_no_more_than_itself(store: SqlStore) -> None:
    key = store.create(REQUEST, "local").id
    assert store.complete(key, transcript(1, "half \ud83c and 🎉"))
    assert store.transcript(key).utterances[0].text == "half \ufffd and 🎉 0"


def test_other_threads_write_between_the_chunks(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = (store.create(REQUEST, "local").id for _ in range(2))

    def encode(whole: Transcript) -> Iterator[bytes]:
        for data in encode_chunks(whole):
            # A thread, because the lock of the connection lets its own owner in again.
            thread = threading.Thread(target=store.update, args=(other,), kwargs={"progress": 0.5})
            thread.start()
            thread.join(10)
            assert not thread.is_alive()
            yield data

    monkeypatch.setattr(transcripts, "encode_chunks", encode)
    assert store.complete(key, transcript(1200))
    assert store.get(other).progress == 0.5


_KILLED = """
import os, signal, sys
from pathlib import Path
from speech_adapters.store import Store
from speech_adapters.store.sql import transcripts
from speech_adapters.transcript import Provenance, Transcript, Utterance

spoken = tuple(Utterance(f"{n:032x}", "chrysanthemum", n, 1) for n in range(1700))
header = transcripts.insert_header
def insert_header(*arguments):
    header(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
transcripts.insert_header = insert_header
with Store.open(Path(sys.argv[1])) as store:
    store.complete(sys.argv[2], Transcript("standup", spoken, 1, Provenance("local", "1")))
"""


def killed(store: SqlStore, folder: Path, key: str) -> None:
    """Kill a process when it has written all chunks and the header, but not committed it."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder), key], timeout=60, check=False
    )
    assert done.returncode == -9
    assert [number for owner, number in chunks(store) if owner == key] == [0, 1, 2, 3]


def test_a_killed_writer_leaves_no_transcript_and_the_next_removes_its_chunks(
    store: SqlStore, folder: Path
) -> None:
    key = store.create(REQUEST, "local").id
    killed(store, folder, key)
    assert store.get(key).state is JobState.UPLOADING
    assert transcripts.read(store._database, key) is None
    assert store.complete(key, transcript(600))
    assert chunks(store) == [(key, 0), (key, 1)]
    assert store.transcript(key) == transcript(600)


def test_a_deletion_removes_what_a_killed_writer_left(store: SqlStore, folder: Path) -> None:
    key = store.create(REQUEST, "local").id
    other = store.create(REQUEST, "local").id
    assert store.complete(other, transcript())
    killed(store, folder, key)
    store.delete(key)
    assert chunks(store) == [(other, 0)]
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("rival", ["complete", "delete"])
def test_a_writer_that_loses_leaves_nothing(
    store: SqlStore, folder: Path, monkeypatch: pytest.MonkeyPatch, rival: str, after: int
) -> None:
    key = store.create(REQUEST, "local").id

    def encode(whole: Transcript) -> Iterator[bytes]:
        for number, data in enumerate(encode_chunks(whole)):
            if number == after:
                overtake()
            yield data
        if after == 3:
            overtake()

    def overtake() -> None:
        monkeypatch.setattr(transcripts, "encode_chunks", encode_chunks)
        with Store.open(folder) as second:
            if rival == "delete":
                second.delete(key)
            else:
                assert second.complete(key, transcript(600, "The winner."))

    monkeypatch.setattr(transcripts, "encode_chunks", encode)
    assert not store.complete(key, transcript(1500, "The loser."))
    if rival == "delete":
        assert chunks(store) == []
    else:
        assert chunks(store) == [(key, 0), (key, 1)]
        assert store.transcript(key) == transcript(600, "The winner.")


@pytest.mark.database("sqlite")
def test_a_writer_that_fails_removes_its_chunks(
    store: SqlStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.create(REQUEST, "local").id

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(transcripts, "insert_header", fail)
        with pytest.raises(StoreError, match="disk I/O error"):
            store.complete(key, transcript(1200))
    assert chunks(store) == []
    assert store.get(key).state is JobState.UPLOADING
    assert store.complete(key, transcript())


@pytest.mark.database("sqlite")  # which keeps any type in any column
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE transcript_chunks SET utterances = '[{\"chrysanthemum\": ' WHERE number = 1",
        "UPDATE transcript_chunks SET utterances = x'ff' WHERE number = 0",
        "DELETE FROM transcript_chunks WHERE number = 1",
        "UPDATE transcripts SET chunks = 'chrysanthemum'",
        "UPDATE transcripts SET header = '[\"chrysanthemum\"]'",
    ],
)
def test_a_damaged_transcript_does_not_show_in_the_error(store: SqlStore, damage: str) -> None:
    key = store.create(REQUEST, "local").id
    assert store.complete(key, transcript(600))
    change(store, damage)
    with pytest.raises(StoreError, match=r"stored transcript .* is damaged") as caught:
        store.transcript(key)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_transcript_deleted_while_it_is_read_is_not_called_damaged(
    store: SqlStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.create(REQUEST, "local").id
    assert store.complete(key, transcript(600))

    def decode(data: bytes) -> Transcript:
        with Store.open(folder) as second:
            second.delete(key)
        return decode_header(data)

    monkeypatch.setattr(transcripts, "decode_header", decode)
    with pytest.raises(MeetingNotFoundError, match="was deleted"):
        store.transcript(key)


def test_a_stream_reads_the_same_transcript_any_number_of_times(store: SqlStore) -> None:
    key = store.create(REQUEST, "local").id
    store.complete(key, transcript(1200))
    stream = store.stream(key)
    assert stream.load() == stream.load() == transcript(1200)
    with pytest.raises(MeetingNotFoundError):
        store.stream("other")


def test_a_stream_ends_when_its_meeting_is_deleted(store: SqlStore) -> None:
    key = store.create(REQUEST, "local").id
    store.complete(key, transcript(1200))
    utterances = iter(store.stream(key).utterances)
    next(utterances)
    store.delete(key)
    with pytest.raises(MeetingNotFoundError, match="deleted meanwhile"):
        list(utterances)


@pytest.mark.database("sqlite")
def test_a_damaged_chunk_of_a_stream_is_an_error_without_its_text(
    store: SqlStore, folder: Path
) -> None:
    key = store.create(REQUEST, "local").id
    store.complete(key, transcript(1200))
    connection = sqlite3.connect(folder / "meetings.sqlite3")
    connection.execute("UPDATE transcript_chunks SET utterances = ? WHERE number = 1", (SECRET,))
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="is damaged: transcribe") as caught:
        store.stream(key).load()
    assert SECRET not in str(caught.value)
