"""The interface of the meeting store: what was recorded, its state, its transcript.

Threads and processes share a store, and so may machines.  What a call changed survives the
death of the process and a power cut.

::

    create ──▶ Uploading ──close_audio──▶ Processing ──complete──▶ Completed
                                              └────────fail──────▶ Failed ──resume──▶ Processing
    delete ──▶ Deleted, without content, cleanup pending ──cleaned──▶ Deleted
    create(replaces=x) ──▶ a copy, which does not count yet ──replace──▶ Uploading, and x Deleted

Each method takes effect as a whole or not at all, and there is no transaction across calls.  A
change that depends on the state reads the state in the same transaction, because any other
process may have changed it since the caller read it.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from speech_adapters.closeable import Closeable
from speech_adapters.contract import Attendee, JobState, MeetingRequest
from speech_adapters.setting_names import environment_name
from speech_adapters.store.records import MeetingSummary, OpenState, Outcome, Recording
from speech_adapters.transcript import AnyTranscript, StreamedTranscript, Transcript

if TYPE_CHECKING:
    from speech_adapters.config import StoreOptions
    from speech_adapters.store.inspection import Inspection
from speech_adapters.store.lock import Lock

__all__ = ["Store"]


class Store(Closeable):
    """The meetings of one folder; open it with :meth:`open`.

    All methods block, and any thread may call them.  Every method may raise
    :class:`StoreError` when the database cannot be read or written, and
    :class:`StoreCorruptError` when it proves damaged; the next :meth:`open` then starts anew.
    """

    @classmethod
    def open(cls, directory: Path, options: StoreOptions | None = None) -> Store:
        """Open the store of ``directory``, which is created when missing.

        Args:
            directory: the folder of the store.
            options: its database; ``None`` for that of the environment, by which a process
                passes it to its children.

        Raises:
            StoreError: it is no folder, cannot be written, is of a newer format, or its server
                cannot be reached.
            StoreCorruptError: the database was damaged and has been put aside.
            MissingExtraError: the package of its database is not installed.
            ConfigurationError: the options in the environment are wrong.
        """
        server = _server_options(options)
        # Imported here: the interface depends on no database.
        if server is not None:
            from speech_adapters.store.postgres import open_store

            return open_store(directory, server)
        from speech_adapters.store.sqlite.store import SqliteStore

        return SqliteStore.open(directory)

    @staticmethod
    def inspect(directory: Path, options: StoreOptions | None = None) -> Inspection | None:
        """Return the condition of the store of ``directory``, or ``None`` if there is none.

        Nothing is changed or repaired, and no lock is taken.

        Raises:
            StoreError: it cannot be read.
            MissingExtraError, ConfigurationError: as :meth:`open`.
        """
        server = _server_options(options)
        if server is not None:
            from speech_adapters.store.postgres import inspect_store

            return inspect_store(directory, server)
        from speech_adapters.store.sqlite.inspection import inspect
        from speech_adapters.store.sqlite.store import FILE

        database = directory.absolute() / FILE
        return inspect(database) if database.is_file() else None

    @property
    @abstractmethod
    def directory(self) -> Path:
        """The folder of the store, by which another process of this machine opens it.

        Its folder ``locks`` is used by the processes of one machine.  Its folder ``audio``, or
        another one if the options of the store name it, has the audio of the recordings, which
        all processes of the store read and write.
        """

    @property
    @abstractmethod
    def usable(self) -> bool:
        """Whether further calls can succeed: it is open, and its file is where it was."""

    @property
    @abstractmethod
    def read_only(self) -> bool:
        """Whether it can only be read, because its folder cannot be written."""

    @abstractmethod
    def create(
        self,
        request: MeetingRequest,
        backend: str,
        *,
        keep_audio: bool = False,
        replaces: str = "",
    ) -> Recording:
        """Create a recording in the state Uploading; existing ones are not changed.

        Args:
            request: what the program requested.
            backend: the name of its backend.
            keep_audio: whether its audio stays after the completion, until the deletion.
            replaces: the id of the recording that it takes over, see :meth:`replace`.
        """

    @abstractmethod
    def get(self, recording_id: str) -> Recording:
        """Return one recording.

        Raises:
            MeetingNotFoundError: there is none of that id.
        """

    @abstractmethod
    def newest(self, meeting_id: str) -> Recording:
        """Return the recording of a meeting that was created last, and has its audio.

        Raises:
            MeetingNotFoundError: there is none.
        """

    @abstractmethod
    def recordings(self, meeting_id: str | None = None) -> list[Recording]:
        """Return all recordings, or those of one meeting, the newest first.

        One whose record is damaged is among them, as failed: it must not hide the others.
        """

    @abstractmethod
    def listed(
        self,
        states: Sequence[JobState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[Recording]:
        """Return the recordings that a list shows, the newest first.

        One whose record is damaged is among them if ``states`` is empty.

        Args:
            states: only those in one of these states; empty for any.
            since: only those that began at this time or later; it has a time zone.
            limit: how many at most; ``None`` for all.
        """

    @abstractmethod
    def open_recordings(self, backend: str) -> list[Recording]:
        """Return the recordings of one backend in the state Processing, the newest first."""

    @abstractmethod
    def open_states(self, backend: str) -> list[OpenState]:
        """Return the same recordings without their requests, the oldest first; costs little."""

    @abstractmethod
    def unfinished(self, now: float) -> list[Recording]:
        """Return the recordings with work to do at the Unix time ``now``, the oldest first.

        They are Uploading, or Processing with a poll that is due.  None if the store can only
        be read.
        """

    @abstractmethod
    def summaries(self, prefix: str, limit: int, before: str = "") -> list[MeetingSummary]:
        """Return the newest recording of each meeting whose id starts with ``prefix``.

        The newest meeting is the first; deleted ones are left out.  With a prefix that has a
        slash, or is empty, the call costs the same however many meetings follow the page.

        Args:
            prefix: the first characters of the ids; no character has a special meaning.
            limit: how many at most.
            before: the ``recording_id`` of the last summary of the page before; empty for the
                first page.  After a recording that no longer exists there are none.
        """

    @abstractmethod
    def outcomes(self, meeting_ids: Sequence[str]) -> list[Outcome]:
        """Return what became of these meetings, in any order, without those that do not exist.

        One statement: the work on hundreds of meetings is watched with it.
        """

    @abstractmethod
    def transcript(self, recording_id: str) -> Transcript:
        """Return the transcript of a completed recording.

        Raises:
            MeetingNotFoundError: there is no such recording, or it was deleted.
            MeetingFailedError: it failed, with the reason.
            MeetingBusyError: it is not finished yet.
            StoreError: the transcript is damaged.
        """

    @abstractmethod
    def stream(self, recording_id: str) -> StreamedTranscript:
        """Return the transcript of a completed recording, whose utterances are read in chunks.

        They can be read while the store is open, and raise StoreError if they are damaged,
        MeetingNotFoundError if the recording was deleted meanwhile.

        Raises: as :meth:`transcript`.
        """

    @abstractmethod
    def close_audio(self, recording_id: str, size: int, notes: tuple[str, ...] = ()) -> None:
        """Record that the audio has ended: Uploading becomes Processing, once.

        Args:
            recording_id: which recording.
            size: bytes of audio it has.
            notes: irregularities of the recording, one sentence each.
        """

    @abstractmethod
    def begin_attempt(self, recording_id: str) -> int:
        """Count one more attempt at processing; return how many there are now."""

    @abstractmethod
    def update(
        self,
        recording_id: str,
        *,
        progress: float | None = None,
        step: str | None = None,
        backend_state: str | None = None,
        next_poll: float | None = None,
    ) -> None:
        """Store several values, all or none; ``None`` leaves a value as it is.

        Each call waits for the disk.

        Args:
            recording_id: which recording.
            progress: share of the audio processed, limited to 0 to 1; ignored once the
                state is final.
            step: what is being done now; ignored once the state is final.
            backend_state: the backend's own JSON text, stored in any state: a job may
                have to be deleted after its meeting.
            next_poll: Unix time in seconds of the backend's next question.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """

    @abstractmethod
    def report(
        self, recording_id: str, *, progress: float | None = None, step: str | None = None
    ) -> None:
        """Store progress and step if that is possible now; ignored once the state is final.

        Never raises :class:`StoreError`: a store that is locked, or a disk that is full, must
        not end the work that is reported.  Each call waits for the disk, so once a second is
        enough.

        Args:
            recording_id: which recording.
            progress: share of the audio processed, limited to 0 to 1.
            step: what is being done now.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """

    @abstractmethod
    def update_many(
        self, states: Mapping[str, str], *, step: str | None = None, next_poll: float | None = None
    ) -> set[str]:
        """Store the backend's own text of several recordings, all or none.

        Args:
            states: the backend_state of each recording, by its id; stored in any state.
            step: that of all of them, as for :meth:`update`.
            next_poll: that of all of them.

        Returns the ids of those that are in the state Processing: others may have been deleted.
        Raises: as :meth:`update`.
        """

    @abstractmethod
    def poll_later(
        self, recording_ids: Sequence[str], after: float, steps: Mapping[str, str] | None = None
    ) -> None:
        """Set the next poll of all these recordings that are still in the state Processing.

        Args:
            recording_ids: which recordings; one answer of a service may cover many.
            after: Unix time in seconds.
            steps: what is being done now, by the id of the recording; for any of them.
        """

    @abstractmethod
    def complete(self, recording_id: str, transcript: AnyTranscript) -> bool:
        """Store the transcript and the state Completed, both or neither.

        Other threads and processes proceed while a long transcript is written.  Waits up to
        five minutes while another process keeps the store locked, as :meth:`fail` does.
        Speakers are numbered by first appearance, whatever the numbers of the live results
        were.  Voice signatures are removed, from the disk too.

        Returns:
            Whether it was stored: a recording already completed or deleted stays
            as it is.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """

    @abstractmethod
    def fail(self, recording_id: str, reason: str, *, backend_state: str | None = None) -> None:
        """Change the state to Failed, for ``reason``; ignored once the state is final.

        Voice signatures are removed, from the disk too: a retry names no participants, which a
        note states.

        Args:
            recording_id: which recording.
            reason: what happened and what to do, for people.
            backend_state: the backend's own JSON text, stored with the state or not at all.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """

    @abstractmethod
    def replace_attendees(self, recording_id: str, attendees: tuple[Attendee, ...]) -> None:
        """Replace the attendees of a recording, of which only those with signatures are kept.

        Ignored unless it is Uploading: later the processing may have begun.

        Raises:
            MeetingNotFoundError: there is no such recording.
            StoreError: its record is damaged.
        """

    @abstractmethod
    def replace_notes(self, recording_id: str, notes: tuple[str, ...]) -> None:
        """Replace the notes of a recording's request, what is known of its audio.

        Ignored unless it is Uploading: later the processing may have begun.

        Raises:
            MeetingNotFoundError: there is no such recording.
            StoreError: its record is damaged.
        """

    @abstractmethod
    def resume(self, recording_id: str, *, incomplete: bool = False) -> None:
        """Change Failed to Processing; a recording in another state is not changed.

        With ``incomplete`` a completed recording is changed too.  Its transcript stays, until
        another one replaces it.
        """

    @abstractmethod
    def assign(self, recording_id: str, backend: str, *, fallback: str = "") -> None:
        """Make ``backend`` the owner; it starts without the state of the one before.

        A deleted recording is not changed: its owner still has to clean up.

        Args:
            recording_id: which recording.
            backend: the name of the new owner.
            fallback: the name of the backend to assign it to when the service of
                ``backend`` refuses the audio as too large; empty for none.
        """

    @abstractmethod
    def delete(self, recording_id: str) -> None:
        """Delete audio, journal, transcript, reason and notes; that it existed is still known.

        The cleanup at the backend's service is then due, see :meth:`due_cleanups`;
        backend_state is kept for it.

        Raises:
            StoreError: the audio cannot be removed; then nothing else is either.
        """

    @abstractmethod
    def replace(self, recording_id: str) -> None:
        """Delete the recording that this one takes over, whose audio it has by now.

        Until then this one is only a copy that is not complete, and the other one counts.

        Raises:
            MeetingNotFoundError: one of them does not exist.
        """

    @abstractmethod
    def forget_empty(self, recording_id: str) -> None:
        """Remove a recording that has failed because it has no audio; ignored otherwise."""

    @abstractmethod
    def due_cleanups(self, now: float) -> list[Recording]:
        """Return the recordings whose cleanup is due at the Unix time ``now``.

        They are deleted, or completed with a cleanup that was planned.  None if the store can
        only be read.
        """

    @abstractmethod
    def plan_cleanup(self, recording_id: str) -> None:
        """Note that a recording leaves something at its service once it is completed.

        Without the note, a process that is killed after the completion would leave it there
        for ever.  A deleted recording has its cleanup already.
        """

    @abstractmethod
    def clean_later(self, recording_id: str, after: float) -> None:
        """Postpone a pending cleanup to the Unix time ``after``; one that is done stays done."""

    @abstractmethod
    def cleaned(self, recording_id: str, state: JobState = JobState.DELETED) -> None:
        """Record that a cleanup is done; a deleted recording loses its backend_state too.

        Args:
            recording_id: which recording.
            state: its state when the cleanup began, Deleted or Completed.  If it was deleted
                meanwhile, there is more to clean up, so nothing is recorded.
        """

    @abstractmethod
    def forget(self) -> None:
        """Remove values that were replaced from the disk, as far as is possible now.

        SQLite's write-ahead log keeps them otherwise until it is used again.
        """

    @abstractmethod
    def remove_leftovers(self) -> None:
        """Remove what completed and deleted recordings left: audio, and what is next to it.

        A process may be killed after it stored a transcript and before it removed the audio.
        Audio that is to be kept stays.  So do files of recordings that are not in this store:
        their records may be in a damaged database that was put aside.
        """

    @abstractmethod
    def lock_meeting(self, meeting_id: str) -> Lock:
        """Lock a meeting id while recording it.

        Raises:
            MeetingBusyError: it is locked already, by this process or another.
        """

    @abstractmethod
    def lock_recording(self, recording_id: str) -> Lock:
        """Lock a recording while changing it.

        Raises:
            MeetingBusyError: it is locked already, by this process or another.
        """


def _server_options(options: StoreOptions | None) -> StoreOptions | None:
    """Return the options of a database on a server, or ``None`` for SQLite."""
    if options is None:
        prefix = environment_name("store.")
        if not any(name.upper().startswith(prefix) for name in os.environ):
            return None
        # Imported late, because it takes longer than to read a thousand meetings from SQLite.
        from speech_adapters.config import store_options_from_environment

        options = store_options_from_environment()
    return options if options.url.get_secret_value() else None
