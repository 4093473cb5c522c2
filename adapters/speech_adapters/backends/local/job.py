"""The order for a worker process, and how the worker is started with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.recording import workers

__all__ = ["TranscriptionJob", "command", "spawn_detached"]


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
        live: whether the worker sends events to a session while the file grows.
        store: folder of the meeting store that receives the transcript, or ``None``.
        recording: the recording's id in the store; empty without a store.
    """

    audio: Path
    pcm: PcmFormat
    options: LocalOptions
    downmix: str
    language: str
    diarize: bool
    meeting_id: str
    live: bool = False
    store: Path | None = None
    recording: str = ""

    def dump(self) -> str:
        """Return the job as one line of ASCII, for a command line."""
        data = attrs.asdict(self, recurse=False)
        plain: dict[str, Any] = {
            "audio": str(self.audio),
            "pcm": attrs.asdict(self.pcm),
            "options": self.options.model_dump(mode="json"),
            "store": str(self.store) if self.store else None,
        }
        # Not msgspec, which refuses the lone surrogates that a meeting id may hold.
        return json.dumps({**data, **plain})

    @classmethod
    def load(cls, text: str) -> TranscriptionJob:
        """Read the text that :meth:`dump` returned."""
        data = json.loads(text)
        typed = {
            "audio": Path(data["audio"]),
            "pcm": PcmFormat(**data["pcm"]),
            "options": LocalOptions.model_validate(data["options"]),
            "store": Path(data["store"]) if data["store"] else None,
        }
        return cls(**{**data, **typed})


def command(job: TranscriptionJob) -> list[str]:
    """Return the worker's command line."""
    # -P: a file in the working directory must not replace a module of the worker.
    return [sys.executable, "-P", "-m", "speech_adapters.backends.local.worker", job.dump()]


def spawn_detached(job: TranscriptionJob, log: Path) -> None:
    """Start a worker that outlives this process; its error output goes to ``log``.

    Raises:
        BackendError: the worker cannot be started.
    """
    workers.spawn(command(job), job.recording, log)
