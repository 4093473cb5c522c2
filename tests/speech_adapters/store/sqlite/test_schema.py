"""Migration of files of versions 1 and 2, which are written here as SQL, as those wrote them."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingBusyError, MeetingNotFoundError, StoreError
from speech_adapters.store import Recording, Store

SECRET = "chrysanthemum"
VERSION_1 = Path(__file__).with_name("version_1.sql").read_text("utf-8")
JOB = "https://service/transcriptions/1"
FILES = f"{JOB}/files"
CHUNKS = [
    {"start": 0, "frames": 16000, "channel": None},
    {"start": 16000, "frames": 8000, "channel": 1},
]
NONE = {
    "stage": "recorded",
    "addresses": [],
    "chunks": [],
    "uploaded_chunks": 0,
    "job_url": "",
    "files_url": "",
    "submitted_at": 0.0,
    "attempt": 0,
    "warned": False,
    "undeleted": [],
}
JOB_STATE = {
    **NONE,
    "stage": "submitted",
    "chunks": CHUNKS,
    "uploaded_chunks": 2,
    "job_url": JOB,
    "files_url": FILES,
    "submitted_at": 1700000000.5,
}
TRANSCRIPTS = {"completed": 1, "completed_long": 1234, "completed_fast": 0}
ADDRESS = ["https://h/a.wav?sig=s"]
# Name: step, next_poll and backend_state of version 2; the others have none of them.
EXPECTED: dict[str, tuple[str, float, dict[str, object]]] = {
    "recorded": ("", 0.0, {**NONE, "chunks": CHUNKS}),
    "half": ("uploading, 50%", 0.0, {**NONE, "chunks": CHUNKS, "uploaded_chunks": 1}),
    "uploaded": ("", 0.0, {**NONE, "stage": "uploaded", "chunks": CHUNKS, "uploaded_chunks": 2}),
    "submitting": (
        "",
        0.0,
        {**NONE, "stage": "submitting", "chunks": CHUNKS, "uploaded_chunks": 2, "attempt": 2},
    ),
    "submitted": ("waiting", 1700000060.25, {**JOB_STATE, "warned": True}),
    "addresses": ("", 0.0, {**NONE, "addresses": ADDRESS}),
    "addresses_submitting": ("", 0.0, {**NONE, "stage": "submitting", "addresses": ADDRESS}),
    "addresses_sent": (
        "",
        0.0,
        {**JOB_STATE, "chunks": [], "uploaded_chunks": 0, "submitted_at": 5.0},
    ),
    "resumed": ("sent", 0.0, {**NONE, "chunks": CHUNKS, "attempt": 1}),
    "realtime": ("to be tried again", 0.0, {"trouble": "The connection broke."}),
    "completed": ("", 0.0, JOB_STATE),
    "failed_fast": ("", 0.0, {"refused": "413 Code"}),
    "failed_realtime": ("", 0.0, {"trouble": "It broke."}),
    "failed_batch": ("", 0.0, {**JOB_STATE, "submitted_at": 0.0}),
    "reassigned": ("", 0.0, {**NONE, "chunks": CHUNKS}),
    "deleted_running": ("", 0.0, {**JOB_STATE, "undeleted": [JOB]}),
    "deleted_running_now": ("", 0.0, {**NONE, "undeleted": [JOB]}),
}


def document(count: int, text: str = "Grüße 🎉") -> dict[str, Any]:
    """Return a transcript as version 1 wrote it."""
    words = [{"text": "Grüße", "offset": 0, "duration": 5, "confidence": 0.5}]
    return {
        "meeting_id": "standup",
        "utterances": [
            {
                "id": f"{number:032x}",
                "text": f"{text} {number}",
                "offset": number * 10,
                "duration": 10,
                "speaker": number % 2 or None,
                "channel": None,
                "language": "de-DE",
                "words": words,
            }
            for number in range(count)
        ],
        "duration": count * 10,
        "provenance": {"backend": "batch", "version": "1", "emulated": ["e"], "notes": []},
    }


def key_of(name: str) -> str:
    return name.encode().hex().ljust(32, "0")[:32]


def version_1(folder: Path, *, submitted: str | bytes | None = None) -> Path:
    """Write the file; ``submitted`` replaces the details of the recording of that name."""
    folder.mkdir(parents=True)
    file = folder / "meetings.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.executemany(
            "INSERT INTO transcripts VALUES (?, ?)",
            [(key_of(name), json.dumps(document(count))) for name, count in TRANSCRIPTS.items()],
        )
        if submitted is not None:
            connection.execute(
                "UPDATE recordings SET details = CAST(? AS TEXT) WHERE meeting_id = 'submitted'",
                (submitted,),
            )
    connection.close()
    return file


def names(where: str = "1") -> list[str]:
    """Return the names of the recordings, the oldest first."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(VERSION_1)
    rows = connection.execute(
        f"SELECT meeting_id FROM recordings WHERE {where} ORDER BY number"
    ).fetchall()
    connection.close()
    return [name for (name,) in rows]


