"""Voice signatures in the store: kept while a recording is processed, then gone from the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from double.disk import files_with
from double.voices import signature_text
from speech_adapters.contract import Attendee, JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.store import Recording
from speech_adapters.store.sql.store import SqlStore
from speech_adapters.store.sqlite import SqliteStore
from speech_adapters.transcript import Provenance, Transcript

# Part of the signature's text, in the longest sequence without an escape.
PLANTED = "0123456789abcdef"
KATIE = Attendee("katie-\ud800-chrysanthemum", "en-US", signature_text(7, PLANTED))
STEVE = Attendee("steve-chrysanthemum", "", signature_text(8, PLANTED))
GUEST = Attendee("guest-chrysanthemum")
REQUEST = MeetingRequest("standup", mode=Mode.STORED, attendees=(KATIE, GUEST, STEVE))
TRANSCRIPT = Transcript("standup", (), 20, Provenance("local", "1.0"))
ENDS: dict[str, Callable[[SqlStore, str], object]] = {
    "completed": lambda store, key: store.complete(key, TRANSCRIPT),
    "failed": lambda store, key: store.fail(key, "The engine died."),
    "deleted": lambda store, key: store.delete(key),
}


def recorded(store: SqlStore) -> Recording:
    made = store.create(REQUEST, "local")
    store.close_audio(made.id, 100)
    return store.get(made.id)


def test_only_attendees_with_a_signature_are_kept_for_the_processing(store: SqlStore) -> None:
    assert recorded(store).request == attrs.evolve(REQUEST, attendees=(KATIE, STEVE))
    assert recorded(store).request.participants == 3


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("end", ENDS)
def test_signatures_are_removed_from_the_disk_at_the_end(
    store: SqlStore, folder: Path, end: str
) -> None:
    made = recorded(store)
    assert files_with(folder, PLANTED), "else this test finds nothing"
    ENDS[end](store, made.id)
    assert files_with(folder, PLANTED) == []
    assert files_with(folder, "chrysanthemum") == []
    ended = store.get(made.id)
    assert ended.state.value.lower() == end
    assert ended.request == attrs.evolve(REQUEST, attendees=())


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("end", ENDS)
def test_signatures_are_removed_while_others_use_the_store(
    store: SqlStore, folder: Path, end: str
) -> None:
    """Another process has the file open, and the log has more than this recording."""
    made = recorded(store)
    with SqliteStore.open(folder) as other:
        for _ in range(20):
            other.report(made.id, progress=0.5)
        ENDS[end](store, made.id)
        assert other.get(made.id).request.attendees == ()
        assert files_with(folder, PLANTED) == []


def test_a_recording_that_is_final_already_keeps_nothing_either(
    store: SqlStore, folder: Path
) -> None:
    made = recorded(store)
    store.fail(made.id, "The engine died.")
    assert store.complete(made.id, TRANSCRIPT)
    assert files_with(folder, PLANTED) == []


def test_a_retry_states_that_it_names_no_participants(store: SqlStore) -> None:
    made = recorded(store)
    store.fail(made.id, "The engine died.")
    store.resume(made.id)
    store.fail(made.id, "The engine died again.")
    (note,) = store.get(made.id).notes
    assert note.startswith("No participants are named")
    unsigned = store.create(attrs.evolve(REQUEST, attendees=(GUEST,)), "local")
    store.fail(unsigned.id, "The engine died.")
    assert store.get(unsigned.id).notes == ()


def test_a_damaged_request_is_not_left_with_signatures(store: SqlStore, folder: Path) -> None:
    made = recorded(store)
    with store._database.transaction() as connection:
        connection.execute("UPDATE recordings SET request = substr(request, 2)")
    store.complete(made.id, TRANSCRIPT)
    store.forget()
    assert files_with(folder, PLANTED) == []
    assert store.transcript(made.id) == TRANSCRIPT


def test_attendees_are_replaced_while_the_meeting_is_recorded(
    store: SqlStore, folder: Path
) -> None:
    made = store.create(REQUEST, "local")
    late = Attendee("late", "", signature_text(9, "f" * 16))
    store.replace_attendees(made.id, (late, GUEST))
    assert store.get(made.id).request == attrs.evolve(REQUEST, attendees=(late,))
    assert files_with(folder, PLANTED) == []


@pytest.mark.parametrize("end", [*ENDS, "processing"])
def test_attendees_are_not_replaced_later(store: SqlStore, end: str) -> None:
    made = recorded(store)
    if end in ENDS:
        ENDS[end](store, made.id)
    before = store.get(made.id).request
    store.replace_attendees(made.id, (Attendee("late", "", signature_text()),))
    assert store.get(made.id).request == before


def test_attendees_of_an_unknown_recording_are_an_error(store: SqlStore) -> None:
    with pytest.raises(MeetingNotFoundError):
        store.replace_attendees("unknown", ())


def test_a_recording_does_not_show_them(store: SqlStore) -> None:
    shown = repr(recorded(store))
    assert "chrysanthemum" not in shown
    assert PLANTED not in shown


def test_a_meeting_without_signatures_costs_no_cleaning_of_the_log(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.create(attrs.evolve(REQUEST, attendees=()), "local")
    calls: list[Callable[[], None]] = []
    monkeypatch.setattr(store._database, "forget", lambda: calls.append(store.forget))
    store.complete(made.id, TRANSCRIPT)
    assert store.get(made.id).state is JobState.COMPLETED
    assert calls == []
