"""Second transcripts: the recording of the audio, and its processing in the background.

::

    RECORDING ──end──▶ spooled ──▶ second backend created ──▶ processed by it
        └── too much audio waits for the disk ──▶ Failed, with the reason

During a meeting nothing of the second backend runs: its audio only goes to a file.  After the
meeting its code runs in tasks of its own, and its creation, which may import anything, in a daemon
thread.  So its failure, slowness or death concerns only its own recording, which stays in the
store: a status query goes on with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import anyio
import attrs

from speech_adapters import threads
from speech_adapters.backends.shadow.creation import Creation
from speech_adapters.backends.shadow.waiting import SecondRecording
from speech_adapters.capabilities import gaps
from speech_adapters.contract import Backend, MeetingRequest, Mode
from speech_adapters.errors import BackendError, MeetingBusyError, SpeechError
from speech_adapters.meeting_locks import lock_meeting, release, released
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import SpoolSession, StoredRecording
from speech_adapters.shadows import shadow_id, shadow_note
from speech_adapters.store import Lock, Recording, Store
from speech_adapters.store.recovery import recover
from speech_adapters.transcript import Transcript

__all__ = ["SecondTranscripts"]

# How long the end of the service waits for what is running; a query goes on with the rest.
_SETTLE_SECONDS: Final = 3.0
# Attempts to lock a recording, and the pause between them.
_LOCK_TRIES: Final = 50
_LOCK_PAUSE_SECONDS: Final = 0.2
_logger = logging.getLogger("speech_adapters")


class SecondTranscripts:
    """Records and processes the second transcripts of all meetings of a service.

    Args:
        host: the meeting service.
        name: the name of the second backend.
    """

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        # What runs, each with the id of its meeting.
        self._tasks: dict[asyncio.Task[None], str] = {}
        # The creation of the second backend, which all meetings wait for; `None` before.
        self._creation: asyncio.Task[Backend] | None = None
        # One step of the second backend at a time, so that one that hangs occupies no more than
        # one of the worker threads, which the primary backend needs too.
        self._processing = anyio.Lock()

    def start(self, request: MeetingRequest) -> SecondRecording:
        """Start the second recording of a meeting; the caller pushes its audio and ends it."""
        original = request.meeting_id
        recording = SecondRecording(
            attrs.evolve(
                request,
                meeting_id=shadow_id(original),
                mode=Mode.STORED,
                # Signatures are biometric data: the second backend does not receive them.
                attendees=(),
                notes=(*request.notes, shadow_note(original)),
            )
        )
        self._begin(self._transcribe(recording), request.meeting_id)
        return recording

    def keep(self, request: MeetingRequest, transcript: Transcript, owner: str) -> None:
        """Store the primary backend's transcript of a meeting that is only live."""
        stored = attrs.evolve(request, mode=Mode.STORED, attendees=())
        self._begin(self._keep(stored, transcript, owner), request.meeting_id)

    async def settle(self, meeting_id: str | None = None) -> None:
        """Wait some seconds for the tasks of a meeting, or of all, then cancel them."""
        tasks: list[asyncio.Task[Any]] = [
            task for task, owner in self._tasks.items() if meeting_id in (None, owner)
        ]
        if tasks:
            await asyncio.wait(tasks, timeout=_SETTLE_SECONDS)
        if meeting_id is None and self._creation is not None:
            tasks.append(self._creation)
        for task in tasks:
            task.cancel()
        if tasks:
            # Bounded too: a worker thread that is blocked cannot be canceled.
            await asyncio.wait(tasks, timeout=_SETTLE_SECONDS)

    def _begin(self, work: Coroutine[None, None, None], meeting_id: str) -> None:
        task = asyncio.create_task(self._logged(work, meeting_id))
        self._tasks[task] = meeting_id
        task.add_done_callback(self._tasks.pop)

    async def _logged(self, work: Coroutine[None, None, None], meeting_id: str) -> None:
        try:
            await work
        except SpeechError as error:
            self._warn(meeting_id, str(error))
        except Exception as error:
            # Any error of the second backend; its text may quote what was said.
            self._warn(meeting_id, f"an unexpected {type(error).__name__}; please report it.")

    def _warn(self, meeting_id: str, reason: str) -> None:
        _logger.warning(
            "The second transcript of meeting %r, by the backend %s, is not complete. The meeting"
            " itself is not concerned. The reason: %s",
            *(meeting_id, self._name, reason),
        )

    async def _transcribe(self, second: SecondRecording) -> None:
        if second.request.addresses or not await second.has_audio():
            return  # what a service fetches itself is not here
        recording = await self._record(second)
        # Shielded: other meetings wait for the same creation.
        backend = await asyncio.shield(self._created())
        async with self._processing:
            await self._process(backend, recording)

    async def _record(self, second: SecondRecording) -> Recording:
        """Write the audio of a meeting to its recording; return once it has ended."""
        store = self._host.store
        lock = await self._lock(second.request.meeting_id)
        try:
            await store.run(recover, second.request.meeting_id)
            recording = await store.run(
                Store.create,
                second.request,
                self._name,
                keep_audio=self._host.settings.keep_audio,
            )
        except BaseException:
            await release(lock)
            raise
        owner = StoredRecording(store, recording, lock, _later)
        async with SpoolSession(recording.audio_path, owner) as session:
            try:
                async for block in second.blocks():
                    await session.push(block)
            except SpeechError as error:
                await store.run(Store.fail, recording.id, str(error))
                raise
            await session.finish()
        return recording

    async def _lock(self, meeting_id: str) -> Lock:
        """Lock a second transcript; that of an earlier meeting of the id may just be ending."""
        for _ in range(_LOCK_TRIES):
            with suppress(MeetingBusyError):
                return await lock_meeting(self._host.store, meeting_id)
            await anyio.sleep(_LOCK_PAUSE_SECONDS)
        return await lock_meeting(self._host.store, meeting_id)

    async def _process(self, backend: Backend, recording: Recording) -> None:
        missing = gaps(recording.request, backend.capabilities)
        refused = [f"{gap.reason} ({gap.way_out})" for gap in missing if gap.blocking]
        if refused:
            reason = f"The backend {self._name} cannot serve the meeting: {'; '.join(refused)}."
            await self._host.store.run(Store.fail, recording.id, reason)
            raise BackendError(reason)
        if isinstance(backend, RecordingBackend):
            await threads.COMPUTE.run(backend.check, recording.request)
        await self._host.process(recording.id)

    def _created(self) -> asyncio.Task[Backend]:
        """Return the creation of the second backend, started if there is none that may succeed."""
        failed = self._creation is not None and (
            self._creation.done() and self._creation.exception() is not None
        )
        if self._creation is None or failed:
            self._creation = asyncio.create_task(self._create())
            # Its error is one of the meetings that wait; there may be none any more.
            self._creation.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._creation

    async def _create(self) -> Backend:
        # Not by the host: it creates one backend at a time, and this one may hang.
        creation = Creation(self._host, self._name)
        try:
            created = await creation.result()
        except BaseException:
            creation.abandon()
            raise
        used = await threads.COMPUTE.run(self._host.adopt, created)
        if used is not created:
            await created.aclose()
        return used

    async def _keep(self, request: MeetingRequest, transcript: Transcript, owner: str) -> None:
        store = self._host.store
        async with released(await lock_meeting(store, request.meeting_id)):
            recording = await store.run(Store.create, request, owner)
            await store.run(Store.complete, recording.id, transcript)


async def _later(_: str) -> None:
    """Process nothing yet: a recording is processed after its meeting is unlocked."""