def dump(file: Path) -> list[str]:
    connection = sqlite3.connect(file)
    lines = [*connection.iterdump(), str(connection.execute("PRAGMA user_version").fetchone())]
    connection.close()
    return lines


def by_name(store: Store) -> dict[str, Recording]:
    return {recording.meeting_id: recording for recording in store.recordings()}


def test_every_recording_keeps_what_is_no_backends_own(folder: Path) -> None:
    version_1(folder)
    with Store.open(folder) as store:
        found = store.recordings()
        assert [recording.meeting_id for recording in found] == names()[::-1]
        recording = by_name(store)["submitted"]
    assert recording.id == key_of("submitted")
    assert (recording.backend, recording.state) == ("batch", JobState.PROCESSING)
    assert (recording.audio_bytes, recording.attempts, recording.progress) == (96_000, 2, 0.5)
    assert (recording.notes, recording.reason, recording.fallback) == (("Cut.",), "", "")
    assert recording.created.isoformat() == "2025-01-02T03:04:05+00:00"
    assert recording.updated.isoformat() == "2025-02-03T04:05:06.500000+00:00"
    assert recording.request == MeetingRequest(
        *("standup", PcmFormat(16_000, 2), Mode.STORED, "de-DE", True, 3),
        phrases=("Ödipus",),
        word_timestamps=True,
        notes=("n",),
        languages=(("de-DE", ""),),
        settings={"profanity": "raw"},
    )
    for state in JobState:
        same = [r.meeting_id for r in found if r.state is state][::-1]
        assert same == names(f"state = '{state.value}'") != []
    assert {r.reason for r in found if r.state is JobState.FAILED} == {"It broke."}


@pytest.mark.parametrize("name", names())
def test_the_details_become_step_next_poll_and_backend_state(folder: Path, name: str) -> None:
    version_1(folder)
    with Store.open(folder) as store:
        recording = by_name(store)[name]
    step, next_poll, state = EXPECTED.get(name, ("", 0.0, {}))
    assert (recording.step, recording.next_poll) == (step, next_poll)
    assert (json.loads(recording.backend_state) if recording.backend_state else {}) == state


def test_jobs_left_by_a_deletion_are_cleaned_up_when_they_are_due(folder: Path) -> None:
    version_1(folder)
    with Store.open(folder) as store:
        due = [recording.meeting_id for recording in store.due_cleanups(1700000099.5)]
        assert due == ["deleted_running_now", "deleted_running"]
        due = [recording.meeting_id for recording in store.due_cleanups(1700000099.0)]
        assert due == ["deleted_running_now"]


def test_a_deleted_recording_leaves_no_address_on_the_disk(folder: Path) -> None:
    file = version_1(folder)
    assert SECRET.encode() in file.read_bytes()
    Store.open(folder).close()
    assert [p for p in folder.iterdir() if p.is_file() and SECRET.encode() in p.read_bytes()] == []


def test_transcripts_are_read_as_before(folder: Path) -> None:
    version_1(folder)
    with Store.open(folder) as store:
        for name, count in TRANSCRIPTS.items():
            transcript = store.transcript(key_of(name))
            expected = document(count)
            for utterance in expected["utterances"]:
                utterance["participant"] = None  # version 1 had no such field
            assert json.loads(json.dumps(transcript.to_dict())) == expected
        with pytest.raises(MeetingBusyError):
            store.transcript(key_of("submitted"))
        with pytest.raises(MeetingNotFoundError, match="was deleted"):
            store.transcript(key_of("deleted"))


