from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from double.disk import files_with
from double.other_writer import OtherWriter
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee, JobState, MeetingRequest, Mode
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    StoreError,
)
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript, Utterance, Word

AWKWARD_IDS = [
    "plain",
    "with 'single' and \"double\" quotes; DROP TABLE recordings --",
    "../../etc/passwd",
    "C:\\meetings\\today",
    "standup 🎉 日本語 \u0301",
    "x" * 300,
    "日" * 300,
    "nul\0byte",
    "line\nbreak %s {} ?",
    " ",
]
REQUEST = MeetingRequest("standup", mode=Mode.STORED)
SECRET = "chrysanthemum"


def transcript(meeting_id: str = "standup", text: str = "Good morning.") -> Transcript:
    words = (Word("Good", 0, 5, 0.5), Word("morning", 5, 5))
    said = Utterance("0" * 32, text, 0, 10, 0, None, "en-US", words)
    return Transcript(meeting_id, (said,), 20, Provenance("local", "1.0", ("offsets",), ("cut",)))


def test_a_new_recording_holds_what_was_asked_for(store: Store, folder: Path) -> None:
    request = MeetingRequest(
        *("standup", PcmFormat(48_000, 2), Mode.BOTH, "de-DE", False, 3),
        phrases=("Ödipus",),
        word_timestamps=True,
        group="manifest 1",
    )
    made = store.create(request, "local")
    assert len(made.id) == 32
    assert int(made.id, 16) >= 0
    assert made == store.get(made.id) == store.newest("standup")
    assert (made.meeting_id, made.backend, made.request) == ("standup", "local", request)
    assert (made.state, made.audio_bytes, made.attempts) == (JobState.UPLOADING, None, 0)
    assert made.audio_path == folder / "audio" / f"{made.id}.pcm"
    assert made.audio_path.parent.is_dir()
    assert made.created.tzinfo is UTC
    assert datetime.now(UTC) - made.created < timedelta(minutes=1)


def test_the_way_from_uploading_to_completed(store: Store) -> None:
    key = store.create(REQUEST, "local").id
    store.close_audio(key, 3200, ("The audio was cut short.",))
    closed = store.get(key)
    assert (closed.state, closed.audio_bytes) == (JobState.PROCESSING, 3200)
    assert closed.notes == ("The audio was cut short.",)
    assert closed.status().reason == "The audio was cut short."
    assert [store.begin_attempt(key), store.begin_attempt(key)] == [1, 2]
    store.update(key, progress=0.25)
    assert store.get(key).status().progress == 0.25
    assert store.begin_attempt(key) == 3
    assert store.get(key).progress is None  # a new attempt begins from nothing
    assert store.complete(key, transcript())
    done = store.get(key)
    assert (done.state, done.progress, done.attempts) == (JobState.COMPLETED, 1.0, 3)
    assert done.updated >= closed.updated >= done.created
    assert store.transcript(key) == transcript()


def test_a_failed_recording_says_why(store: Store) -> None:
    key = store.create(REQUEST, "local").id
    store.fail(key, "The engine stopped three times.")
    store.fail(key, "Something else.")
    status = store.get(key).status()
    assert (status.state, status.reason) == (JobState.FAILED, "The engine stopped three times.")
    with pytest.raises(MeetingFailedError, match=r"standup.*The engine stopped three times"):
        store.transcript(key)


def test_a_later_attempt_may_still_complete_a_failed_recording(store: Store) -> None:
    key = store.create(REQUEST, "local").id
    store.fail(key, "It looked bad.")
    assert store.complete(key, transcript())
    assert store.get(key).status().reason == ""
    assert store.transcript(key) == transcript()


def test_a_transcript_asked_for_too_early_is_busy(store: Store) -> None:
    key = store.create(REQUEST, "local").id
    with pytest.raises(MeetingBusyError, match="not finished"):
        store.transcript(key)
    store.close_audio(key, 2)
    with pytest.raises(MeetingBusyError, match="not finished"):
        store.transcript(key)


