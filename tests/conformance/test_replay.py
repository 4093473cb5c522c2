from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from conformance.claims import ClaimConformance, Proof
from conformance.suite import DoubleConformance
from double.replay import install, write_script
from double.scripted_backend import SECOND, said
from speech_adapters import Capabilities, Word
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import Hypothesis, Recognized, SpeechEnded, SpeechStarted
from speech_adapters.request import SETTINGS

# A wish loses nothing if the script is played as it is, with the wish and without it.
PLAYED = Proof('"text": "A double heard this."', plain=True)
REPLAY = {
    "detects_languages": PLAYED,
    "identification": Proof('"participant": "katie"', plain=True),
    "max_channels": PLAYED,
    "max_speakers_hint": Proof('"speaker": 1', plain=True),
    "phrases": PLAYED,
    "word_timestamps": Proof('"words": [{', plain=True),
    **{f"setting {name}": PLAYED for name in SETTINGS},
}


class TestReplay(ClaimConformance, DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        install(monkeypatch)
        words = (Word("A", 12 * SECOND // 10, SECOND // 10),)
        first = said("A double heard this.", 1.2, 2.1, words=words)
        second = said("And this.", 2.2, 2.8, 1, participant="katie")
        script = write_script(
            tmp_path / "script.jsonl",
            [
                SpeechStarted(first.offset),
                Hypothesis(first),
                Recognized(first),
                Recognized(second),
                SpeechEnded(second.end),
            ],
        )
        return load_settings(
            {
                "backend": "replay",
                "state_dir": str(tmp_path / "state"),
                "backends.replay.script": script,
            }
        )

    @pytest.fixture
    def proofs(self) -> Mapping[str, Proof]:
        return REPLAY

    def test_only_the_claimed_languages_are_served(  # type: ignore[override]
        self, claimed: Capabilities, show: Callable[..., str], speech: Path
    ) -> None:
        """No service receives the language: the script is played whatever it is."""
        assert claimed.languages is None
        assert show(speech, language="de-DE") == show(speech)
