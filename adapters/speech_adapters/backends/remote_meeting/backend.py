"""The remote_meeting backend: meetings at a service with the retired interface."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import attrs
from anyio import CapacityLimiter
from pydantic import SecretStr

from speech_adapters import threads
from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.azure.endpoint import service_client
from speech_adapters.azure.http import RejectedError
from speech_adapters.azure.result_files import temporary_folder
from speech_adapters.backends.remote_meeting.answers import AnswerFile, TaskStatus, read_transcript
from speech_adapters.backends.remote_meeting.client import MeetingClient, is_busy
from speech_adapters.backends.remote_meeting.options import (
    NAME,
    access_of,
    addresses_of,
    provenance,
    remote_meeting_options,
)
from speech_adapters.backends.remote_meeting.progress import (
    Rank,
    RemoteProgress,
    RemoteStage,
    load_progress,
    rank_of,
    save_progress,
)
from speech_adapters.backends.remote_meeting.runner import RecordingRunner
from speech_adapters.backends.remote_meeting.worker import UploadOrder
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings
from speech_adapters.contract import JobState, MeetingStatus, Session, SessionEvent
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    StoreError,
)
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import LockedRecording, RecordingOwner, TemporaryRecording
from speech_adapters.recording.workers import log_path, spawn
from speech_adapters.request import MeetingRequest, Mode
from speech_adapters.speech_sdk.feeder import Feeder, RecognizerProtocol
from speech_adapters.speech_sdk.meeting_normalizer import MeetingNormalizer
from speech_adapters.speech_sdk.messages import RecognizerMessage
from speech_adapters.speech_sdk.orders import access_fields
from speech_adapters.speech_sdk.session import LiveSession
from speech_adapters.store import Recording, Store
from speech_adapters.temporary import create_folder
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["RemoteMeetingBackend"]

_AUDIO_FILE: Final = "meeting.pcm"
# Until a deletion is tried again that the service refuses while it works on the meeting.
_BUSY_SECONDS: Final = 30.0


@attrs.frozen
class _Connection:
    """The connection to the service.

    Attributes:
        client: asks about meetings.
        runner: processes recordings with it.
    """

    client: MeetingClient
    runner: RecordingRunner


class RemoteMeetingBackend(RecordingBackend):
    """Sends meetings to a service, and fetches their transcripts by id.

    A meeting with live events is sent while it is held.  If it was cut off, had to connect
    anew, or is only stored, a worker process uploads all of it afterwards.

    Args:
        settings: the options of this backend.
        host: the meeting service.

    Raises:
        ConfigurationError: an option is wrong or missing, or no service is named.
    """

    def __init__(self, settings: Settings, host: Host) -> None:
        self._settings = settings
        self._options = remote_meeting_options(settings)
        self._addresses = addresses_of(self._options, settings)
        self._access = access_of(self._options, self._addresses, settings)
        # Opened in a worker thread by the first call that needs it: packages are imported.
        self._opening = threading.Lock()
        self._connection: _Connection | None = None
        # Last: a constructor that raises must leave no object that has to be closed.
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """What the interface can do; word timings and alternatives are in no transcript."""
        return Capabilities(
            live=True,
            stored=True,
            identification=True,
            passes_signatures=True,
            max_channels=None,
            settings=frozenset({"profanity"}),
        )

    @property
    def provenance(self) -> Provenance:
        """The interface and the SDK's version."""
        return provenance()

    def check(self, request: MeetingRequest) -> None:  # noqa: ARG002
        """Check that the recording can be uploaded if this program dies.

        Raises:
            ConfigurationError: a worker process could not sign in.
        """
        if self._access.credential is not None and not self._options.credential:
            raise ConfigurationError(
                "A stored meeting may have to be uploaded by a process of its own, which the"
                " program's credential cannot be passed to: set"
                ' backends.remote_meeting.credential to "default", or set a key.'
            )

    async def open_session(self, request: MeetingRequest) -> LiveSession:
        """Start a meeting that is only live; its audio is kept until it ends."""
        folder = await threads.AUDIO.run(create_folder)
        audio = folder / _AUDIO_FILE
        make_feeder = partial(self._feeder, request, audio, _normalizer(request))
        return LiveSession(audio, TemporaryRecording(folder), None, make_feeder, _nothing_left)

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start a stored meeting; with live events it is sent at once.

        The recording stays locked meanwhile, so that no status query starts a worker for the
        same audio.
        """
        if request.mode is Mode.STORED:
            return await super().open_recording(request, recording, owner)
        lock = await self._host.store.run(Store.lock_recording, recording.id)
        # Before anything is sent: whatever happens now, the service may have a part of it.
        uploading = RemoteProgress(RemoteStage.UPLOADING)
        await self._host.store.run(save_progress, recording.id, uploading)
        normalizer = _normalizer(request)
        return LiveSession(
            recording.audio_path,
            LockedRecording(owner, lock),
            None,
            partial(self._feeder, request, recording.audio_path, normalizer),
            partial(self._note_upload, recording, normalizer),
        )

    async def process(self, recording: Recording) -> None:
        """Start a worker process that uploads, or ask the service about the meeting."""
        await (await self._connect()).runner.step(recording)

    async def discard(self, recording: Recording) -> float | None:
        """Delete a deleted meeting at the service too, if some of it was sent there."""
        if recording.state is JobState.DELETED and _was_sent(recording):
            rank = await self._host.store.run(rank_of, recording)
            if rank is Rank.PENDING:
                return _BUSY_SECONDS
            # Not a newer recording, which has replaced this one there.
            if rank is Rank.NEWEST:
                try:
                    await (await self._connect()).client.delete(recording.meeting_id)
                except RejectedError as error:
                    if is_busy(error):
                        return _BUSY_SECONDS
                    raise
        return await super().discard(recording)

    def can_resume(self, recording: Recording) -> bool:
        """Whether there is audio, or a meeting at the service that can be asked about."""
        uploaded = load_progress(recording).stage is RemoteStage.UPLOADED
        return uploaded or super().can_resume(recording)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of a meeting that another program or machine recorded.

        Raises:
            MeetingNotFoundError: the service does not know the meeting.
        """
        async with temporary_folder() as folder:
            status = await self._ask(meeting_id, folder / "answer.json")
        failed = status.state is JobState.FAILED
        return MeetingStatus(meeting_id, status.state, _failure(status) if failed else "")

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Return the status: the service has no retry, and the audio is not here."""
        return await self.status(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of a meeting that another program or machine recorded."""
        async with temporary_folder() as folder:
            answer = folder / "answer.json"
            status = await self._ask(meeting_id, answer)
            match status.state:
                case JobState.COMPLETED:
                    file = AnswerFile(str(answer), meeting_id, self.provenance)
                    transcript = await threads.COMPUTE.run(read_transcript, file)
                    return transcript.numbered()
                case JobState.FAILED:
                    raise MeetingFailedError(f"Meeting {meeting_id!r} failed: {_failure(status)}")
                case JobState.DELETED:
                    raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted.")
                case _:
                    raise MeetingBusyError(
                        f"Meeting {meeting_id!r} is not finished yet: ask again later."
                    )

    async def delete(self, meeting_id: str) -> None:
        """Delete a meeting at the service, for all programs and machines.

        Raises:
            MeetingNotFoundError: the service does not know the meeting, or has deleted it.
            MeetingBusyError: the service works on it.
        """
        if await self._is_deleted(meeting_id):
            raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted already.")
        try:
            found = await (await self._connect()).client.delete(meeting_id)
        except RejectedError as error:
            if not is_busy(error):
                raise
            raise MeetingBusyError(
                f"Meeting {meeting_id!r} cannot be deleted while the service works on it: try"
                " again later."
            ) from None
        if not found:
            raise self._not_found(meeting_id)

    async def aclose(self) -> None:
        """Close the connection; workers and the service continue."""
        with self._opening:
            connection, self._connection = self._connection, None
        if connection is not None:
            await connection.client.aclose()
        await super().aclose()

    async def _is_deleted(self, meeting_id: str) -> bool:
        """Return whether the service has deleted a meeting; it may accept another deletion."""
        async with temporary_folder() as folder:
            try:
                status = await self._ask(meeting_id, folder / "answer.json")
            except BackendError as error:
                # An answer that cannot be read must not prevent the deletion.
                if error.retryable or isinstance(error, AuthenticationError):
                    raise
                return False
        return status.state is JobState.DELETED

    async def _ask(self, meeting_id: str, answer: Path) -> TaskStatus:
        status, _ = await (await self._connect()).client.query(meeting_id, answer)
        if status is None:
            raise self._not_found(meeting_id)
        return status

    def _feeder(
        self,
        request: MeetingRequest,
        audio: Path,
        normalizer: MeetingNormalizer,
        emit: Callable[[SessionEvent], None],
        backlog: Callable[[], int],
    ) -> Feeder:
        def connect(on_message: Callable[[RecognizerMessage], None]) -> RecognizerProtocol:
            # Imported on the feeder's thread, because it loads the SDK.
            from speech_adapters.speech_sdk.meeting_recognizer import connect_meeting

            return connect_meeting(request, self._access, self._options.pace, on_message)

        return Feeder(audio, request.audio, None, self._options, connect, normalizer, emit, backlog)

    async def _note_upload(self, recording: Recording, normalizer: MeetingNormalizer) -> bool:
        """Note that the service has all of the audio; its transcript is still to be fetched."""
        # After another connection the service has only the rest under the meeting's id.
        if normalizer.recognizers == 1:
            uploaded = RemoteProgress(RemoteStage.UPLOADED)
            await self._host.store.run(save_progress, recording.id, uploaded, "at the service")
        return False

    async def _connect(self) -> _Connection:
        # The usual case, without a worker thread.
        if self._connection is not None:
            return self._connection
        return await threads.COMPUTE.run(self._open, threads.TRANSFER.limiter)

    def _open(self, limiter: CapacityLimiter) -> _Connection:
        with self._opening:
            if self._connection is None:
                options = self._options
                credentials = choose_credentials(NAME, options, self._settings.service)
                service = service_client(self._addresses.rest, options, credentials, limiter)
                client = MeetingClient(service)
                runner = RecordingRunner(self._host.store, client, options, self._spawn)
                self._connection = _Connection(client, runner)
            return self._connection

    def _spawn(self, recording: Recording) -> None:
        # Again: the recording may be of a program with another configuration.
        self.check(recording.request)
        order = UploadOrder(
            state_dir=self._host.store.directory,
            recording=recording.id,
            # JSON holds asterisks in place of a secret; the chosen key is passed as text.
            options=self._options.model_copy(update={"key": SecretStr("")}),
            **access_fields(self._access),
        )
        command = [sys.executable, "-P", "-m", "speech_adapters.backends.remote_meeting.worker"]
        spawn(
            command,
            recording.id,
            log_path(recording),
            order.model_dump_json().encode(),
            self._host.store.options.environment,
        )

    def _not_found(self, meeting_id: str) -> MeetingNotFoundError:
        return MeetingNotFoundError(
            f"There is no meeting {meeting_id!r}, neither in {self._host.store.directory} nor at"
            " the service: check the id, the endpoint and the key."
        )


def _normalizer(request: MeetingRequest) -> MeetingNormalizer:
    return MeetingNormalizer.of_meeting(request)


def _was_sent(recording: Recording) -> bool:
    try:
        return load_progress(recording).stage is not RemoteStage.RECORDED
    except StoreError:  # damaged: it may have been
        return True


def _failure(status: TaskStatus) -> str:
    return status.reason or "The service failed to transcribe it; it states no reason."


async def _nothing_left() -> bool:
    """Return that a meeting without a transcript is complete after its last event."""
    return True