def test_a_migrated_store_is_used_like_a_new_one(folder: Path, tmp_path: Path) -> None:
    version_1(folder)
    with Store.open(folder) as store:
        created = store.create(MeetingRequest("new", mode=Mode.STORED), "batch")
        assert store.recordings()[0].id == created.id  # numbers go on
        opened = [recording.meeting_id for recording in store.open_recordings("batch")]
        assert opened == names("backend = 'batch' AND state = 'Processing'")[::-1]
        store.delete(key_of("completed_long"))
    Store.open(tmp_path / "other").close()
    schemas = []
    for path in (folder, tmp_path / "other"):
        connection = sqlite3.connect(path / "meetings.sqlite3")
        schemas.append(
            set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        )
        schemas.append(set(connection.execute("PRAGMA user_version")))
        connection.close()
    assert schemas[:2] == schemas[2:]


@pytest.mark.parametrize(
    "damage",
    [
        f'{{"{SECRET}": ',
        "[]",
        '{"meeting_id": "m", "utterances": 3, "duration": 1}',
        '{"meeting_id": "m", "utterances": [], "duration": 1, "provenance": {"more": 1}}',
        json.dumps({**document(0), "utterances": [1]}),
        json.dumps({**document(600), "provenance": {}}),
        b"\xff\xfe\xfd",
    ],
)
def test_a_damaged_transcript_stops_nothing_and_is_reported_when_read(
    folder: Path, damage: str | bytes
) -> None:
    file = version_1(folder)
    with sqlite3.connect(file) as connection:
        connection.execute(
            "UPDATE transcripts SET document = CAST(? AS TEXT) WHERE recording_id = ?",
            (damage, key_of("completed")),
        )
    connection.close()
    with Store.open(folder) as store:
        assert len(store.transcript(key_of("completed_long")).utterances) == 1234
        with pytest.raises(StoreError, match=r"stored transcript .* is damaged") as caught:
            store.transcript(key_of("completed"))
        assert SECRET not in str(caught.value)
        store.delete(key_of("completed"))
        with pytest.raises(MeetingNotFoundError):
            store.transcript(key_of("completed"))


@pytest.mark.parametrize(
    "damage",
    [
        '{"job": ',
        "[1]",
        "\x00",
        '{"parts": "[[1, 2]]"}',
        '{"parts": "[1]"}',
        '{"job": {"a": 1}}',
        b'{"step": "\xff"}',
    ],
)
def test_damaged_details_are_dropped(folder: Path, damage: str | bytes) -> None:
    version_1(folder, submitted=damage)
    with Store.open(folder) as store:
        assert by_name(store)["submitted"].backend_state == ""
        assert by_name(store)["half"].step == "uploading, 50%"


def test_details_that_are_no_numbers_or_lists_are_empty(folder: Path) -> None:
    odd = {"sent": "many", "since": "nan", "parts": "3", "addresses": "{", "ask_after": "inf"}
    version_1(folder, submitted=json.dumps({**odd, "job": JOB, "step": "\ud83c"}))
    with Store.open(folder) as store:
        recording = by_name(store)["submitted"]
    assert (recording.step, recording.next_poll) == ("?", 0.0)
    assert json.loads(recording.backend_state) == {**NONE, "stage": "submitted", "job_url": JOB}


_OPENED = """
import os, signal, sys
from pathlib import Path
from speech_adapters.store import Store
from speech_adapters.store.sqlite import database

migrate, left = database.migrate, int(sys.argv[2])

def killed(connection):
    def trace(statement):
        global left
        left -= 1
        if left == 0 or sys.argv[3] in statement:
            os.kill(os.getpid(), signal.SIGKILL)
    connection.set_trace_callback(trace)
    migrate(connection)
    connection.set_trace_callback(None)

database.migrate = killed
sys.stdin.readline()
with Store.open(Path(sys.argv[1])) as store:
    print(len(store.recordings()), left)
"""


