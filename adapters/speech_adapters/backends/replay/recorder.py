"""Records a script while another backend serves the meetings of a program."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

from speech_adapters import threads
from speech_adapters.backends.replay.options import NAME, ReplayOptions
from speech_adapters.capabilities import Capabilities
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.contract import MeetingRequest, Session, SessionEvent
from speech_adapters.errors import ConfigurationError, StoreError
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import RecordingOwner
from speech_adapters.recording.spool import private_opener
from speech_adapters.replay_script import dump_script
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance

__all__ = ["ScriptRecorder"]


class ScriptRecorder(RecordingBackend):
    """Passes meetings on to another backend and writes their live events to a script.

    A stored meeting is assigned to the other backend, so its later requests go there.

    Args:
        options: which backend, and the path of the script.
        host: the meeting service.

    Raises:
        ConfigurationError: the other backend cannot be created or has no live events.
    """

    def __init__(self, options: ReplayOptions, host: Host) -> None:
        self._path = options.script
        backend = host.backend(options.record) if options.record != NAME else None
        if not isinstance(backend, RecordingBackend) or not backend.capabilities.live:
            raise ConfigurationError(
                f"backends.replay.record: the backend {options.record!r} has no live events that"
                " could be recorded. Name one with live events, such as local; for others"
                " use speech-compat record --meeting MEETING_ID after the meeting."
            )
        self._backend = backend
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the other backend."""
        return self._backend.capabilities

    @property
    def provenance(self) -> Provenance:
        """The other backend; transcripts name it themselves."""
        source = self._backend.provenance
        return Provenance(NAME, f"{source.backend} {source.version}", source.emulated)

    def check(self, request: MeetingRequest) -> None:
        """Check what the other backend needs.  Blocks.

        Raises:
            ConfigurationError, AudioError: the request cannot be served.
        """
        self._backend.check(request)

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting that is only live."""
        return self._recorded(await self._backend.open_session(request))

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start a stored meeting; without live events nothing is written."""
        await self._host.store.run(Store.assign, recording.id, self._backend.name)
        session = await self._backend.open_recording(request, recording, owner)
        return self._recorded(session) if request.mode.live else session

    async def process(self, recording: Recording) -> None:
        """Assign a recording to the other backend, which goes on at once."""
        await self._host.store.run(Store.assign, recording.id, self._backend.name)

    def _recorded(self, session: Session) -> Session:
        return _RecordedSession(session, self._path, self._backend.provenance)


class _RecordedSession(AsyncCloseable):
    """A session whose events are written to a script after the last one.

    A session that ends early writes nothing: its script would be shorter without a notice.
    """

    def __init__(self, session: Session, path: Path, source: Provenance) -> None:
        self._session = session
        self._path = path
        self._source = source

    async def push(self, audio: bytes) -> None:
        await self._session.push(audio)

    async def finish(self) -> None:
        await self._session.finish()

    async def events(self) -> AsyncIterator[SessionEvent]:
        seen: list[SessionEvent] = []
        async for event in self._session.events():
            seen.append(event)
            yield event
        await threads.STORE.run(_write, self._path, dump_script(seen, self._source))

    async def aclose(self) -> None:
        await self._session.aclose()
        await super().aclose()


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read: a transcript is personal data."""
    try:
        handle = private_opener(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(
            f"The replay script {path} cannot be written: {error.strerror}. Correct the setting"
            " backends.replay.script."
        ) from error
