"""The replay backend: events and transcripts from a file, for tests without an engine."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import msgspec

from speech_adapters import threads
from speech_adapters.backends.replay.options import HANG, NAME, ReplayOptions
from speech_adapters.backends.replay.session import ReplaySession
from speech_adapters.capabilities import Capabilities
from speech_adapters.contract import Hypothesis, MeetingRequest, Recognized, Session, SessionEvent
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import RecordingOwner, TemporaryRecording
from speech_adapters.replay_script import load_script
from speech_adapters.request import SETTINGS, Mode
from speech_adapters.store import Recording, Store
from speech_adapters.store.files import remove_completed
from speech_adapters.temporary import create_folder
from speech_adapters.transcript import Provenance, Transcript, Utterance, seconds

__all__ = ["ReplayBackend"]

_AUDIO_FILE: Final = "meeting.pcm"
_REPLAYED: Final = "the transcript was replayed from a file, not recognized from the audio"


class ReplayBackend(RecordingBackend):
    """Plays a script in every meeting; see :class:`.contract.Backend`.

    A request loses nothing here: the script decides what a program receives.

    Args:
        options: the script, its pace and faults.
        host: the meeting service.

    Raises:
        ConfigurationError: the script is wrong.
    """

    offline = True

    def __init__(self, options: ReplayOptions, host: Host) -> None:
        self._options = options
        self._script = load_script(options.script)
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """Everything that a script can hold."""
        names = any(utterance.participant for utterance in self._script.utterances())
        return Capabilities(
            live=True,
            stored=True,
            identification=names,
            # No signature is ever read, so any will do.
            passes_signatures=names,
            max_speakers_hint=True,
            word_timestamps=True,
            phrases=True,
            max_channels=None,
            detects_languages=True,
            settings=frozenset(SETTINGS),
        )

    @property
    def provenance(self) -> Provenance:
        """The origin of the script; transcripts state that they were replayed."""
        source = self._script.source
        return Provenance(NAME, f"{source.backend} {source.version}".strip(), (_REPLAYED,))

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting that is only live."""
        folder = await threads.AUDIO.run(create_folder)
        return self._session(folder / _AUDIO_FILE, TemporaryRecording(folder), request)

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start a stored meeting."""
        if request.mode is Mode.STORED:
            return await super().open_recording(request, recording, owner)
        return self._session(recording.audio_path, owner, request, recording)

    async def process(self, recording: Recording) -> None:
        """Store the transcript once its time has come, or fail as the options demand.

        Raises:
            BackendError: the fault is an error that may pass.
        """
        if self._options.fault == HANG or not await self._is_due(recording):
            return
        error = self._options.error()
        if error is None:
            await self._complete(recording.id)
        elif error.retryable:
            raise error
        else:
            await self._host.store.run(Store.fail, recording.id, str(error), backend_state="")

    def _session(
        self,
        audio: Path,
        owner: RecordingOwner,
        request: MeetingRequest,
        recording: Recording | None = None,
    ) -> Session:
        complete = _nothing if recording is None else partial(self._complete, recording.id)
        events = tuple(_requested(event, request) for event in self._script.events)
        return ReplaySession(audio, owner, request.audio, events, self._options, complete)

    async def _is_due(self, recording: Recording) -> bool:
        """Return whether a stored meeting has been in processing for long enough."""
        length = seconds(recording.request.audio.ticks(recording.audio_bytes or 0))
        wait = length / self._options.pace if self._options.pace else 0.0
        wait += self._options.delay_seconds * len(self._script.events)
        if not wait:
            return True
        begun = _begun_at(recording)
        if begun is None:
            begun = time.time()
            state = msgspec.json.encode(begun).decode()
            await self._host.store.run(Store.update, recording.id, backend_state=state)
        return time.time() >= begun + wait

    async def _complete(self, recording_id: str) -> None:
        recording = await self._host.store.run(Store.get, recording_id)
        length = recording.request.audio.ticks(recording.audio_bytes or 0)
        utterances = tuple(
            _for_request(utterance, recording.request)
            for utterance in self._script.utterances()
            if self._options.whole or utterance.offset < length
        )
        provenance = attrs.evolve(self.provenance, notes=recording.provenance_notes)
        transcript = Transcript(recording.meeting_id, utterances, length, provenance)
        if await self._host.store.run(Store.complete, recording_id, transcript):
            await threads.STORE.run(remove_completed, recording)


def _requested(event: SessionEvent, request: MeetingRequest) -> SessionEvent:
    if isinstance(event, Hypothesis | Recognized):
        return attrs.evolve(event, utterance=_for_request(event.utterance, request))
    return event


def _for_request(utterance: Utterance, request: MeetingRequest) -> Utterance:
    """Return an utterance without speakers if the program does not want them."""
    if request.differentiate_speakers or utterance.participant is not None:
        return utterance
    return attrs.evolve(utterance, speaker=None)


def _begun_at(recording: Recording) -> float | None:
    try:
        return msgspec.json.decode(recording.backend_state, type=float)
    except msgspec.MsgspecError:
        return None


async def _nothing() -> None:
    """Do nothing: a meeting that is only live has no transcript."""
