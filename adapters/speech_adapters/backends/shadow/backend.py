"""The shadow backend: a program sees the primary backend only, a second one transcribes too."""

from __future__ import annotations

import logging

from speech_adapters.backends.shadow.options import NAME, shadow_options
from speech_adapters.backends.shadow.second import SecondTranscripts
from speech_adapters.backends.shadow.session import ShadowSession
from speech_adapters.capabilities import Capabilities
from speech_adapters.contract import MeetingRequest, MeetingStatus, Session
from speech_adapters.errors import ConfigurationError
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import RecordingOwner
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["ShadowBackend"]

_logger = logging.getLogger("speech_adapters")


class ShadowBackend(RecordingBackend):
    """Passes meetings on to the primary backend, and their audio to a second one.

    Recordings of the program belong to the primary backend, so nothing of this one is needed to
    process, recover or take them over.

    Args:
        host: settings, store and the other backends.

    Raises:
        ConfigurationError: an option is wrong, or the primary backend cannot be created.
    """

    def __init__(self, host: Host) -> None:
        options = shadow_options(host.settings)
        primary = host.backend(options.primary)
        if not isinstance(primary, RecordingBackend):
            raise ConfigurationError(
                f"backends.shadow.primary: the backend {options.primary!r} does not record into the"
                " meeting store. Name another one."
            )
        self._primary = primary
        self.offline = primary.offline
        # The second one is created with the first meeting, where its errors concern no program.
        self._second = SecondTranscripts(host, options.second)
        super().__init__(host, NAME)
        _logger.info(
            "The audio of each meeting goes to two backends, %s and %s: see docs/parity.md.",
            *(options.primary, options.second),
        )

    @property
    def owner_name(self) -> str:
        """The primary backend, to which the recordings belong."""
        return self._primary.owner_name

    @property
    def capabilities(self) -> Capabilities:
        """Those of the primary backend."""
        return self._primary.capabilities

    @property
    def provenance(self) -> Provenance:
        """The primary backend; transcripts name it themselves."""
        source = self._primary.provenance
        return Provenance(NAME, f"{source.backend} {source.version}".strip(), source.emulated)

    def check(self, request: MeetingRequest) -> None:
        """Check what the primary backend needs.  Blocks.

        Raises:
            ConfigurationError, AudioError: the request cannot be served.
        """
        self._primary.check(request)

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting that is only live."""
        session = await self._primary.open_session(request)
        return ShadowSession(session, request, self._second, self._primary)

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start a stored meeting."""
        session = await self._primary.open_recording(request, recording, owner)
        return ShadowSession(session, request, self._second, self._primary)

    async def process(self, recording: Recording) -> None:
        """Assign a recording to the primary backend, which goes on at once."""
        await self._host.store.run(Store.assign, recording.id, self.owner_name)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of a meeting that the primary backend's service keeps."""
        return await self._primary.status(meeting_id)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Retry a meeting that the primary backend's service keeps."""
        return await self._primary.resume(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of a meeting that the primary backend's service keeps."""
        return await self._primary.transcript(meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete a meeting that the primary backend's service keeps."""
        await self._primary.delete(meeting_id)

    async def settle(self, meeting_id: str | None = None) -> None:
        """Let the second transcripts go on for some seconds, and leave the rest to a query."""
        await self._second.settle(meeting_id)
