"""Recordings of a group that share one job of the service.

A recording that is uploaded waits for others, until there are enough or its time has passed.
Then one process locks all that it can, and submits one job for them::

    UPLOADED ──wait──▶ UPLOADED, waiting ──▶ SUBMITTING ──submit──▶ SUBMITTED
        ▲                    └─(only one)──▶ a job of its own
        └────────── alone, if the service refuses the job of several

The id of the submission is stored in all of its recordings in one transaction, before the job
is created, and is the tag of the job.  So a process that finds a recording in the stage
SUBMITTING finds the job by the id, and all the others that share it.  It submits the job again
only with the locks of all of them: until then no other process can.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
import attrs
import msgspec

from speech_adapters import open_files, threads
from speech_adapters.azure.http_errors import is_refusal
from speech_adapters.backends.batch.api import Job
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import NAME, BatchOptions
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    BatchStage,
    dump_progress,
    load_progress,
    readable_progress,
    save_progress,
)
from speech_adapters.backends.batch.submit import (
    find_tagged,
    kept_until,
    plain_submission,
    shared_name,
)
from speech_adapters.backends.batch.upload import Uploader
from speech_adapters.contract import JobState
from speech_adapters.errors import BackendError, MeetingBusyError, UnavailableError
from speech_adapters.meeting_locks import recording_locked
from speech_adapters.store import AsyncStore, Lock, Recording, Store

__all__ = ["GroupSubmitter"]

_WAITING: Final = "waiting for others of its group"
# Files in a job (docs/protocol/batch-and-fast-rest.md, 2.5).
_MOST_FILES: Final = 1000
# Until a recording tries again whose group is being submitted just now.
_PAUSE_SECONDS: Final = 1.0
# How long a submission waits for others that are locked at this moment.
_LOCK_TRIES: Final = 10
_LOCK_PAUSE_SECONDS: Final = 0.1
# Each lock may need an open file, and the process has others.
_SHARE_OF_FILES: Final = 4


@attrs.frozen
class _Member:
    """A locked recording, and its progress under the lock."""

    recording: Recording
    progress: BatchProgress

    @property
    def files(self) -> int:
        """How many files of it are sent."""
        return len(self.progress.pending or self.progress.chunks)


# Whether a recording with this progress is one of those of a key.
_Wanted = Callable[[BatchProgress, str], bool]


@attrs.define
class _Others:
    """Other recordings, which are locked.

    Attributes:
        locks: the locks by the ids of the recordings.
        members: the recordings that are wanted under their locks, too.
        busy: whether others hold the lock of a recording that is wanted.
    """

    locks: dict[str, Lock] = attrs.field(factory=dict)
    members: list[_Member] = attrs.field(factory=list)
    busy: bool = False

    def release(self) -> None:
        """Release the locks.  Blocks."""
        for lock in self.locks.values():
            lock.release()


class GroupSubmitter:
    """Submits jobs that several recordings share; the caller holds the lock of one of them.

    All calls may raise the errors of service, storage and store.

    Args:
        store: the meeting store.
        client: the service.
        uploader: the container for audio.
        options: the backend's options.
    """

    def __init__(
        self, store: AsyncStore, client: BatchClient, uploader: Uploader, options: BatchOptions
    ) -> None:
        self._store = store
        self._client = client
        self._uploader = uploader
        self._options = options
        # How many recordings began to wait in this process since the last job, by their key.  A
        # hint only: without it each of them would read all open recordings.
        self._begun = Counter[str]()

    def shares(self, recording: Recording, progress: BatchProgress) -> bool:
        """Return whether a recording that is uploaded may share its job with others."""
        # Audio at addresses stays alone: its results could not be assigned for certain.
        grouped = recording.request.group and not progress.alone and not progress.addresses
        return bool(grouped) and self._options.recordings_per_job > 1

    async def wait_or_submit(self, recording: Recording, progress: BatchProgress) -> bool:
        """Wait for others of the group, or submit a job for all of them.

        Returns:
            Whether the recording is to be submitted by itself, because there are no others.
        """
        key = _group_key(recording, self._options)
        if progress.group_key != key:
            progress = attrs.evolve(
                progress, stage=BatchStage.UPLOADED, group_key=key, waiting_since=time.time()
            )
            if not await self._store.run(save_progress, recording.id, progress, _WAITING):
                return False
            self._begun[key] += 1
        waited = time.time() - progress.waiting_since
        # A negative time is that of a clock which was set: then it does not wait for a day.
        if 0 <= waited < self._options.group_seconds and not self._is_full(key):
            until = progress.waiting_since + self._options.group_seconds
            if recording.next_poll != until:
                await self._store.run(Store.update, recording.id, step=_WAITING, next_poll=until)
            return False
        # One process at a time, because two would share the recordings out among them.
        async with recording_locked(self._store, f"group {key}") as locked:
            if not locked:
                soon = time.time() + _PAUSE_SECONDS
                await self._store.run(Store.update, recording.id, next_poll=soon)
                return False
            del self._begun[key]
            async with self._others(_waiting, recording, progress, key) as others:
                if not others.members:
                    # The job is polled at once, as that of any other recording.
                    await self._store.run(Store.update, recording.id, next_poll=0.0)
                    return True
                await self._submit_new([_Member(recording, progress), *others.members])
        return False

    async def recover(self, recording: Recording, progress: BatchProgress) -> None:
        """Go on with a submission whose process stopped, for all recordings that share it."""
        submission = progress.submission
        async with recording_locked(self._store, f"submission {submission}") as locked:
            if not locked:
                return  # the holder goes on
            job = await find_tagged(self._client, shared_name(submission), submission)
            async with self._others(_submitting, recording, progress, submission) as others:
                members = [_Member(recording, progress), *others.members]
                if job is not None:
                    await self._save_job(members, job)
                elif not others.busy:
                    # Only with all of them: otherwise one would be left out, or be sent twice.
                    await self._submit(submission, members)

    def _is_full(self, key: str) -> bool:
        return self._begun[key] >= self._options.recordings_per_job

    @asynccontextmanager
    async def _others(
        self, wanted: _Wanted, recording: Recording, progress: BatchProgress, key: str
    ) -> AsyncIterator[_Others]:
        """Lock other recordings, in the order of their creation, as far as they can be locked."""
        # A recovery needs all of them, whatever the option is by now.
        limit = _MOST_FILES
        if wanted is _waiting:
            limit = open_files.share(self._options.recordings_per_job, _SHARE_OF_FILES)
        own, others = _Member(recording, progress), _Others()
        try:
            for _ in range(_LOCK_TRIES):
                await self._store.run(_lock_others, wanted, own, key, limit, others)
                # Those that try the same at this moment give up at once.
                if not others.busy:
                    break
                await anyio.sleep(_LOCK_PAUSE_SECONDS)
            yield others
        finally:
            with anyio.CancelScope(shield=True):
                await threads.STORE.run(others.release)

    async def _submit_new(self, members: Sequence[_Member]) -> None:
        submission, position = uuid.uuid4().hex, 0
        until, begun = kept_until(self._options), list[_Member]()
        for member in members:
            progress = attrs.evolve(
                member.progress,
                stage=BatchStage.SUBMITTING,
                submission=submission,
                position=position,
                job_until=until,
                group_key="",
            )
            begun.append(_Member(member.recording, progress))
            position += member.files
        # Before the job exists, so that no process submits one of them once more.
        processing = await self._store.run(Store.update_many, _states(begun))
        # Those of deleted meetings must not be transcribed.
        left = [member for member in begun if member.recording.id in processing]
        if left:
            await self._submit(submission, left)

    async def _submit(self, submission: str, members: Sequence[_Member]) -> None:
        """Create the job; members whose submission is refused are submitted alone."""
        members = sorted(members, key=lambda member: member.progress.position)
        urls = list[str]()
        for member in members:
            urls += await self._uploader.addresses(member.recording, member.progress)
        shared = attrs.evolve(
            plain_submission(members[0].recording, self._options),
            meeting_id=shared_name(submission),
            recording=submission,
            audio_urls=tuple(urls),
        )
        try:
            job = await self._client.submit(shared)
        except UnavailableError:
            # The answer may have been lost after the service had created the job.
            found = await find_tagged(self._client, shared.meeting_id, submission)
            if found is None:
                raise
            job = found
        except BackendError as error:
            if not is_refusal(error):
                raise
            await self._separate(members)
            return
        await self._save_job(members, job)

    async def _save_job(self, members: Sequence[_Member], job: Job) -> None:
        submitted = [
            attrs.evolve(
                member,
                progress=attrs.evolve(
                    member.progress,
                    stage=BatchStage.SUBMITTED,
                    job_url=job.url,
                    submitted_at=time.time(),
                    shared=(*member.progress.shared, job.url),
                ),
            )
            for member in members
        ]
        step = f"submitted to the service, with {len(members) - 1} others"
        await self._store.run(Store.update_many, _states(submitted), step=step, next_poll=0.0)

    async def _separate(self, members: Sequence[_Member]) -> None:
        """Have each recording submitted alone: one of them may be why the job was refused."""
        separate = [
            attrs.evolve(
                member,
                progress=attrs.evolve(
                    member.progress, stage=BatchStage.UPLOADED, submission="", alone=True
                ),
            )
            for member in members
        ]
        step = "to be submitted alone, as the service refused the job of several recordings"
        await self._store.run(Store.update_many, _states(separate), step=step, next_poll=0.0)


def _group_key(recording: Recording, options: BatchOptions) -> str:
    """Return the same text for recordings of a group whose jobs differ in their audio only."""
    properties = attrs.asdict(attrs.evolve(plain_submission(recording, options), meeting_id=""))
    text = msgspec.json.encode([recording.request.group, properties])
    return hashlib.sha256(text).hexdigest()[:32]


def _waiting(progress: BatchProgress, key: str) -> bool:
    return progress.stage is BatchStage.UPLOADED and progress.group_key == key


def _submitting(progress: BatchProgress, submission: str) -> bool:
    return progress.stage is BatchStage.SUBMITTING and progress.submission == submission


def _found(store: Store, wanted: _Wanted, key: str) -> list[str]:
    """Return the ids of the open recordings that are wanted, the oldest first."""
    states = readable_progress(store.open_states(NAME))
    return [state.id for state, progress in states if wanted(progress, key)]


def _lock_others(
    store: Store, wanted: _Wanted, own: _Member, key: str, limit: int, others: _Others
) -> None:
    """Lock the other recordings that are wanted, and read each again under its lock.  Blocks."""
    others.busy = False
    for recording_id in _found(store, wanted, key):
        if recording_id == own.recording.id or recording_id in others.locks:
            continue
        if len(others.members) + 1 >= limit:
            return
        try:
            others.locks[recording_id] = store.lock_recording(recording_id)
        except MeetingBusyError:
            others.busy = True
            continue
        member = _read(store, recording_id)
        files = sum(found.files for found in (own, *others.members))
        if member and wanted(member.progress, key) and files + member.files <= _MOST_FILES:
            others.members.append(member)


def _read(store: Store, recording_id: str) -> _Member | None:
    recording = store.get(recording_id)
    if recording.state is not JobState.PROCESSING or recording.backend != NAME:
        return None
    return _Member(recording, load_progress(recording))


def _states(members: Sequence[_Member]) -> dict[str, str]:
    return {member.recording.id: dump_progress(member.progress) for member in members}
