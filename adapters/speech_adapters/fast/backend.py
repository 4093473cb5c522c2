"""The fast backend: a meeting is recorded, then sent whole, and its transcript stored."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import Any

import anyio.from_thread
from anyio.to_thread import run_sync

from speech_adapters.audio import check_downmix
from speech_adapters.azure import address, credential_of
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Capabilities,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Session,
)
from speech_adapters.errors import MeetingBusyError, MeetingNotFoundError
from speech_adapters.fast.audio import MonoWav
from speech_adapters.fast.options import NAME, fast_options
from speech_adapters.http import KeyAuth, Patience, RejectedError, ServiceClient, TokenAuth
from speech_adapters.results import result_transcript
from speech_adapters.spooling import SpoolSession, StoreKeeper, take_up
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["FastBackend"]


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
        live=False, stored=True, max_speakers_hint=True, word_timestamps=True
    )

    def __init__(self, settings: Settings) -> None:
        check_downmix(settings.downmix)
        self._options = fast_options(settings)
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: tuple[Store, ServiceClient] | None = None

    @property
    def provenance(self) -> Provenance:
        """The service and its version."""
        return Provenance(NAME, f"Azure fast transcription {self._options.api_version}")

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting."""
        return await run_sync(self._open_session, request)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of a meeting; sends it where that was interrupted."""
        return (await run_sync(self._take_up, meeting_id)).status()

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""

        def read() -> Transcript:
            store = self._open()[0]
            return store.transcript(store.newest(meeting_id).id)

        return await run_sync(read)

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting."""
        await run_sync(self._delete, meeting_id)

    async def aclose(self) -> None:
        """Close store and connections."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            store, client = opened
            await client.aclose()
            await run_sync(store.close)

    def _open(self) -> tuple[Store, ServiceClient]:
        with self._lock:
            if self._opened is None:
                key = self._options.key.get_secret_value()
                auth = KeyAuth(key) if key else TokenAuth(credential_of(self._options))
                patience = Patience(first=self._options.retry_seconds)
                client = ServiceClient(address(self._options), auth, patience)
                self._opened = (Store.open(self._settings.state_dir), client)
            return self._opened

    def _open_session(self, request: MeetingRequest) -> Session:
        store = self._open()[0]
        hold = store.hold_meeting(request.meeting_id)
        try:
            # Recording does not wait for the network: who asks sends the others.
            take_up(store, request.meeting_id, lambda _: None)
            recording = store.create(request, NAME)
        except BaseException:
            hold.release()
            raise
        keeper = StoreKeeper(store, recording, hold, live=False, process=self._process)
        return SpoolSession(recording, keeper)

    def _take_up(self, meeting_id: str) -> Recording:
        store = self._open()[0]
        recordings = store.recordings(meeting_id)
        if any(recording.state is JobState.UPLOADING for recording in recordings):
            with suppress(MeetingBusyError), store.hold_meeting(meeting_id):
                take_up(store, meeting_id, self._process)
        else:
            for recording in recordings:
                self._process(recording)
        return store.newest(meeting_id)

    def _process(self, recording: Recording) -> None:
        """Send a recording; called in worker threads of the loop."""
        if recording.state is JobState.PROCESSING:
            anyio.from_thread.run(self._send, recording.id)

    async def _send(self, recording_id: str) -> None:
        store, client = self._open()
        try:
            hold = store.hold_recording(recording_id)
        except MeetingBusyError:
            return
        with hold:
            recording = store.get(recording_id)
            if recording.state is not JobState.PROCESSING:
                return
            try:
                transcript = await self._transcribe(client, recording)
            except RejectedError as error:  # it would be refused again
                store.fail(recording_id, str(error))
            else:
                if store.complete(recording_id, transcript):
                    recording.audio_path.unlink(missing_ok=True)

    async def _transcribe(self, client: ServiceClient, recording: Recording) -> Transcript:
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
            response = await client.request(
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
            # "enabled" must be said: without it nobody is told apart, and no error tells so.
            definition["diarization"] = {"enabled": True, "maxSpeakers": most}
        return definition

    def _delete(self, meeting_id: str) -> None:
        store = self._open()[0]
        recordings = store.recordings(meeting_id)
        found = [recording for recording in recordings if recording.state is not JobState.DELETED]
        if not found:
            store.newest(meeting_id)  # raises when there never was one
            raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted already.")
        with store.hold_meeting(meeting_id):
            for recording in found:
                store.delete(recording.id)
