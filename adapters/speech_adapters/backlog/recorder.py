"""One recording of a backlog on its way into the meeting store, complete or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from speech_adapters import threads
from speech_adapters.audio import AudioFile, open_audio
from speech_adapters.backlog.items import Item
from speech_adapters.capabilities import Gap
from speech_adapters.contract import MeetingRequest, Mode, Session
from speech_adapters.errors import (
    AuthenticationError,
    ConfigurationError,
    SpeechError,
    StoreError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.files import record_file

__all__ = ["OnGaps", "Recorder", "is_of_all"]

OnGaps = Callable[[str, tuple[Gap, ...]], object]
# Errors that the next recording would meet too.
_OF_ALL: Final = (AuthenticationError, ConfigurationError, StoreError)


def is_of_all(error: BaseException) -> bool:
    """Return whether an error concerns all recordings, and so ends the run."""
    return isinstance(error, _OF_ALL)


class Recorder:
    """Records files and addresses.

    A process that is killed leaves a recording in the state Uploading, which counts for nothing,
    or one that is complete.  No other state has a part of the audio.

    Args:
        meetings: the meeting service.
        prefix: the first characters of the ids of all its meetings.
        on_gaps: is called with the name of the backend, and what it will not do.
    """

    def __init__(self, meetings: MeetingService, prefix: str, on_gaps: OnGaps) -> None:
        self._meetings = meetings
        self._prefix = prefix
        self._on_gaps = on_gaps

    async def record(self, item: Item) -> str:
        """Record and hand over; the store knows from then on what becomes of it.

        Returns:
            Faults of the audio, as sentences.

        Raises:
            SpeechError: it was not recorded, or the error concerns all recordings.
        """
        request = MeetingRequest(
            self._prefix + item.key,
            mode=Mode.STORED,
            language=item.language,
            max_speakers=item.speakers,
            immediate=False,
            group=self._prefix,
        )
        if item.address:
            await self._record(attrs.evolve(request, addresses=(item.address,)))
            return ""
        with await threads.COMPUTE.run(open_audio, item.source) as file:
            request = attrs.evolve(request, audio=file.pcm, notes=file.notes)
            await self._record(request, file)
            return " ".join(file.notes)

    async def _record(self, request: MeetingRequest, file: AudioFile | None = None) -> None:
        backend, gaps = await self._meetings.choose(request)
        self._on_gaps(backend.name, gaps)
        session = await self._meetings.open_session(request)
        try:
            if file is not None:
                await record_file(self._meetings, session, request, file)
        except BaseException:
            await self._meetings.abandon_session(session, request)
            raise
        async with session:
            await self._finish(session)

    async def _finish(self, session: Session) -> None:
        try:
            await session.finish()
        except SpeechError as error:
            # It is in the store: a later sweep goes on, until the backend's deadline.
            if is_of_all(error):
                raise
