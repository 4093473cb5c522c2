"""The tests of the kit: which there are, and how one meeting is transcribed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, get_args

import anyio
import attrs

from live.sound import Sound
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.fast.options import FastOptions
from speech_adapters.config import Settings
from speech_adapters.contract import MeetingRequest, Mode, Session, SessionEvent
from speech_adapters.errors import MeetingFailedError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.transcript import Transcript

__all__ = ["BACKENDS", "CHECKS", "Check", "meet"]

BACKENDS: Final = ("batch", "fast", "auto", "realtime")
_SERVICES: Final = {
    "batch": "batch transcription",
    "fast": "fast transcription",
    "auto": "fast transcription",
    "realtime": "real-time diarization",
}
# Between two queries of the meeting service, which itself asks the service less often.
_QUERY_SECONDS: Final = 0.2
_BLOCK_SECONDS: Final = 0.5


@attrs.frozen
class Check:
    """One test of the kit.

    Attributes:
        name: its name, also that of its cassette.
        backend: name of the backend.
        version: version of the REST interface; empty for the backend's default, or for none.
        mode: what the meeting is transcribed for.
        refusals: whether the answers to wrong requests are read, and nothing is transcribed.
    """

    name: str
    backend: str
    version: str = ""
    mode: Mode = Mode.STORED
    refusals: bool = False

    @property
    def service(self) -> str:
        """The service that it tests, with its version."""
        return f"{_SERVICES[self.backend]} {self.version}".strip()

    @property
    def billed(self) -> str:
        """The service that transcribes the recording; empty if nothing is transcribed."""
        return "" if self.refusals else _SERVICES[self.backend]

    @property
    def needs_storage(self) -> bool:
        """Whether audio is put into the storage account, or may be."""
        return self.backend in ("batch", "auto") and not self.refusals

    @property
    def stored(self) -> bool:
        """Whether the transcript is fetched by the meeting's id."""
        return self.mode.stored


def _versions(model: Any) -> tuple[str, ...]:
    """Return the versions that a backend's option accepts, so that none is left out."""
    return get_args(model.model_fields["api_version"].annotation)


def _all() -> tuple[Check, ...]:
    rest = [
        (backend, version)
        for backend, model in (("fast", FastOptions), ("batch", BatchOptions))
        for version in _versions(model)
    ]
    return (
        *(Check(f"{b}-{v}-refusals", b, v, refusals=True) for b, v in rest),
        *(Check(f"{b}-{v}", b, v) for b, v in rest),
        Check("auto", "auto"),
        Check("realtime-live", "realtime", mode=Mode.LIVE),
        Check("realtime-stored", "realtime"),
    )


CHECKS: Final = _all()


async def meet(
    settings: Settings, check: Check, meeting_id: str, sound: Sound, report: Callable[[str], None]
) -> tuple[Transcript | None, list[SessionEvent]]:
    """Hold the meeting of a check; return its transcript, or its live events.

    Args:
        settings: the settings of the backend.
        check: the test.
        meeting_id: the id of the meeting, which is deleted at the end.
        sound: the recording.
        report: called with each new step.

    Raises:
        SpeechError: the meeting failed.
    """
    request = MeetingRequest(meeting_id, mode=check.mode, audio=sound.pcm, word_timestamps=True)
    async with MeetingService(settings) as meetings:
        async with await meetings.open_session(request) as session:
            events = await _play(session, sound, listen=check.mode.live)
        if not check.stored:
            return None, events
        transcript = await _fetch(meetings, meeting_id, report)
        await meetings.delete(meeting_id)
        return transcript, events


async def _play(session: Session, sound: Sound, *, listen: bool) -> list[SessionEvent]:
    """Push the recording; return the live events, if there are any.

    Raises:
        SpeechError: the first error of either side, which is the cause of the other's.
    """
    events, failures = list[SessionEvent](), list[SpeechError]()

    async def push() -> None:
        try:
            for block in sound.blocks(_BLOCK_SECONDS):
                await session.push(block)
            await session.finish()
        except SpeechError as error:
            failures.append(error)
            await session.aclose()  # ends the events

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        try:
            if listen:
                events += [event async for event in session.events()]
        except SpeechError as error:
            failures.append(error)
            tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return events


async def _fetch(
    meetings: MeetingService, meeting_id: str, report: Callable[[str], None]
) -> Transcript:
    shown = ""
    while not (found := await meetings.status(meeting_id)).state.final:
        step = found.step or found.state.name.lower()
        if step != shown:
            report(step)
            shown = step
        await anyio.sleep(_QUERY_SECONDS)
    try:
        return await meetings.transcript(meeting_id)
    except MeetingFailedError:
        # What it left at the service is deleted now, while the state is known here.
        await meetings.delete(meeting_id)
        raise
