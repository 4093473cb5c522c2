"""Locks among all processes of a database: rows that are renewed, and expire.

A process renews its locks while it lives.  A lock that is not renewed expires, and another process
can take it.  On the same machine it can be taken at once when its process has died, which a file
shows that the process keeps locked.  After a restart of the server each lock is valid for its
whole time again, so a restart takes none away.

A process that was stopped or cut off for longer may go on as if it held its lock.  So each change
of a recording that is made under a lock checks, in the same transaction, that the lock is still
there, and keeps it from being taken before the commit.  A change that comes too late fails.

Session locks of the server (``pg_advisory_lock``) are not used: they end with each restart of the
server and with each lost connection, before their holder can notice it.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg

from speech_adapters.errors import MeetingBusyError, StoreError
from speech_adapters.store.lock import Lock
from speech_adapters.store.locks import FileLock
from speech_adapters.store.postgres.database import Connection, Database, Transaction

__all__ = ["Lease", "Leases"]

# How often a lock is renewed within its time.
_RENEWALS: Final = 4
_RETRY_SECONDS: Final = 0.5
# How long a release may wait for the server; what it cannot remove expires.
_RELEASE_SECONDS: Final = 2.0

_ACQUIRE: Final = """
    INSERT INTO locks (name, owner, process, place, seconds, expires)
    VALUES (%(name)s, %(owner)s, %(process)s, %(place)s, %(seconds)s,
        clock_timestamp() + make_interval(secs => %(seconds)s))
    ON CONFLICT (name) DO UPDATE
    SET owner = excluded.owner, process = excluded.process, place = excluded.place,
        seconds = excluded.seconds, expires = excluded.expires
    WHERE locks.process = %(dead)s OR clock_timestamp() > greatest(
        locks.expires, pg_postmaster_start_time() + make_interval(secs => locks.seconds)
    )
    RETURNING name
"""
_HOLDER: Final = "SELECT process FROM locks WHERE name = %(name)s AND place = %(place)s"
_RENEW: Final = """
    UPDATE locks SET expires = clock_timestamp() + make_interval(secs => seconds)
    WHERE owner = ANY(%s) RETURNING owner
