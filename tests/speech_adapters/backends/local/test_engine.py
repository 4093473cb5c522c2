from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from speech_adapters.audio import WavFile
from speech_adapters.backends.local.engine import Engine
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.utterances import Line
from speech_adapters.errors import ConfigurationError

pytestmark = pytest.mark.engine


def heard(path: Path, diarize: bool) -> dict[int, Line]:
    lines: dict[int, Line] = {}
    with WavFile(path) as file, Engine(LocalOptions(), file.pcm.sample_rate, diarize) as engine:
        while block := file.read(file.pcm.sample_rate // 10):
            lines.update((line.id, line) for line in engine.feed(block))
        lines.update((line.id, line) for line in engine.finish())
    return lines


def test_speech_becomes_lines_with_their_speakers(shipped_recordings: Path) -> None:
    lines = heard(shipped_recordings / "clone-test.wav", diarize=True)
    text = " ".join(line.text for line in lines.values())
    assert "America" in text
    assert all(line.complete for line in lines.values())
    assert any(line.spans for line in lines.values())


def test_without_diarization_there_are_no_speakers(shipped_recordings: Path) -> None:
    lines = heard(shipped_recordings / "clone-test.wav", diarize=False)
    assert lines
    assert not any(line.spans for line in lines.values())


def test_importing_the_engine_needs_no_sound_library() -> None:
    importlib.import_module("speech_adapters.backends.local.engine")
    assert "sounddevice" not in sys.modules


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be loaded as 'tiny'.*model_path"):
        Engine(LocalOptions(model_path=tmp_path), 16_000, diarize=False)


def test_an_unknown_architecture_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'huge'.*one of tiny, base"):
        Engine(LocalOptions(model_arch="huge"), 16_000, diarize=False)
