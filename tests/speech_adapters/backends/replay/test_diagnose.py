from __future__ import annotations

from pathlib import Path

import anyio

from double.replay import write_script
from double.scripted_backend import said
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.replay import checks
from speech_adapters.config import load_settings
from speech_adapters.contract import Recognized
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check

AUDIO = AudioFile(Path("x.wav"), PcmFormat(), 1.0, 1)


def findings(options: dict[str, str]) -> dict[str, Finding]:
    settings = load_settings({f"backends.replay.{name}": value for name, value in options.items()})

    async def work() -> dict[str, Finding]:
        found = checks(Subject(settings, AUDIO))
        return {check.id: await run_check(check, online=False) for check in found}

    return anyio.run(work)


def test_the_script_is_read(tmp_path: Path) -> None:
    script = write_script(tmp_path / "script.jsonl", [Recognized(said("One.", 0.0, 1.0, 0))])
    found = findings({"script": script})
    assert found["script"].level is Level.OK
    assert script in found["script"].text
    assert found["audio"].level is Level.OK
    assert found["script"].text.endswith("has 1 utterances")
    Path(script).write_text("no script", "utf-8")
    assert findings({"script": script})["script"].level is Level.FAILED


def test_no_script_is_named() -> None:
    found = findings({})["script"]
    assert found.level is Level.FAILED
    assert "SPEECH_COMPAT_BACKENDS__REPLAY__SCRIPT" in found.fix


def test_a_recording_needs_no_script_yet(tmp_path: Path) -> None:
    found = findings({"script": str(tmp_path / "new.jsonl"), "record": "local"})["script"]
    assert found.level is Level.OK
    assert "local is recorded" in found.text