def opening(folder: Path, left: int = -1, at: str = "none") -> subprocess.Popen[str]:
    """Start a process that opens the store, and dies at a statement of the migration."""
    return subprocess.Popen(
        [sys.executable, "-c", _OPENED, str(folder), str(left), at],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("left", "at"),
    [(3, "none"), (8, "none"), (20, "none"), (-1, "DROP TABLE recordings_1"), (-1, "COMMIT")],
)
def test_a_killed_migration_leaves_version_1_and_the_next_succeeds(
    folder: Path, left: int, at: str
) -> None:
    file = version_1(folder)
    before = dump(file)
    with opening(folder, left, at) as process:
        process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert dump(file) == before
    with Store.open(folder) as store:
        assert len(store.recordings()) == len(names())
        assert len(store.transcript(key_of("completed_long")).utterances) == 1234


def test_processes_that_open_at_once_migrate_once(folder: Path) -> None:
    version_1(folder)
    processes = [opening(folder) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = []
    for process in processes:
        with process:
            outputs.append(process.communicate(timeout=60)[0].split())
        assert process.returncode == 0
    assert {count for count, _ in outputs} == {str(len(names()))}
    # Each process counts the statements of its own migration.
    assert len([left for _, left in outputs if left != "-1"]) == 1


def test_version_2_is_migrated_with_all_records(folder: Path) -> None:
    folder.mkdir()
    with sqlite3.connect(folder / "meetings.sqlite3") as connection:
        connection.executescript(Path(__file__).with_name("version_2.sql").read_text("utf-8"))
    connection.close()
    with Store.open(folder) as store:
        assert [(found.meeting_id, found.state) for found in store.recordings()] == [
            ("deleted", JobState.DELETED),
            ("uploading", JobState.UPLOADING),
            ("owner/processing", JobState.PROCESSING),
            ("owner/completed", JobState.COMPLETED),
        ]
        processing, completed = store.summaries("owner/", 9)
        assert (completed.duration, completed.speakers, completed.has_audio) == (10**7, None, False)
        found = store.get(processing.recording_id)
        assert (found.notes, found.next_poll, found.replaces) == (("Cut.",), 5.0, "")
        assert found.backend_state == '{"stage": "recorded"}'
        (utterance,) = store.transcript(completed.recording_id).utterances
        assert utterance.text == "Good morning."
        assert [found.meeting_id for found in store.due_cleanups(1.0)] == ["deleted"]
    assert sorted(columns(folder)) == sorted(columns(folder.with_name("new")))


def columns(folder: Path) -> list[str]:
    """Return the columns and the indexes of a store, which is created if it does not exist."""
    Store.open(folder).close()
    connection = sqlite3.connect(folder / "meetings.sqlite3")
    found = connection.execute(
        "SELECT m.name, c.name, c.type, c.[notnull], c.dflt_value"
        " FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
        " UNION SELECT name, sql, '', 0, '' FROM sqlite_master WHERE type = 'index'"
    ).fetchall()
    connection.close()
    return [str(row) for row in found]


def test_a_later_version_is_refused_and_left_untouched(folder: Path) -> None:
    file = version_1(folder)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 4")
    connection.close()
    before = dump(file)
    with pytest.raises(StoreError, match=r"newer version .*format 4, known is 3"):
        Store.open(folder)
    assert dump(file) == before


def test_a_damaged_file_of_version_1_is_put_aside_before_it_is_rewritten(folder: Path) -> None:
    file = version_1(folder)
    data = bytearray(file.read_bytes())
    # The first leaf of the recordings: two cells change places, which a reader of all
    # rows does not notice.
    page = next(at for at in range(4096, len(data), 4096) if data[at] == 13)
    data[page + 8 : page + 12] = data[page + 10 : page + 12] + data[page + 8 : page + 10]
    file.write_bytes(data)
    with pytest.raises(StoreError, match="put aside as"):
        Store.open(folder)
    (aside,) = (p for p in folder.glob("*.corrupt-*") if not p.name.endswith(("-wal", "-shm")))
    assert aside.read_bytes() == data
    connection = sqlite3.connect(aside)  # with its log
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()
