"""The steps of a recording: it is uploaded, then the service is asked until it has a transcript.

::

    RECORDED ──▶ UPLOADING ──all audio accepted──▶ UPLOADED ──asked──▶ Completed
                  ▲     │ a process died, or                │
                  └─────┘ the upload failed                 │ failed, deleted or unknown there
                  ▲                                         ▼
                  └───────────────resume──────────────── Failed

Every upload has all of the audio: of several recordings with one meeting id, the newest counts
at the service.  A step that fails is repeated with each status query, until the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import attrs

from speech_adapters import threads
from speech_adapters.azure.http_errors import LONGEST_PAUSE
from speech_adapters.azure.result_files import temporary_folder
from speech_adapters.backends.remote_meeting.answers import TaskStatus
from speech_adapters.backends.remote_meeting.client import MeetingClient
from speech_adapters.backends.remote_meeting.completion import complete
from speech_adapters.backends.remote_meeting.options import RemoteMeetingOptions
from speech_adapters.backends.remote_meeting.progress import (
    Rank,
    RemoteProgress,
    RemoteStage,
    load_progress,
    rank_of,
    save_failure,
    save_progress,
)
from speech_adapters.contract import JobState
from speech_adapters.errors import AuthenticationError, BackendError, SpeechError
from speech_adapters.store import AsyncStore, Recording, Store

__all__ = ["MAX_INTERRUPTED", "MAX_MISSING", "MAX_UNREADABLE", "RecordingRunner"]

# An upload that dies so often has a reason that another one will meet again.
MAX_INTERRUPTED: Final = 5
# A service with several machines may not know a meeting at once on all of them.
MAX_MISSING: Final = 10
# Of answers that are no answer: a service that is being replaced may send some.
MAX_UNREADABLE: Final = 5
_REPLACED: Final = (
    "A newer recording of the meeting has replaced it at the service. Its audio is kept until the"
    " meeting is deleted."
)
_KEPT: Final = "Its audio is kept: resume the meeting to upload it again."


class RecordingRunner:
    """Processes recordings; the caller holds the lock of each.

    Args:
        store: the meeting store.
        client: the service.
        options: the backend's options.
        upload: starts to upload a recording in a process of its own; blocks.
    """

    def __init__(
        self,
        store: AsyncStore,
        client: MeetingClient,
        options: RemoteMeetingOptions,
        upload: Callable[[Recording], None],
    ) -> None:
        self._store = store
        self._client = client
        self._options = options
        self._upload = upload

    async def step(self, recording: Recording) -> None:
        """Start to upload a recording, or ask the service about it once.

        Raises:
            SpeechError: the step failed and will be tried again.
        """
        rank = await self._store.run(rank_of, recording)
        if rank is Rank.REPLACED:
            await self._fail(recording, load_progress(recording), _REPLACED)
        if rank is not Rank.NEWEST or not _is_due(recording, self._options.poll_seconds):
            return
        progress = await self._begin(recording)
        try:
            if progress.stage is RemoteStage.UPLOADED:
                await self._ask(recording, progress)
            else:
                await self._begin_upload(recording, progress)
        except SpeechError as error:
            # Every error ends in a final state at the deadline, however often it is retried.
            if not progress.is_overdue(self._options.deadline_hours):
                raise
            await self._miss_deadline(recording, progress, str(error))

    async def _begin(self, recording: Recording) -> RemoteProgress:
        """Return the progress, with the time from which the deadline counts."""
        progress = load_progress(recording)
        if not progress.begun_at:
            progress = attrs.evolve(progress, begun_at=time.time())
            await self._store.run(save_progress, recording.id, progress)
        return progress

    async def _begin_upload(self, recording: Recording, progress: RemoteProgress) -> None:
        # The lock is free, so no process uploads it now.
        if progress.interrupted >= MAX_INTERRUPTED:
            died = f"{MAX_INTERRUPTED} processes died while they uploaded it. {_KEPT}"
            await self._fail(recording, progress.to_upload_again(), died)
        elif progress.is_overdue(self._options.deadline_hours):
            await self._miss_deadline(recording, progress, progress.trouble)
        else:
            # In a thread: the program's token function may block.
            await threads.TRANSFER.run(self._upload, recording)

    async def _ask(self, recording: Recording, progress: RemoteProgress) -> None:
        async with temporary_folder() as folder:
            answer = folder / "answer.json"
            try:
                status, pause = await self._client.query(recording.meeting_id, answer)
                if status is not None and status.state is JobState.COMPLETED:
                    await complete(self._store, recording, answer)
                    return
            except BackendError as error:
                if await self._may_ask_again(recording, progress, error):
                    raise
                return
        pause = max(self._options.poll_seconds, min(pause, LONGEST_PAUSE))
        await self._store.run(Store.poll_later, [recording.id], time.time() + pause)
        await self._judge(recording, progress, status)

    async def _judge(
        self, recording: Recording, progress: RemoteProgress, status: TaskStatus | None
    ) -> None:
        """Store what a status other than Completed means."""
        again = progress.to_upload_again()
        state = status.state if status is not None else None
        if status is not None and state is JobState.FAILED:
            failed = f"The service failed to transcribe it. {status.reason}".rstrip()
            await self._fail(recording, again, f"{failed} {_KEPT}")
        elif state is JobState.DELETED:
            await self._fail(recording, again, f"It was deleted at the service. {_KEPT}")
        elif state is None and progress.missing + 1 >= MAX_MISSING:
            lost = f"The service does not know it, although it was uploaded. {_KEPT}"
            await self._fail(recording, again, lost)
        elif progress.is_overdue(self._options.deadline_hours):
            await self._miss_deadline(recording, progress, "")
        else:
            missing = progress.missing + 1 if state is None else 0
            progress = attrs.evolve(progress, missing=missing, unreadable=0)
            await self._store.run(save_progress, recording.id, progress, "at the service")

    async def _may_ask_again(
        self, recording: Recording, progress: RemoteProgress, error: BackendError
    ) -> bool:
        """Count an answer that is none; fail the recording at the last attempt."""
        # Not what passes by itself, nor what another key repairs: the deadline limits both.
        if error.retryable or isinstance(error, AuthenticationError):
            return True
        progress = attrs.evolve(progress, unreadable=progress.unreadable + 1)
        if progress.unreadable < MAX_UNREADABLE:
            await self._store.run(save_progress, recording.id, progress)
            return True
        reason = (
            f"The service did not answer as it should in {MAX_UNREADABLE} attempts. {error}"
            " The meeting is left there: resume it to ask again."
        )
        await self._fail(recording, progress.to_ask_again(), reason)
        return False

    async def _miss_deadline(
        self, recording: Recording, progress: RemoteProgress, trouble: str
    ) -> None:
        hours = f"in {self._options.deadline_hours:g} hours (deadline_hours)"
        if progress.stage is RemoteStage.UPLOADED:
            what = f"The service has not finished it {hours}. Resume the meeting to go on waiting."
            after = progress.to_ask_again()
        else:
            what, after = f"It could not be uploaded {hours}. {_KEPT}", progress.to_upload_again()
        last = f" The last error: {trouble}" if trouble else ""
        await self._fail(recording, after, f"{what}{last}")

    async def _fail(self, recording: Recording, after: RemoteProgress, reason: str) -> None:
        await self._store.run(save_failure, recording.id, after, reason)


def _is_due(recording: Recording, poll_seconds: float) -> bool:
    """Return whether the service may be asked now; a time that cannot be meant is ignored."""
    wait = recording.next_poll - time.time()
    return not 0 < wait <= max(poll_seconds, LONGEST_PAUSE)
