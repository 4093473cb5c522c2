"""The exported page in a real Chromium, opened as a file."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from double.node import run_node
from double.web import chromium_or_skip, minutes
from speech_adapters.export import render_page


@pytest.mark.parametrize("embedded", [False, True])
def test_search_keyboard_and_player_work_from_a_file(tmp_path: Path, embedded: bool) -> None:
    chromium = chromium_or_skip()
    transcript = minutes("Weekly planning")
    recording = tmp_path / "talk.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8_000 * 127))
    page = tmp_path / "talk.html"
    page.write_text(render_page(transcript, recording if embedded else None), "utf-8")
    chosen = "" if embedded else str(recording)
    found = run_node("exported_page.mjs", chromium, str(page), chosen, str(tmp_path))
    spoken = [utterance.text for utterance in transcript.utterances]
    assert found["marks"] == ["morning."]
    assert found["shown"] == ["Guest-2"]
    assert found["by_speaker"] == []
    assert found["marks_after"] == 0
    # The second part of the first lane, then the nearest one in the second lane.
    assert found["from_timeline"] in spoken
    assert spoken.index(found["from_transcript"]) == spoken.index(found["from_timeline"]) + 1
    if not embedded:
        assert found["hidden_before"] is True
    assert found["wanted"] > 0
    assert found["current"] == "All eight of them?"
    assert found["errors"] == []
    assert found["foreign"] == []
