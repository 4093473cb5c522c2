"""The fast backend: a meeting is recorded, then sent whole, and its transcript stored."""

from __future__ import annotations

import json
from typing import Any, Final

import anyio.from_thread
from anyio.to_thread import run_sync

from speech_adapters.audio import check_downmix
from speech_adapters.azure.endpoint import MOST_SPEAKERS, credential_of, service_client
from speech_adapters.azure.http import RejectedError, ServiceClient
from speech_adapters.azure.results import result_transcript
from speech_adapters.backends.fast.audio import MonoWav
from speech_adapters.backends.fast.options import NAME, fast_options
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Capabilities,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Session,
)
from speech_adapters.errors import MeetingBusyError
from speech_adapters.meetings import Meetings
from speech_adapters.store import Recording
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["FastBackend"]

_TOO_LARGE: Final = {"413", "AudioLengthLimitExceeded"}


class FastBackend:
    """See :class:`speech_adapters.contract.Backend`.

    The service keeps nothing: what it answered is in the meeting store of this machine
    only, and a program that is killed between the answer and the store sends the audio
    again, which is billed again.

    Raises:
        ConfigurationError: an option is wrong or missing.
    """

    name = NAME
    capabilities = Capabilities(
        live=False,
        stored=True,
        max_speakers_hint=True,
        word_timestamps=True,
        most_speakers=MOST_SPEAKERS,
    )

    def __init__(self, settings: Settings) -> None:
        check_downmix(settings.downmix)
        self._options = fast_options(settings)
        self._settings = settings
        self._meetings = Meetings(settings.state_dir, NAME, self._process)
        self._client: ServiceClient | None = None

    @property
    def provenance(self) -> Provenance:
        """The service and its version."""
        return Provenance(NAME, f"Azure fast transcription {self._options.api_version}")

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting."""
        return await run_sync(self._meetings.record, request)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of a meeting; sends it where that was interrupted."""
        return (await run_sync(self._meetings.advance, meeting_id)).status()

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Take up a meeting again that has failed."""
        return (await run_sync(self._meetings.resume, meeting_id)).status()

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""
        return await run_sync(self._meetings.transcript, meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting."""
        await run_sync(self._meetings.delete, meeting_id)

    def too_large(self, recording: Recording) -> bool:
        """Whether the service refused a recording for its length or size."""
        return bool(_TOO_LARGE & set(recording.details.get("refused", "").split()))

    async def aclose(self) -> None:
        """Close store and connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await run_sync(self._meetings.close)

    def _process(self, recording: Recording) -> None:
        """Send a recording; called in worker threads of the loop."""
        if recording.state is JobState.PROCESSING:
            anyio.from_thread.run(self._send, recording.id)

    async def _send(self, recording_id: str) -> None:
        store = self._meetings.store
        try:
            hold = store.hold_recording(recording_id)
        except MeetingBusyError:
            return
        with hold:
            recording = store.get(recording_id)
            if recording.state is not JobState.PROCESSING:
                return
            try:
                transcript = await self._transcribe(recording)
            except RejectedError as error:  # it would be refused again
                store.note(recording_id, refused=f"{error.status} {error.code}")
                store.fail(recording_id, str(error))
            else:
                if store.complete(recording_id, transcript):
                    recording.audio_path.unlink(missing_ok=True)

    async def _transcribe(self, recording: Recording) -> Transcript:
        opened: list[MonoWav] = []

        def form() -> dict[str, Any]:
            size, request = recording.audio_bytes or 0, recording.request
            wav = MonoWav(recording.audio_path, size, request.audio, self._settings.downmix)
            opened.append(wav)
            definition = json.dumps(self._definition(request))
            return {
                "definition": (None, definition, "application/json"),
                "audio": ("audio.wav", wav, "audio/wav"),
            }

        try:
            response = await self._service().request(
                "POST",
                "/transcriptions:transcribe",
                params={"api-version": self._options.api_version},
                files=form,
            )
        finally:
            for wav in opened:
                wav.close()
        notes = recording.request.notes + recording.notes
        origin = Provenance(NAME, self.provenance.version, notes=notes)
        return result_transcript(response.content, recording.meeting_id, origin)

    def _definition(self, request: MeetingRequest) -> dict[str, Any]:
        definition: dict[str, Any] = {"locales": [request.language]}
        if request.differentiate_speakers:
            most = request.max_speakers or self._options.max_speakers
            # Without "enabled" it returns no speakers (docs/protocol/batch-and-fast-rest.md, 3).
            definition["diarization"] = {"enabled": True, "maxSpeakers": most}
        return definition

    def _service(self) -> ServiceClient:
        if self._client is None:
            key = self._options.key.get_secret_value()
            credential = None if key else credential_of(self._options, self._settings.service)
            self._client = service_client(self._options, credential)
        return self._client
