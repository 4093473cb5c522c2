"""A meeting that other owners try to reach through a gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from double.gateway import completed
from speech_adapters.store import Store
from speech_adapters.transcript import Utterance

__all__ = ["IDS", "MEETING", "SECRETS", "WEBSOCKETS", "Victim", "shown"]

MEETING: Final = "planning"
# Each is part of the answers that the owner receives, and of no other.
SECRETS: Final = ("PLANTED words", "PLANTED.person@example.com", "5ec2e75ec2e75ec2e75ec2e75ec2e75e")
WEBSOCKETS: Final = (
    "/speech/recognition/multiaudio",
    "/speech/recognition/dynamicaudio",
    "/speech/recognition/conversation/cognitiveservices/v1",
    "/speech/universal/v2",
    "/stt/speech/universal/v2",
    "/",
)
AUDIO: Final = b"\x01\x02" * 1_600
SPOKEN: Final = Utterance(SECRETS[2], SECRETS[0], 10, 20, 0, participant=SECRETS[1])
# The owner's id of the meeting, that in the store, and ways to write either.
IDS: Final = (
    MEETING,
    f"alice/{MEETING}",
    f"../alice/{MEETING}",
    f"/alice/{MEETING}",
    f"bob/../alice/{MEETING}",
    f"alice%2F{MEETING}",
    "%",
    "*",
    "' OR '1'='1",
)


def shown(answer: bytes) -> list[bytes]:
    """Return what an answer shows of the meeting; no error repeats its id."""
    secrets = (MEETING.encode(), AUDIO[:100], *(secret.encode() for secret in SECRETS))
    return [secret for secret in secrets if secret in answer]


class Victim:
    """A completed meeting of one owner, and a gateway that serves it."""

    def __init__(self, address: str, state: Path) -> None:
        self.address = address
        self._state = state
        completed(state, f"alice/{MEETING}", SPOKEN, audio=AUDIO)
        self._before = self._rows()

    def _rows(self) -> list[Any]:
        with Store.open(self._state) as store:
            return [
                (found, store.transcript(found.id), found.audio_path.read_bytes())
                for found in store.recordings(f"alice/{MEETING}")
            ]

    def assert_unchanged(self) -> None:
        assert self._rows() == self._before
