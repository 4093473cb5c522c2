"""What the worker is to do, as it is handed over on its command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local.options import LocalOptions

__all__ = ["Job"]


@attrs.frozen
class Job:
    """One recording to transcribe.

    Attributes:
        audio: the file of 16-bit PCM.
        pcm: its format.
        options: the backend's options.
        downmix: how its channels become one.
        language: language of the utterances.
        diarize: whether to tell speakers apart.
        meeting_id: id that goes into the transcript.
        live: whether events are wanted on standard output while the file grows.
        store: folder of the meeting store, when the transcript goes there.
        recording: the recording's id in the store.
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
        """Write it as one argument."""
        data = attrs.asdict(self, recurse=False)
        plain: dict[str, Any] = {
            "audio": str(self.audio),
            "pcm": attrs.asdict(self.pcm),
            "options": self.options.model_dump(mode="json"),
            "store": str(self.store) if self.store else None,
        }
        return json.dumps({**data, **plain})

    @classmethod
    def load(cls, text: str) -> Job:
        """Read what :meth:`dump` wrote."""
        data = json.loads(text)
        typed = {
            "audio": Path(data["audio"]),
            "pcm": PcmFormat(**data["pcm"]),
            "options": LocalOptions.model_validate(data["options"]),
            "store": Path(data["store"]) if data["store"] else None,
        }
        return cls(**{**data, **typed})