def test_final_states_do_not_change_by_themselves(store: Store) -> None:
    key = store.create(REQUEST, "local").id
    store.close_audio(key, 100)
    store.close_audio(key, 999, ("too late",))
    assert (store.get(key).audio_bytes, store.get(key).notes) == (100, ())
    assert store.complete(key, transcript())
    assert not store.complete(key, transcript(text="Another one."))
    store.fail(key, "late")
    store.update(key, progress=0.1)
    store.close_audio(key, 1)
    assert store.get(key).status() == attrs.evolve(
        store.get(key).status(), state=JobState.COMPLETED, reason="", progress=1.0
    )
    assert store.transcript(key) == transcript()


@pytest.mark.parametrize(("given", "kept"), [(-1.0, 0.0), (0.5, 0.5), (3.0, 1.0)])
def test_progress_is_a_share(store: Store, given: float, kept: float) -> None:
    key = store.create(REQUEST, "local").id
    store.update(key, progress=given)
    assert store.get(key).progress == kept


def test_the_notes_of_the_audio_change_only_while_it_is_recorded(store: Store) -> None:
    made = store.create(attrs.evolve(REQUEST, notes=("One.",)), "local")
    store.replace_notes(made.id, ("One.", "Two."))
    store.close_audio(made.id, 100)
    store.replace_notes(made.id, ())
    assert store.get(made.id).provenance_notes == ("One.", "Two.")
    with pytest.raises(MeetingNotFoundError):
        store.replace_notes("unknown", ())


@pytest.mark.database("sqlite")  # the other one locks no whole store
def test_a_report_is_dropped_while_the_store_is_locked(store: Store, folder: Path) -> None:
    key = store.create(REQUEST, "local").id
    store.report(key, progress=0.25, step="transcribing")
    with OtherWriter(folder) as other:
        other.lock()
        store.report(key, progress=0.5, step="waiting")
    found = store.get(key)
    assert (found.progress, found.step) == (0.25, "transcribing")
    store.report(key, progress=1.5)
    assert store.get(key).progress == 1.0


def test_a_report_about_a_final_recording_is_ignored(store: Store) -> None:
    key = store.create(REQUEST, "local").id
    store.fail(key, "No audio.")
    store.report(key, progress=0.5, step="transcribing")
    assert (store.get(key).progress, store.get(key).step) == (None, "")
    with pytest.raises(MeetingNotFoundError):
        store.report("unknown", progress=0.5)


def test_the_newest_recording_speaks_for_its_meeting_and_none_is_overwritten(store: Store) -> None:
    first = store.create(REQUEST, "local")
    assert store.complete(first.id, transcript(text="The first."))
    other = store.create(MeetingRequest("other"), "local")
    second = store.create(REQUEST, "local")
    assert store.newest("standup").id == second.id
    assert [r.id for r in store.recordings("standup")] == [second.id, first.id]
    assert [r.id for r in store.recordings()] == [second.id, other.id, first.id]
    assert store.transcript(first.id).utterances[0].text == "The first."
    assert store.recordings("none") == []


@pytest.mark.parametrize("meeting_id", AWKWARD_IDS)
def test_any_text_is_a_meeting_id(folder: Path, meeting_id: str) -> None:
    with Store.open(folder) as store:
        key = store.create(MeetingRequest(meeting_id), "local").id
        with store.lock_meeting(meeting_id):
            with pytest.raises(MeetingBusyError):
                store.lock_meeting(meeting_id)
            places = {p.parent for p in folder.parent.rglob("*.lock")}
        assert store.complete(key, transcript(meeting_id))
    with Store.open(folder) as store:
        assert store.newest(meeting_id).id == key
        assert store.transcript(key).meeting_id == meeting_id
    assert places == {folder / "locks", folder}


def test_ids_that_differ_in_a_hair_are_different_meetings(store: Store, database: str) -> None:
    store.create(MeetingRequest("é"), "local")
    for other in ("É", "e\u0301", "é ", *(["é\0"] if database == "sqlite" else [])):
        with pytest.raises(MeetingNotFoundError):
            store.newest(other)


def test_text_that_is_no_unicode_is_refused_without_repeating_it(store: Store) -> None:
    with pytest.raises(StoreError, match="not valid Unicode") as caught:
        store.create(MeetingRequest("half \ud83c"), "local")
    assert caught.value.__cause__ is None
    assert store.recordings() == []
    store.create(REQUEST, "local")  # the refusal left no transaction open


