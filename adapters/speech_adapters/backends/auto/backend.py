"""The auto backend: a meeting is recorded, then given to ``fast`` or ``batch`` by its length.

From then on the meeting is the chosen backend's own, and any program that asks for it
needs only that one.
"""

from __future__ import annotations

from typing import Final

import anyio.from_thread
from anyio.to_thread import run_sync

from speech_adapters.backends.auto.options import NAME, auto_options
from speech_adapters.backends.batch.backend import BatchBackend
from speech_adapters.backends.fast.backend import FastBackend
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Backend,
    Capabilities,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Session,
)
from speech_adapters.meetings import Meetings
from speech_adapters.store import Recording
from speech_adapters.transcript import Provenance, Transcript, seconds

__all__ = ["AutoBackend"]

_MEGABYTE: Final = 1_000_000
_SAMPLE_BYTES: Final = 2


class AutoBackend:
    """See :class:`speech_adapters.contract.Backend`.

    Raises:
        ConfigurationError: an option of this backend, ``fast`` or ``batch`` is wrong or missing.
    """

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self._options = auto_options(settings)
        self._fast = FastBackend(settings)
        self._batch = BatchBackend(settings)
        self._batch.need_storage()
        self._meetings = Meetings(settings.state_dir, NAME, self._process)

    @property
    def capabilities(self) -> Capabilities:
        """What both can do: the longer way is open to all."""
        return self._batch.capabilities

    @property
    def provenance(self) -> Provenance:
        """Both; a transcript says which it was."""
        return Provenance(
            NAME, f"{self._fast.provenance.version} or {self._batch.provenance.version}"
        )

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting; audio at addresses is for ``batch`` at once."""
        if request.addresses:
            return await self._batch.open_session(request)
        return await run_sync(self._meetings.record, request)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of a meeting; moves it on."""
        return await (await self._chosen(meeting_id)).status(meeting_id)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Take up a meeting again that has failed."""
        return await (await self._chosen(meeting_id)).resume(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""
        return await (await self._chosen(meeting_id)).transcript(meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting."""
        await (await self._chosen(meeting_id)).delete(meeting_id)

    async def aclose(self) -> None:
        """Close both."""
        await self._fast.aclose()
        await self._batch.aclose()
        await run_sync(self._meetings.close)

    async def _chosen(self, meeting_id: str) -> Backend:
        """Give the backend that has a meeting; one that nobody has yet is given away first.

        A meeting that is not known here may be known to the batch service.
        """
        newest = await run_sync(self._meetings.newest, meeting_id)
        if newest is not None and newest.backend == NAME:
            newest = await run_sync(self._meetings.advance, meeting_id)
        return (
            self._fast if newest is not None and newest.backend == self._fast.name else self._batch
        )

    def _process(self, recording: Recording) -> None:
        """Give a recording to one of the two; called in worker threads of the loop."""
        if recording.state is not JobState.PROCESSING:
            return
        store = self._meetings.store
        chosen: Backend = self._fast if self._is_short(recording) else self._batch
        store.assign(recording.id, chosen.name)
        anyio.from_thread.run(chosen.status, recording.meeting_id)
        recording = store.get(recording.id)
        if recording.state is JobState.FAILED and self._fast.too_large(recording):
            # The limits of the service are smaller than those set here.
            store.assign(recording.id, self._batch.name)
            anyio.from_thread.run(self._batch.resume, recording.meeting_id)

    def _is_short(self, recording: Recording) -> bool:
        pcm, size = recording.request.audio, recording.audio_bytes or 0
        sent = size // pcm.frame_bytes * _SAMPLE_BYTES
        return (
            seconds(pcm.ticks(size)) <= self._options.fast_minutes * 60
            and sent <= self._options.fast_megabytes * _MEGABYTE
            and not self._batch.keeps_apart(recording.request)
        )
