"""The base class of backends whose meetings are recorded into the meeting store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol

from speech_adapters import threads
from speech_adapters.capabilities import Capabilities
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.contract import Backend, MeetingRequest, MeetingStatus, Session
from speech_adapters.errors import MeetingNotFoundError, UnsupportedError
from speech_adapters.recording.session import RecordingOwner, StoredSession
from speech_adapters.store import AsyncStore, Recording
from speech_adapters.store.files import remove_others
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["Host", "RecordingBackend"]

# Until the next attempt to remove the files of a deleted recording.
_DISCARD_SECONDS: Final = 60.0


class Host(Protocol):
    """What the meeting service offers to the backends that it creates."""

    @property
    def settings(self) -> Settings:
        """The settings of the program."""
        ...

    @property
    def store(self) -> AsyncStore:
        """The meeting store, shared by all backends of the service."""
        ...

    @property
    def in_worker(self) -> bool:
        """Whether this process is a worker of an executor, which limits what it has at a time.

        Then a native engine runs in this process: the executor starts another one if it crashes.
        """
        ...

    def backend(self, name: str) -> Backend:
        """Return another backend, created at the first call; the service closes it.

        Blocks, because a backend's package may have to be imported.

        Raises:
            NoBackendError, MissingExtraError, ConfigurationError: it cannot be created.
        """
        ...

    def adopt(self, backend: Backend) -> Backend:
        """Return the backend of that name that is in use, or else this one, which is from now on.

        Blocks.  The service closes the backend that is returned.

        Raises:
            StoreError: the service is closed.
        """
        ...

    async def process(self, recording_id: str) -> None:
        """Process a recording as far as is possible now.

        Raises:
            SpeechError: a step failed; a later call tries it again.
        """
        ...


class RecordingBackend(AsyncCloseable, ABC):
    """Transcribes recordings in the meeting store; see :class:`.contract.Backend`.

    The meeting service owns the recordings: it creates, locks, recovers and deletes them.
    A backend only implements the processing, one step at a time, so that any process can
    continue where another one stopped.

    Args:
        host: settings, store and the other backends.
        name: the name used in configuration.

    Attributes:
        offline: whether :meth:`process` needs no network.  Then recordings that were cut
            off are processed as soon as the next one of their meeting starts, which must
            not wait for a network.
        sends_originals: whether it may send a compressed file as it is, so that the file is
            kept beside the recording (see :mod:`.original`).
    """

    offline = False
    sends_originals = False

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._opened()

    @property
    def name(self) -> str:
        """The name used in configuration."""
        return self._name

    @property
    def owner_name(self) -> str:
        """The name of the backend that owns its recordings: a wrapper's belong to another one."""
        return self._name

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the backend can do."""

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """The origin of its transcripts, without the notes of a meeting."""

    @abstractmethod
    async def process(self, recording: Recording) -> None:
        """Process a recording by one step, as far as is possible now.

        The service holds the recording's lock during the call, and calls again with each
        status query until the state is final.  A step that cannot be tried now raises, and
        the recording stays in the state Processing.

        Raises:
            SpeechError: the step failed and will be tried again.
        """

    async def refresh(self, recordings: Sequence[Recording]) -> set[str]:  # noqa: ARG002
        """Find out with few requests for which of these recordings there is nothing to do now.

        The service calls it before it processes many recordings, and holds no lock of them.  By
        default each is processed by itself.

        Returns:
            The ids of the recordings that need not be processed now.

        Raises:
            SpeechError: it cannot be found out now; the recordings are processed later.
        """
        return set()

    def check(self, request: MeetingRequest) -> None:
        """Check, before anything is recorded, that a request can be served.  Blocks.

        Raises:
            ConfigurationError, AudioError: it cannot, with the reason.
        """

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting that is only live: nothing is stored.

        Raises:
            UnsupportedError: this backend has no live events.
        """
        raise UnsupportedError(
            f"The {self.name} backend emits no live events: store the meeting instead, or"
            f" choose another backend for meeting {request.meeting_id!r}."
        )

    async def open_recording(
        self,
        request: MeetingRequest,  # noqa: ARG002
        recording: Recording,
        owner: RecordingOwner,
    ) -> Session:
        """Start to record into the store; ``owner`` ends and processes the recording.

        The session's ``push`` must not wait until events are read: when a meeting is taken over,
        the old audio is pushed before the program has the session.
        """
        return StoredSession(recording.audio_path, owner)

    async def discard(self, recording: Recording) -> float | None:
        """Remove what a deleted or completed recording left outside of the store.

        By default the files next to the audio, such as a worker's log, which the worker may
        have created after the deletion.
        For a completed one, only what a planned cleanup is about (``Store.plan_cleanup``).

        Returns:
            ``None`` when nothing is left, or the seconds until the next attempt.
        """
        removed = await threads.STORE.run(remove_others, recording.audio_path)
        return None if removed else _DISCARD_SECONDS

    def can_resume(self, recording: Recording) -> bool:
        """Whether a failed recording can be tried again.  Blocks."""
        return recording.audio_path.exists()

    def is_incomplete(self, recording: Recording) -> bool:  # noqa: ARG002
        """Whether the transcript of a completed recording lacks parts that can be tried again."""
        return False

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of a meeting that the service keeps; by default none."""
        raise self._unknown(meeting_id)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Retry a meeting that the service keeps; by default none."""
        raise self._unknown(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of a meeting that the service keeps; by default none."""
        raise self._unknown(meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete a meeting that the service keeps; by default none."""
        raise self._unknown(meeting_id)

    async def settle(self, meeting_id: str | None = None) -> None:
        """End what runs in the background for one meeting or for all, in some seconds.

        Called when the meeting is deleted, or before any backend of the service is closed.
        """

    def _unknown(self, meeting_id: str) -> MeetingNotFoundError:
        return MeetingNotFoundError(
            f"There is no meeting {meeting_id!r} in {self._host.store.directory}: check the id"
            ' and the setting "state_dir".'
        )