def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(MeetingNotFoundError, match="no meeting 'unknown'"):
        store.newest("unknown")
    for call in (store.get, store.transcript, store.delete, store.begin_attempt):
        with pytest.raises(MeetingNotFoundError, match="no recording 'abc'"):
            call("abc")
    for write in (
        lambda: store.close_audio("abc", 1),
        lambda: store.update("abc", progress=0.5),
        lambda: store.fail("abc", "why"),
        lambda: store.complete("abc", transcript()),
    ):
        with pytest.raises(MeetingNotFoundError):
            write()


def test_attendees_are_never_written(store: Store, folder: Path) -> None:
    request = attrs.evolve(REQUEST, attendees=(Attendee(f"{SECRET}@example.com"),))
    assert store.create(request, "local").request == REQUEST
    assert files_with(folder, SECRET) == []


def test_deleting_leaves_a_tombstone_and_nothing_else(store: Store, folder: Path) -> None:
    made = store.create(attrs.evolve(REQUEST, phrases=(SECRET,)), "local")
    made.audio_path.write_text(SECRET)
    store.close_audio(made.id, len(SECRET), (SECRET,))
    store.complete(made.id, transcript(text=SECRET * 2000))
    assert files_with(folder, SECRET)
    store.delete(made.id)
    store.delete(made.id)
    gone = store.get(made.id)
    assert (gone.state, gone.reason, gone.notes) == (JobState.DELETED, "", ())
    assert gone.request == REQUEST
    assert not made.audio_path.exists()
    assert files_with(folder, SECRET) == []
    with pytest.raises(MeetingNotFoundError, match="was deleted"):
        store.transcript(made.id)
    assert not store.complete(made.id, transcript())
    store.fail(made.id, "late")
    assert store.get(made.id).state is JobState.DELETED


def test_audio_that_cannot_be_deleted_keeps_everything(store: Store) -> None:
    made = store.create(REQUEST, "local")
    store.complete(made.id, transcript())
    made.audio_path.mkdir()
    with pytest.raises(StoreError, match=r"cannot be deleted.*Nothing was deleted"):
        store.delete(made.id)
    assert store.transcript(made.id) == transcript()


def test_only_the_owner_may_look_inside(folder: Path) -> None:
    old = os.umask(0)
    try:
        with Store.open(folder) as store:
            store.create(REQUEST, "local")
            store.lock_meeting("standup").release()
            paths = [folder, *folder.rglob("*")]
            assert len(paths) >= 6
            assert [p for p in paths if stat.S_IMODE(p.stat().st_mode) & 0o077] == []
    finally:
        os.umask(old)


def test_a_folder_that_was_there_before_keeps_its_mode(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    Store.open(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_only_a_failed_recording_without_audio_is_forgotten(store: Store) -> None:
    empty, recorded, running = (store.create(REQUEST, "local").id for _ in range(3))
    store.fail(empty, "no audio")
    store.close_audio(recorded, 100)
    store.fail(recorded, "another reason")
    for recording in (empty, recorded, running):
        store.forget_empty(recording)
    assert {found.id for found in store.recordings()} == {recorded, running}


def test_a_recording_that_is_taken_over_keeps_its_audio_until_the_new_one_counts(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store.create(REQUEST, "local")
    new = store.create(REQUEST, "local", keep_audio=True, replaces=old.id)
    removed: list[Path] = []

    def remove(audio: Path) -> None:
        # Another connection: what it reads would be there if this process died now.
        with Store.open(folder) as other:
            assert other.newest("standup").id == new.id
            assert other.get(old.id).state is JobState.DELETED
        removed.append(audio)

    monkeypatch.setattr("speech_adapters.store.sql.store.remove_files", remove)
    assert store.newest("standup").id == old.id
    store.replace(new.id)
    assert removed == [old.audio_path]
    replaced = attrs.evolve(new, replaces="", created=old.created)
    assert attrs.evolve(store.get(new.id), updated=new.updated) == replaced
    with pytest.raises(MeetingNotFoundError):
        store.replace(new.id)  # nothing is left to replace
    assert store.newest("standup").id == new.id