"""


class Lease(Lock):
    """One lock; see :class:`.lock.Lock`.

    Args:
        leases: the locks of its process.
        name: what is locked.
    """

    def __init__(self, leases: Leases, name: str) -> None:
        self.name = name
        # Of this lock alone, so that it also excludes other parts of the same process.
        self.owner = uuid.uuid4().hex
        self.lost = False
        self._leases = leases

    @property
    def held(self) -> bool:
        """Whether it is neither released nor known to be lost."""
        return not self.lost and self._leases.has(self)

    def release(self) -> None:
        """Release the lock.  Idempotent."""
        self._leases.release(self)


class Leases:
    """The locks of one process; any thread may use them.

    Args:
        database: the database.
        seconds: how long a lock is valid after a renewal.
        folder: where the processes of this machine have their files.
    """

    def __init__(self, database: Database, seconds: float, folder: Path) -> None:
        self._database = database
        self._seconds = seconds
        self._folder = folder
        # Machines may have folders of the same name, and a machine several folders.
        self._place = _key(f"{socket.gethostname()}:{folder}")
        self._process = uuid.uuid4().hex
        # Locked while this object lives: the kernel unlocks it when the process dies.
        self._alive: FileLock | None = None
        self._guard = threading.Lock()
        # By name; those that were lost too, until they are released.
        self._leases: dict[str, Lease] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def acquire(self, name: str, busy: str) -> Lease:
        """Lock a name.

        Raises:
            MeetingBusyError: it is locked already, with ``busy``.
            StoreError: the server cannot be reached.
        """
        self._show_life()
        lease = Lease(self, name)
        values = {
            "name": _key(name),
            "owner": lease.owner,
            "process": self._process,
            "place": self._place,
            "seconds": self._seconds,
            "dead": "",
        }
        if not self._insert(values):
            values["dead"] = self._dead_holder(values)
            if not values["dead"] or not self._insert(values):
                raise MeetingBusyError(busy)
        with self._guard:
            self._leases[name] = lease
            self._start_renewing()
        return lease

    def release(self, lease: Lease) -> None:
        """Release a lock; one that the server cannot be told of expires."""
        with self._guard:
            if self._leases.get(lease.name) is not lease:
                return
            del self._leases[lease.name]

        def remove() -> None:
            with self._database.transaction(_RELEASE_SECONDS) as transaction:
                # A release that a crash of the server undoes costs only time.
                transaction.connection.execute("SET LOCAL synchronous_commit = off")
                transaction.connection.execute("DELETE FROM locks WHERE owner = %s", (lease.owner,))

        with suppress(StoreError):
            self._database.retry(remove, _RELEASE_SECONDS)

    def has(self, lease: Lease) -> bool:
        """Return whether a lock has not been released."""
        with self._guard:
            return self._leases.get(lease.name) is lease

    def check(self, transaction: Transaction, recording_id: str) -> None:
        """Keep the locks of a recording and its meeting until the end of the transaction.

        Only those that this process has acquired: other changes need none.

        Raises:
            StoreError: one was lost.
        """
        with self._guard:
            leases = dict(self._leases)
        if not leases:
            return
        row = transaction.execute(
            "SELECT meeting_id FROM recordings WHERE id = ?", (recording_id,)
        ).fetchone()
        names = (f"recording:{recording_id}", f"meeting:{row[0]}" if row else "")
        for lease in filter(None, map(leases.get, names)):
            # KEY SHARE excludes a change of the owner, but not a renewal.
            found = transaction.connection.execute(
                "SELECT 1 FROM locks WHERE owner = %s FOR KEY SHARE", (lease.owner,)
            ).fetchone()
            if found is None:
                lease.lost = True
                raise StoreError(
                    "The lock of this meeting was lost, because the server of the meeting store"
                    " could not be reached for too long: another process may go on with it."
                    f" Nothing was changed (recording {recording_id})."
                )

    def close(self) -> None:
        """Stop to renew; locks that are not released expire.  Idempotent."""
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_RELEASE_SECONDS)  # it may be connecting
        with self._guard:
            if self._alive is not None and not self._leases:
                self._alive.release()
                self._alive = None

    def _show_life(self) -> None:
        with self._guard:
            if self._alive is None:
                self._alive = FileLock(self._folder, f"process:{self._process}", "")

    def _insert(self, values: Mapping[str, object]) -> bool:
        with self._database.transaction() as transaction:
            return transaction.connection.execute(_ACQUIRE, values).fetchone() is not None

    def _dead_holder(self, values: Mapping[str, object]) -> str:
        """Return the process of this machine that holds a lock, if it is dead; else nothing."""
        with self._database.transaction() as transaction:
            row = transaction.connection.execute(_HOLDER, values).fetchone()
        if row is None or row[0] == self._process:
            return ""
        try:
            FileLock(self._folder, f"process:{row[0]}", "").release()
        except MeetingBusyError:
            return ""
        return str(row[0])

    def _start_renewing(self) -> None:
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(
                target=self._renew_all, name="speech-compat-leases", daemon=True
            )
            self._thread.start()

    def _renew_all(self) -> None:
        # A connection of its own: renewals must not wait until one of the pool is free.
        connection: Connection | None = None
        pause = self._seconds / _RENEWALS
        while not self._closing.wait(pause):
            with self._guard:
                leases = {lease.owner: lease for lease in self._leases.values() if not lease.lost}
            if not leases:
                continue
            try:
                connection = connection or self._database.address.connect()
                kept = connection.execute(_RENEW, (list(leases),)).fetchall()
            except psycopg.Error:
                # The server is away.  No other process can lock anything meanwhile.
                if connection is not None:
                    connection.close()
                connection, pause = None, min(_RETRY_SECONDS, self._seconds / _RENEWALS)
                continue
            pause = self._seconds / _RENEWALS
            for owner in leases.keys() - {owner for (owner,) in kept}:
                # Released meanwhile, or taken by another process.
                leases[owner].lost = True
        if connection is not None:
            connection.close()


def _key(name: str) -> str:
    # Hashed: an index holds no texts of any length, and no NUL.
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
