"""The fast backend: a meeting is recorded, then sent whole, and its transcript stored."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs
from anyio import CapacityLimiter

from speech_adapters import threads
from speech_adapters.audio import check_downmix
from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.azure.endpoint import address, service_client
from speech_adapters.azure.http import RejectedError, ServiceClient
from speech_adapters.azure.http_errors import (
    InterruptedAnswerError,
    is_refusal,
    was_not_billed,
)
from speech_adapters.azure.multipart import FormPart, MultipartForm
from speech_adapters.azure.result_files import (
    ResultFiles,
    complete_in_child,
    store_transcript,
    temporary_folder,
)
from speech_adapters.azure.results import open_result
from speech_adapters.azure.speakers import MOST_SPEAKERS, speaker_limit
from speech_adapters.azure.text_options import candidate_locales, profanity_mode
from speech_adapters.backends.fast.audio import MonoWav, mono_size
from speech_adapters.backends.fast.options import NAME, fast_options
from speech_adapters.backends.fast.progress import FastProgress, dump_progress, load_progress
from speech_adapters.capabilities import Capabilities
from speech_adapters.contract import MeetingRequest
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    SpeechError,
    StoreError,
    TimedOutError,
)
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.original import (
    SENT_AS_IT_IS,
    Original,
    find_original,
    remove_original,
)
from speech_adapters.store import Recording, Store
from speech_adapters.store.files import remove_completed
from speech_adapters.transcript import AnyTranscript, Provenance

__all__ = ["FastBackend", "store_isolated"]

# Status or code of a refusal for size or length (docs/protocol/batch-and-fast-rest.md, 3).
_TOO_LARGE: Final = {"413", "AudioLengthLimitExceeded"}
# After so many answers that were lost on the way, each of which may have been billed.
_LOST_ANSWERS: Final = 3
_logger = logging.getLogger("speech_adapters")


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

    sends_originals = True

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
            phrases=self._options.accepts_phrases,
            detects_languages=True,
            settings=frozenset({"profanity"}),
        )

    @property
    def provenance(self) -> Provenance:
        """The service and its version."""
        return Provenance(NAME, f"Azure fast transcription {self._options.api_version}")

    async def process(self, recording: Recording) -> None:
        """Send a recording and store the answer.

        A recording that the service refuses as too large is assigned to its fallback
        backend if it has one.  Any other refusal would be repeated, so it is final, and so
        is an answer that is no result: it was billed, and another one would be too.  An
        answer that is lost is awaited again, but not for ever.  What may pass is repeated
        until the deadline.
        """
        progress = await self._begin(recording)
        try:
            await self._process(recording)
        except SpeechError as error:
            if not progress.is_overdue(self._options.deadline_hours):
                raise
            reason = (
                f"It could not be transcribed in {self._options.deadline_hours:g} hours"
                " (deadline_hours). Its audio is kept: resume the meeting to try again."
                f" The last error: {error}"
            )
            await self._fail(recording, reason)

    async def _begin(self, recording: Recording) -> FastProgress:
        """Return the progress, with the time from which the deadline counts."""
        progress = load_progress(recording)
        if progress is None:
            progress = FastProgress(begun_at=time.time())
            state = dump_progress(progress)
            await self._host.store.run(Store.update, recording.id, backend_state=state)
        return progress

    async def _process(self, recording: Recording) -> None:
        try:
            completed = await self._transcribe_as_accepted(recording)
        except (InterruptedAnswerError, TimedOutError) as error:
            if await self._host.store.run(Store.begin_attempt, recording.id) < _LOST_ANSWERS:
                raise
            reason = f"{_LOST_ANSWERS} answers were lost, and may have been billed. {error}"
            await self._fail(recording, reason)
        except BackendError as error:
            if recording.fallback and _is_too_large(error):
                await self._host.store.run(Store.assign, recording.id, recording.fallback)
            elif error.retryable or _is_wrong_key(error):
                raise
            else:
                await self._fail(recording, str(error))
        else:
            if completed:
                await threads.STORE.run(remove_completed, recording)

    async def _fail(self, recording: Recording, reason: str) -> None:
        # Without the progress, so that a resumed meeting has the whole time again.
        await self._host.store.run(Store.fail, recording.id, reason, backend_state="")

    async def aclose(self) -> None:
        """Close the connections."""
        with self._opening:
            client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await super().aclose()

    async def _transcribe_as_accepted(self, recording: Recording) -> bool:
        """Send the original file if there is one, and the recording if that is refused."""
        original = await threads.AUDIO.run(find_original, recording)
        try:
            return await self._transcribe(recording, original)
        except RejectedError as error:
            if original is None or not is_refusal(error) or _is_too_large(error):
                raise
            _logger.info(
                "The service has refused the file of meeting %r: %s The recording is sent as WAV.",
                recording.meeting_id,
                error,
            )
            await threads.AUDIO.run(remove_original, recording)
            return await self._transcribe(recording, None)

    async def _transcribe(self, recording: Recording, original: Original | None) -> bool:
        """Send a recording and store the transcript; return whether it was stored."""
        client = await threads.COMPUTE.run(self._open, threads.TRANSFER.limiter)
        async with temporary_folder() as folder:
            # Not read into memory: an answer with word timings may have 100 MB.
            answer = folder / "answer.json"
            await client.request(
                "POST",
                "/transcriptions:transcribe",
                params={"api-version": self._options.api_version},
                form=self._form(recording, original),
                save_to=answer,
                may_retry=was_not_billed,
            )
            origin = self._provenance_of(recording, original)
            files = ResultFiles(recording.meeting_id, origin, {str(answer): ""})
            try:
                return await store_transcript(
                    self._host.store, recording.id, files, read_transcript, store_isolated
                )
            except BackendError as error:
                raise BackendError(
                    f"{error} The request was sent and may have been billed. The audio is kept:"
                    " resume the meeting to send it again."
                ) from error

    def _provenance_of(self, recording: Recording, original: Original | None) -> Provenance:
        emulated: tuple[str, ...] = ()
        if recording.request.differentiate_speakers:
            emulated = speaker_limit(recording.request, self._options.max_speakers).emulated
        notes = recording.provenance_notes + ((SENT_AS_IT_IS,) if original else ())
        return attrs.evolve(self.provenance, emulated=emulated, notes=notes)

    def _form(self, recording: Recording, original: Original | None) -> MultipartForm:
        definition = json.dumps(self._definition(recording.request)).encode()
        return MultipartForm(
            [
                FormPart.from_bytes("definition", "application/json", definition),
                self._wav(recording) if original is None else _file_part(original),
            ],
            # The audio is read in the threads for transfers, so the loop goes on meanwhile.
            threads.TRANSFER.limiter,
        )

    def _wav(self, recording: Recording) -> FormPart:
        pcm, size = recording.request.audio, recording.audio_bytes or 0

        def audio() -> MonoWav:
            return MonoWav(recording.audio_path, size, pcm, self._host.settings.downmix)

        return FormPart("audio", "audio/wav", mono_size(size, pcm), audio, "audio.wav")

    def _definition(self, request: MeetingRequest) -> dict[str, Any]:
        locales = candidate_locales(request) or (request.language,)
        definition: dict[str, Any] = {"locales": list(locales)}
        profanity = profanity_mode(request)
        if profanity:
            definition["profanityFilterMode"] = profanity
        if request.phrases and self._options.accepts_phrases:
            definition["phraseList"] = {"phrases": list(request.phrases)}
        if self._options.model:
            definition["models"] = {request.language: self._options.model}
        if request.differentiate_speakers:
            limit = speaker_limit(request, self._options.max_speakers)
            # Without "enabled" the service returns no speakers, and reports no error
            # (docs/protocol/batch-and-fast-rest.md, 3).
            definition["diarization"] = {"enabled": True, "maxSpeakers": limit.count}
        return definition

    def _open(self, limiter: CapacityLimiter) -> ServiceClient:
        with self._opening:
            if self._client is None:
                options = self._options
                credentials = choose_credentials(NAME, options, self._host.settings.service)
                self._client = service_client(address(options), options, credentials, limiter)
            return self._client


def _file_part(original: Original) -> FormPart:
    def audio() -> BinaryIO:
        try:
            return original.path.open("rb")
        except OSError as error:  # the meeting may have been deleted just now
            raise StoreError(
                f"The audio file {original.path} cannot be read: {error.strerror}."
            ) from error

    name = f"audio.{original.suffix}"
    return FormPart("audio", original.media_type, original.size, audio, name)


def _is_wrong_key(error: BackendError) -> bool:
    """Return whether another key would help, so that the recording waits for it."""
    return isinstance(error, AuthenticationError) and not is_refusal(error)


def _is_too_large(error: BackendError) -> bool:
    if not isinstance(error, RejectedError):
        return False
    return bool(_TOO_LARGE & {str(error.status), error.code})


def read_transcript(files: ResultFiles) -> AnyTranscript:
    """Read the answer of the service.  Blocks.

    Raises:
        BackendError: it is no result.
    """
    (path,) = files.names
    return open_result(Path(path), files.meeting_id, files.provenance, "The service's answer")


def store_isolated(argument: str) -> str:
    """Store the transcript in a child process; see :func:`complete_in_child`."""
    return complete_in_child(argument, read_transcript)
