"""What a process has to do for one recording, and how the processes are started."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local.options import NAME, LocalOptions
from speech_adapters.config import StoreOptions
from speech_adapters.contract import MeetingRequest
from speech_adapters.recording import workers
from speech_adapters.recording.slots import acquire_slot
from speech_adapters.request import Attendee
from speech_adapters.store import Lock

__all__ = [
    "Processing",
    "TranscriptionJob",
    "acquire_worker_slot",
    "command",
    "spawn_detached",
    "unlink_temporary",
]

# Participants of a meeting.
_FEWEST: Final = 2
# An engine keeps a processor busy.
_WORKERS: Final = os.cpu_count() or 1


@attrs.frozen
class Processing:
    """How a recording is to be transcribed, as far as its request does not state it.

    While the recording waits for a worker, the meeting store has it as JSON text in
    ``Recording.backend_state``, since the worker may have been started by another program.

    Attributes:
        options: the backend's options.
        downmix: how its channels become one, see :func:`speech_adapters.audio.mix_down`.
    """

    options: LocalOptions
    downmix: str

    def dump(self) -> str:
        """Return it as JSON text in ASCII: a path may hold what is no valid Unicode."""
        return json.dumps(
            {"options": self.options.model_dump(mode="json"), "downmix": self.downmix}
        )

    @classmethod
    def load(cls, text: str) -> Processing:
        """Read the text that :meth:`dump` returned."""
        data = json.loads(text)
        return cls(LocalOptions.model_validate(data["options"]), data["downmix"])


@attrs.frozen
class TranscriptionJob:
    """One recording to transcribe.

    Attributes:
        audio: path of the file of 16-bit PCM.
        pcm: the format of the file.
        options: the backend's options.
        downmix: how its channels become one, see :func:`speech_adapters.audio.mix_down`.
        language: BCP-47 tag that the utterances carry.
        diarize: whether speakers are separated.
        meeting_id: the transcript's meeting id.
        store: folder of the meeting store that receives the transcript, or ``None``.
        recording: the recording's id in the store; empty without a store.
        immediate: whether the events are sent while the file grows, or at its end.
        max_speakers: the highest possible number of speakers, if known.
        attendees: the participants with a voice signature.  These are personal data, so a
            job is passed on standard input: others on the machine can see a command line.
        take_over_seconds: how long a live meeting that is stored stays open after its program
            died.
        store_options: the database of the store; ``None`` for that of the environment.
    """

    audio: Path
    pcm: PcmFormat
    options: LocalOptions
    downmix: str
    language: str
    diarize: bool
    meeting_id: str
    store: Path | None = None
    recording: str = ""
    immediate: bool = True
    max_speakers: int | None = None
    attendees: tuple[Attendee, ...] = attrs.field(default=(), repr=False)
    take_over_seconds: float = 0.0
    store_options: StoreOptions | None = attrs.field(default=None, repr=False)

    @classmethod
    def create(
        cls,
        request: MeetingRequest,
        audio: Path,
        processing: Processing,
        *,
        store: Path | None = None,
        recording: str = "",
        take_over_seconds: float = 0.0,
        store_options: StoreOptions | None = None,
    ) -> TranscriptionJob:
        """Return the job for a request, whose audio is in the file ``audio``."""
        return cls(
            audio=audio,
            pcm=request.audio,
            options=processing.options,
            downmix=processing.downmix,
            language=request.language,
            diarize=request.differentiate_speakers,
            meeting_id=request.meeting_id,
            store=store,
            recording=recording,
            immediate=request.immediate,
            max_speakers=_max_speakers(request),
            attendees=tuple(a for a in request.attendees if a.has_voice_signature),
            take_over_seconds=take_over_seconds,
            store_options=store_options,
        )

    def dump(self) -> str:
        """Return the job as one line of ASCII."""
        data = attrs.asdict(self, recurse=False)
        plain: dict[str, Any] = {
            "audio": str(self.audio),
            "pcm": attrs.asdict(self.pcm),
            "options": self.options.model_dump(mode="json"),
            "store": str(self.store) if self.store else None,
            "attendees": [attrs.asdict(attendee) for attendee in self.attendees],
            "store_options": self.store_options and self.store_options.plain,
        }
        # Not msgspec, which refuses the lone surrogates that a meeting id may hold.
        return json.dumps({**data, **plain})

    @classmethod
    def load(cls, text: str) -> TranscriptionJob:
        """Read the text that :meth:`dump` returned."""
        data = json.loads(text)
        options = data["store_options"]
        typed = {
            "audio": Path(data["audio"]),
            "pcm": PcmFormat(**data["pcm"]),
            "options": LocalOptions.model_validate(data["options"]),
            "store": Path(data["store"]) if data["store"] else None,
            "attendees": tuple(Attendee(**attendee) for attendee in data["attendees"]),
            "store_options": options and StoreOptions.model_validate(options),
        }
        return cls(**{**data, **typed})


def _max_speakers(request: MeetingRequest) -> int | None:
    """Return the highest possible number of speakers, as far as the program announces it."""
    # One participant is no meeting: the others were not added.  Nor are they all where some
    # are enrolled: guests speak as well.
    enrolled = any(attendee.has_voice_signature for attendee in request.attendees)
    if request.max_speakers or enrolled or request.participants < _FEWEST:
        return request.max_speakers
    return request.participants


def command(*arguments: str) -> list[str]:
    """Return the command line of a process, see :mod:`.worker`."""
    # -P: a file in the working directory must not replace a module of the worker.
    return [sys.executable, "-P", "-m", "speech_adapters.backends.local.worker", *arguments]


def unlink_temporary(job: TranscriptionJob) -> None:
    """Remove the name of a temporary file that is open, so that no crash leaves audio behind."""
    with suppress(OSError):  # not every system can
        job.audio.unlink()


def acquire_worker_slot(directory: Path) -> Lock | None:
    """Occupy the slot of one worker; return ``None`` if all of a store are occupied."""
    return acquire_slot(directory, NAME, _WORKERS)


def spawn_detached(
    store: Path, recording: str, log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Start a worker that outlives this process; its error output goes to ``log``.

    Args:
        store: folder of the meeting store.
        recording: the id of the recording for which it is started.
        log: the file for its error output.
        environment: the options of the store, as environment variables.

    Raises:
        BackendError: the worker cannot be started.
    """
    workers.spawn(command("stored", str(store), recording), recording, log, environment=environment)
