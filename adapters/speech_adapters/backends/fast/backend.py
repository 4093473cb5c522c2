"""The fast backend: a meeting is recorded, then sent whole, and its transcript stored."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Final

import attrs
from anyio import CapacityLimiter

from speech_adapters import threads
from speech_adapters.audio import check_downmix
from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.azure.endpoint import MOST_SPEAKERS, service_client
from speech_adapters.azure.http import RejectedError, ServiceClient
from speech_adapters.azure.multipart import FormPart, MultipartForm
from speech_adapters.azure.result_files import (
    ResultFiles,
    complete_in_child,
    store_transcript,
    temporary_folder,
)
from speech_adapters.azure.results import read_result
from speech_adapters.backends.fast.audio import MonoWav, mono_size
from speech_adapters.backends.fast.options import NAME, fast_options
from speech_adapters.capabilities import Capabilities
from speech_adapters.contract import MeetingRequest
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["FastBackend", "store_isolated"]

# Status or code of a refusal for size or length (docs/protocol/batch-and-fast-rest.md, 3).
_TOO_LARGE: Final = {"413", "AudioLengthLimitExceeded"}


class FastBackend(RecordingBackend):
    """Sends recordings in one request each.

    The service keeps nothing: its answer exists only in the meeting store of this machine.
    A program that is killed after the answer and before it is stored sends the audio again,
    which is billed again.

    Args:
        host: settings and store.

    Raises:
        ConfigurationError: an option is wrong or missing.
    """

    def __init__(self, host: Host) -> None:
        check_downmix(host.settings.downmix)
        self._options = fast_options(host.settings)
        # Created in a worker thread by the first request, because packages are imported.
        self._opening = threading.Lock()
        self._client: ServiceClient | None = None
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do."""
        return Capabilities(
            live=False,
            stored=True,
            max_speakers_hint=True,
            word_timestamps=True,
            most_speakers=MOST_SPEAKERS,
        )

    @property
    def provenance(self) -> Provenance:
        """The service and its version."""
        return Provenance(NAME, f"Azure fast transcription {self._options.api_version}")

    async def process(self, recording: Recording) -> None:
        """Send a recording and store the answer.

        A recording that the service refuses as too large is assigned to its fallback
        backend if it has one.  Any other refusal would be repeated, so it is final.
        """
        try:
            completed = await self._transcribe(recording)
        except RejectedError as error:
            too_large = bool(_TOO_LARGE & {str(error.status), error.code})
            if too_large and recording.fallback:
                await self._host.store.run(Store.assign, recording.id, recording.fallback)
            else:
                await self._host.store.run(Store.fail, recording.id, str(error))
        else:
            if completed:
                await threads.STORE.run(recording.audio_path.unlink, missing_ok=True)

    async def aclose(self) -> None:
        """Close the connections."""
        with self._opening:
            client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await super().aclose()

    async def _transcribe(self, recording: Recording) -> bool:
        """Send a recording and store the transcript; return whether it was stored."""
        notes = recording.provenance_notes
        provenance = attrs.evolve(self.provenance, notes=notes)
        client = await threads.COMPUTE.run(self._open, threads.TRANSFER.limiter)
        async with temporary_folder() as folder:
            # Not read into memory: an answer with word timings may have 100 MB.
            answer = folder / "answer.json"
            await client.request(
                "POST",
                "/transcriptions:transcribe",
                params={"api-version": self._options.api_version},
                form=self._form(recording),
                save_to=answer,
            )
            files = ResultFiles(recording.meeting_id, provenance, {str(answer): ""})
            return await store_transcript(
                self._host.store, recording.id, files, read_transcript, store_isolated
            )

    def _form(self, recording: Recording) -> MultipartForm:
        request, size = recording.request, recording.audio_bytes or 0

        def audio() -> MonoWav:
            downmix = self._host.settings.downmix
            return MonoWav(recording.audio_path, size, request.audio, downmix)

        definition = json.dumps(self._definition(request)).encode()
        return MultipartForm(
            [
                FormPart.from_bytes("definition", "application/json", definition),
                FormPart("audio", "audio/wav", mono_size(size, request.audio), audio, "audio.wav"),
            ],
            # The audio is read in the threads for transfers, so the loop goes on meanwhile.
            threads.TRANSFER.limiter,
        )

    def _definition(self, request: MeetingRequest) -> dict[str, Any]:
        definition: dict[str, Any] = {"locales": [request.language]}
        if request.differentiate_speakers:
            speakers = request.max_speakers or self._options.max_speakers
            # Without "enabled" the service returns no speakers, and reports no error
            # (docs/protocol/batch-and-fast-rest.md, 3).
            definition["diarization"] = {"enabled": True, "maxSpeakers": speakers}
        return definition

    def _open(self, limiter: CapacityLimiter) -> ServiceClient:
        with self._opening:
            if self._client is None:
                credentials = choose_credentials(NAME, self._options, self._host.settings.service)
                self._client = service_client(self._options, credentials, limiter)
            return self._client


def read_transcript(files: ResultFiles) -> Transcript:
    """Read the answer of the service.  Blocks.

    Raises:
        BackendError: it is no result.
    """
    (path,) = files.names
    return read_result(Path(path), files.meeting_id, files.provenance, "The service's answer")


def store_isolated(argument: str) -> str:
    """Store the transcript in a child process; see :func:`complete_in_child`."""
    return complete_in_child(argument, read_transcript)
