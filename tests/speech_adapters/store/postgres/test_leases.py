from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from double.postgres import Server
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingBusyError, StoreError
from speech_adapters.store.postgres.leases import Lease
from speech_adapters.store.postgres.store import PostgresStore
from speech_adapters.transcript import Provenance, Transcript

REQUEST = MeetingRequest("standup", mode=Mode.STORED)
PATIENCE = 60.0


def expire(store: PostgresStore) -> None:
    """End the time of all locks, as if their processes had not renewed them."""
    with store._database.transaction() as transaction:
        # After a start of the server they would be valid for some seconds still.
        transaction.execute("UPDATE locks SET seconds = 0, expires = '-infinity'")


def await_renewal(store: PostgresStore) -> None:
    """Let all locks expire, and wait until they are renewed."""
    with store._database.transaction() as transaction:
        transaction.execute("UPDATE locks SET expires = '-infinity'")
    deadline = time.monotonic() + PATIENCE
    while store._database.rows("SELECT 1 FROM locks WHERE expires < clock_timestamp()"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def await_loss(lease: Lease) -> None:
    deadline = time.monotonic() + PATIENCE
    while lease.held:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stop_renewing(store: PostgresStore) -> None:
    """Do as a process does that hangs."""
    store._leases.close()


def test_a_lock_keeps_other_machines_out(open_host: Callable[..., PostgresStore]) -> None:
    here, there = open_host("here"), open_host("there")
    with here.lock_meeting("m") as lock:
        assert lock.held
        with pytest.raises(MeetingBusyError, match="being recorded already"):
            there.lock_meeting("m")
        there.lock_meeting("n").release()
        there.lock_recording("m").release()
    assert not lock.held
    there.lock_meeting("m").release()


def test_a_lock_that_expired_can_be_taken(open_host: Callable[..., PostgresStore]) -> None:
    here, there = open_host("here"), open_host("there")
    lock = here.lock_meeting("m")
    stop_renewing(here)
    expire(there)
    taken = there.lock_meeting("m")
    lock.release()  # must not release what another process holds
    with pytest.raises(MeetingBusyError):
        open_host("third").lock_meeting("m")
    taken.release()


def test_a_lock_that_expired_is_renewed_if_no_other_process_took_it(
    open_host: Callable[..., PostgresStore],
) -> None:
    here, there = open_host("here"), open_host("there")
    lock = here.lock_meeting("m")
    await_renewal(there)
    assert lock.held
    lock.release()


def test_the_holder_notices_that_its_lock_was_taken(
    open_host: Callable[..., PostgresStore],
) -> None:
    here, there = open_host("here", lease_seconds=1.0), open_host("there")
    lock = here.lock_meeting("m")
    assert isinstance(lock, Lease)
    with there._database.transaction() as transaction:
        transaction.execute("UPDATE locks SET owner = 'another'")
    await_loss(lock)


@pytest.mark.parametrize("kind", ["meeting", "recording"])
def test_a_change_under_a_lock_that_was_taken_fails(
    open_host: Callable[..., PostgresStore], kind: str
) -> None:
    here, there = open_host("here"), open_host("there")
    key = here.create(REQUEST, "local").id
    here.close_audio(key, 3200)

    def lock(store: PostgresStore) -> Lease:
        found = store.lock_meeting("standup") if kind == "meeting" else store.lock_recording(key)
        assert isinstance(found, Lease)
        return found

    old = lock(here)
    stop_renewing(here)
    expire(there)
    new = lock(there)
    for change in (
        lambda: here.complete(key, Transcript("standup", (), 1, Provenance("late", "1"))),
        lambda: here.update(key, step="late"),
        lambda: here.update_many({key: "late"}, step="late"),
        lambda: here.fail(key, "late"),
    ):
        with pytest.raises(StoreError, match="lock of this meeting was lost"):
            change()
    here.report(key, step="late")
    assert not old.held
    assert (there.get(key).state, there.get(key).step) == (JobState.PROCESSING, "")
    assert there.complete(key, Transcript("standup", (), 1, Provenance("new", "1")))
    new.release()
    # A deletion needs no lock.
    here.delete(key)


def test_locks_outlive_a_restart_of_the_server(
    open_host: Callable[..., PostgresStore], postgres: Server
) -> None:
    here, there = open_host("here"), open_host("there")
    key = here.create(REQUEST, "local").id
    lock = here.lock_recording(key)
    stop_renewing(here)
    # A lock is not to be taken even if the restart took longer than its time.
    with here._database.transaction() as transaction:
        transaction.execute("UPDATE locks SET seconds = 3600, expires = '-infinity'")
    postgres.stop("immediate")
    postgres.start()
    with pytest.raises(MeetingBusyError):
        there.lock_recording(key)
    here.update(key, step="goes on")
    assert lock.held
    lock.release()


def test_locks_are_kept_while_all_connections_are_busy(
    open_host: Callable[..., PostgresStore],
) -> None:
    here, there = open_host("here", connections=1), open_host("there")
    lock = here.lock_meeting("m")
    with here._database.transaction():
        await_renewal(there)
    lock.release()
