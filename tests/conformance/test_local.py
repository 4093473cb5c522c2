from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.claims import ClaimConformance, Proof
from speech_adapters.config import Settings, load_settings
from speech_adapters.enrollment import enroll
from speech_adapters.meetings import MeetingService

LOCAL = {
    "identification": Proof('"participant": "katie"'),
    # Of two voices, which are found without the hint.
    "max_speakers_hint": Proof('"speaker": 1', plain=True, wished=False),
    "word_timestamps": Proof('"words": [{', plain=True),
}


@pytest.mark.engine
class TestLocal(ClaimConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return load_settings({"backend": "local", "state_dir": str(tmp_path / "state")})

    @pytest.fixture
    def speech(self, shipped_recordings: Path) -> Path:
        return shipped_recordings / "clone-test.wav"

    @pytest.fixture
    def word(self) -> str:
        return "America"

    @pytest.fixture
    def proofs(self) -> Mapping[str, Proof]:
        return LOCAL

    @pytest.fixture
    def audio_of(self, shipped_recordings: Path, speech: Path) -> Callable[[str], Path]:
        names = {"max_speakers_hint": "endgame_nagg_nell.wav", "identification": "beckett.wav"}
        return lambda wish: shipped_recordings / names.get(wish, speech.name)

    @pytest.fixture
    def signature(self, use: Callable[..., Any], shipped_recordings: Path) -> str:
        """Return a signature of the voice in the recording."""

        async def work(meetings: MeetingService) -> str:
            return (await enroll(meetings, [shipped_recordings / "beckett.wav"])).signature.dump()

        found: str = use(work)
        return found
