"""Meetings in the store of a gateway, for tests of its web page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from double.gateway_server import KEY
from speech_adapters.audio import PcmFormat
from speech_adapters.config import Settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript, Utterance, ticks

__all__ = [
    "HOSTILE",
    "KEY",
    "OTHER_KEY",
    "Meetings",
    "chromium_or_skip",
    "minutes",
]

OTHER_KEY = "fedcba9876543210fedcba9876543210"
# What a client may use as id, name or text; it would run where it is parsed as HTML.
HOSTILE = '<img src=x onerror="window.broken=1">\'"/../%2e%2e/?#&amp;{{7*7}}\u202egnp.exe'
# Speaker number or participant, and what was said.
_LINES: tuple[tuple[int | str, str], ...] = (
    (0, "Good morning, everybody. Shall we begin? Maria has to leave at a quarter to ten."),
    (1, "Good morning. Yes, please, I have only two points today."),
    (0, "Then you go first."),
    (1, "The first one is the archive. We have moved about two thirds of the recordings, and"
        " the rest should be done by Thursday unless the disks fail again."),
    (1, "The second one is shorter: the new microphones have arrived."),
    (2, "All eight of them?"),
    (1, "All eight. One has a loose cable, so I have written to the dealer, who was friendly"
        " enough and sends another one at once."),
    ("katie@example.com", "Could we use seven until then? The room is small, and on Monday the"
        " people from the museum are here."),
    (1, "Seven are enough for that."),
    (2, "I would rather wait. Last time we went ahead with half of the equipment, nobody could"
        " understand the recording afterwards, and it cost us a whole afternoon to write down"
        " from memory what had been agreed. I do not want to do that a second time."),
    (0, "That is a fair point. Let us decide on Friday, when we know about the cable."),
    ("katie@example.com", "Friday is fine."),
    (0, "Next, the timetable. Who has looked at it?"),
    (2, "I have. There are three weeks for the catalog, and I think that four are needed."),
    (2, "The photographs alone take a week."),
    ("katie@example.com", "They do, but we can begin with them while you write."),
    (0, "Good. Then three weeks, and we look at it again in the middle of the second one."),
    (1, "I have to go now. Thank you, and see you on Friday."),
    (0, "Thank you, Maria. Is there anything else?"),
    (2, "Nothing from me."),
    ("katie@example.com", "No, that was all."),
)  # fmt: skip
_NOTES = ("The recording was ended by the gateway, because the connection was lost.",)
_EMULATED = ("The times of words are estimated from the length of the words.",)


def minutes(meeting_id: str, rounds: int = 1) -> Transcript:
    """Return a transcript of four speakers; ``rounds`` repeats it."""
    utterances: list[Utterance] = []
    start = 2.0
    for _ in range(rounds):
        for who, text in _LINES:
            length = 0.8 + len(text) / 15
            speaker, name = (3, who) if isinstance(who, str) else (who, None)
            utterances.append(
                Utterance(
                    f"{len(utterances):032x}",
                    text,
                    ticks(start),
                    ticks(length),
                    speaker,
                    participant=name,
                )
            )
            start += length + 0.7
    origin = Provenance("local", "moonshine 0.1.0", _EMULATED, _NOTES)
    return Transcript(meeting_id, tuple(utterances), ticks(start + 2), origin)


class Meetings:
    """Puts meetings of an owner into the store, without any backend.

    Args:
        settings: the settings of the gateway.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def add(
        self,
        meeting_id: str,
        state: JobState = JobState.COMPLETED,
        transcript: Transcript | None = None,
        *,
        owner: str = "museum",
        reason: str = "The engine ended unexpectedly: it ran out of memory. Retry the meeting.",
        progress: float | None = None,
        step: str = "",
        audio: PcmFormat | None = None,
    ) -> Recording:
        """Store a meeting in a state; with ``audio``, silence in that format is kept."""
        transcript = transcript or minutes(meeting_id)
        request = MeetingRequest(
            f"{owner}/{meeting_id}", mode=Mode.STORED, audio=audio or PcmFormat()
        )
        size = transcript.duration * request.audio.bytes_per_second // 10_000_000
        size -= size % request.audio.frame_bytes
        with Store.open(self.settings.state_dir) as store:
            recording = store.create(request, "batch", keep_audio=audio is not None)
            if audio is not None:
                recording.audio_path.touch()
                os.truncate(recording.audio_path, size)
            if state is not JobState.UPLOADING:
                store.close_audio(recording.id, size)
            if state is JobState.COMPLETED:
                store.complete(recording.id, transcript)
            elif state is JobState.FAILED:
                store.fail(recording.id, reason)
            elif progress is not None:
                store.update(recording.id, progress=progress, step=step)
            return store.get(recording.id)

    def complete(self, recording: Recording, transcript: Transcript) -> None:
        """Complete a meeting as a worker process would."""
        with Store.open(self.settings.state_dir) as store:
            store.complete(recording.id, transcript)


def chromium_or_skip() -> str:
    """Return the path of Chromium; skip the test if it is missing."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return str(Path(path))
    pytest.skip(
        "the web page is tested in Chromium, which is missing: install the package chromium"
    )
