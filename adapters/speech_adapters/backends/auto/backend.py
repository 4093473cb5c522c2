"""The auto backend: a recorded meeting is assigned to ``fast`` or ``batch`` by its length.

From then on the recording belongs to that backend, so any program that asks for the meeting
needs only that one.
"""

from __future__ import annotations

from typing import Final

from speech_adapters.backends.auto.options import NAME, auto_options
from speech_adapters.capabilities import Capabilities
from speech_adapters.contract import MeetingRequest, MeetingStatus, Mode, Session
from speech_adapters.errors import ConfigurationError
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import RecordingOwner
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript, seconds

__all__ = ["AutoBackend"]

_FAST: Final = "fast"
_BATCH: Final = "batch"
_MEGABYTE: Final = 1_000_000
_ANY_MEETING: Final = MeetingRequest("any", mode=Mode.STORED)


class AutoBackend(RecordingBackend):
    """Chooses between two backends, which the host creates.

    Args:
        host: settings, store and the other backends.

    Raises:
        MissingExtraError: a package of one of the two is not installed.
        ConfigurationError: an option of this backend, ``fast`` or ``batch`` is wrong or missing.
    """

    sends_originals = True

    def __init__(self, host: Host) -> None:
        self._options = auto_options(host.settings)
        # Both are created now, so that a wrong option of either is an error before the
        # meeting and not after it.
        self._fast = host.backend(_FAST)
        batch = host.backend(_BATCH)
        if not isinstance(batch, RecordingBackend):
            raise ConfigurationError(
                "The auto backend needs a backend called 'batch' that processes recordings, but"
                f" {type(batch).__name__} does not. Remove the package that replaces it."
            )
        self._batch = batch
        self._batch.check(_ANY_MEETING)
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """What ``batch`` can do, less what ``fast`` cannot: either may get the recording."""
        return self._batch.capabilities.limited_to(self._fast.capabilities)

    @property
    def provenance(self) -> Provenance:
        """Both backends; each transcript names its own."""
        return Provenance(
            NAME, f"{self._fast.provenance.version} or {self._batch.provenance.version}"
        )

    def check(self, request: MeetingRequest) -> None:
        """Check what ``batch`` needs, because the length of a meeting is not known before.

        Raises:
            ConfigurationError, AudioError: the request cannot be served.
        """
        self._batch.check(request)

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start to record; audio at addresses is assigned to ``batch`` at once."""
        if not request.addresses:
            return await super().open_recording(request, recording, owner)
        # Only batch fetches audio by itself.
        await self._host.store.run(Store.assign, recording.id, _BATCH)
        return await self._batch.open_recording(request, recording, owner)

    async def process(self, recording: Recording) -> None:
        """Assign a recording; the meeting service goes on with the chosen backend."""
        if self._fits_fast(recording):
            # The limits of the service may be smaller than those in the options.
            await self._host.store.run(Store.assign, recording.id, _FAST, fallback=_BATCH)
        else:
            await self._host.store.run(Store.assign, recording.id, _BATCH)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of a meeting that the batch service keeps; ``fast`` keeps none."""
        return await self._batch.status(meeting_id)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Return the status of a meeting that the batch service keeps."""
        return await self._batch.resume(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of a meeting that the batch service keeps."""
        return await self._batch.transcript(meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete a meeting that the batch service keeps."""
        await self._batch.delete(meeting_id)

    def _fits_fast(self, recording: Recording) -> bool:
        pcm, size = recording.request.audio, recording.audio_bytes or 0
        return (
            seconds(pcm.ticks(size)) <= self._options.fast_minutes * 60
            and pcm.mono_bytes(size) <= self._options.fast_megabytes * _MEGABYTE
            and not self._splits_channels(recording.request)
        )

    def _splits_channels(self, request: MeetingRequest) -> bool:
        """Whether ``batch`` would transcribe each channel separately; ``fast`` mixes them."""
        several = request.audio.channels > 1 and request.differentiate_speakers
        return several and self._batch.capabilities.max_channels is None
