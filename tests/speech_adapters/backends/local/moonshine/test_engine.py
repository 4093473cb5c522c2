from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import moonshine_voice
import pytest

from speech_adapters.audio import WavFile
from speech_adapters.backends.local.moonshine.engine import Engine
from speech_adapters.backends.local.utterances import EngineLine
from speech_adapters.errors import BackendError, ConfigurationError

pytestmark = pytest.mark.engine


def transcribe(path: Path, diarize: bool) -> dict[int, EngineLine]:
    lines: dict[int, EngineLine] = {}
    with WavFile(path) as file, Engine(file.pcm.sample_rate, diarize) as engine:
        while block := file.read(file.pcm.sample_rate // 10):
            lines.update((line.id, line) for line in engine.add_audio(block))
        lines.update((line.id, line) for line in engine.finish())
    return lines


def test_speech_becomes_lines_with_their_speakers(shipped_recordings: Path) -> None:
    lines = transcribe(shipped_recordings / "clone-test.wav", diarize=True)
    text = " ".join(line.text for line in lines.values())
    assert "America" in text
    assert all(line.complete for line in lines.values())
    assert any(line.spans for line in lines.values())


def test_without_diarization_there_are_no_speakers(shipped_recordings: Path) -> None:
    lines = transcribe(shipped_recordings / "clone-test.wav", diarize=False)
    assert lines
    assert not any(line.spans for line in lines.values())


def test_importing_the_engine_needs_no_sound_library() -> None:
    importlib.import_module("speech_adapters.backends.local.moonshine.engine")
    assert "sounddevice" not in sys.modules


def test_an_engine_without_its_model_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moonshine_voice, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ConfigurationError, match="tiny-en cannot be loaded"):
        Engine(16_000, diarize=False)


def test_the_diarizer_alone_returns_lines_without_text(shipped_recordings: Path) -> None:
    path = shipped_recordings / "clone-test.wav"
    with WavFile(path) as file, Engine(file.pcm.sample_rate, True, recognize=False) as engine:
        engine.add_audio(file.read(10 * file.pcm.sample_rate))
        lines = engine.finish()
    assert lines
    assert {line.text for line in lines} == {""}
    assert any(line.spans for line in lines)


@pytest.fixture(scope="module")
def loaded() -> Iterator[Engine]:
    with Engine(16_000, diarize=False) as engine:
        yield engine


def test_errors_of_the_engine_are_errors_of_the_backend(
    loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded._transcriber, "_handle", 99)  # the engine has no such instance
    with pytest.raises(BackendError, match="The speech engine failed"):
        loaded.add_audio(bytes(3200))
    with pytest.raises(BackendError, match="The speech engine failed"):
        loaded.finish()


def test_an_error_that_the_engine_only_reports_is_raised(
    loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(loaded._stream, "update_transcription", fail)
    with pytest.raises(BackendError, match="failed at the end: out of memory"):
        loaded.finish()


def raw(number: int, start: float, **changes: Any) -> SimpleNamespace:
    flags = dict.fromkeys(("is_new", "is_updated", "has_text_changed", "have_speakers_changed"), 0)
    line = {
        "id": number,
        "text": None,
        "start_time": start,
        "duration": 1.0,
        "is_complete": 1,
        "speaker_span_count": 0,
        **flags,
    }
    return SimpleNamespace(**{**line, **changes})


def test_only_lines_that_changed_are_returned(loaded: Engine) -> None:
    lines = loaded._transcriber
    lines._read([raw(1, 0.0, is_new=1), raw(2, 1.0), raw(3, 2.0, have_speakers_changed=1)])
    assert [line.id for line in lines.pop_changed()] == [1, 3]
    assert lines.pop_changed() == []


def test_lines_are_read_until_their_speakers_are_final(
    loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = loaded._transcriber
    monkeypatch.setattr(lines, "_first", 0)
    lines._read([raw(1, 0.0), raw(2, 1.0, is_complete=0), raw(3, 3.0), raw(4, 200.0)])
    assert lines._first == 1  # the second is still in progress
    lines._read([raw(2, 1.0), raw(3, 48.9), raw(4, 200.0)])
    assert lines._first == 3
    lines._read([raw(4, 200.0)])
    assert lines._first == 3
    lines._read([])
    assert lines._first == 3


def test_an_update_without_a_transcript_changes_nothing(loaded: Engine) -> None:
    assert loaded._transcriber._parse_transcript(None).lines == []
    assert loaded._transcriber.pop_changed() == []
