from __future__ import annotations

import anyio
import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.shadow import checks
from speech_adapters.config import load_settings
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check
from speech_adapters.errors import NoBackendError


def findings(audio: AudioFile | None = None, **options: str) -> dict[str, Finding]:
    properties = {f"backends.shadow.{name}": value for name, value in options.items()}
    subject = Subject(load_settings(properties), audio)

    async def work() -> dict[str, Finding]:
        return {check.id: await run_check(check, online=False) for check in checks(subject)}

    return anyio.run(work)


def test_both_backends_are_checked() -> None:
    found = findings(primary="replay", second="fast")
    assert "audio goes to fast too" in found["options"].text
    assert found["options"].level is Level.OK
    assert {name.partition(".")[0] for name in found} == {"options", "replay", "fast"}
    assert Level.FAILED in {finding.level for finding in found.values()}


def test_wrong_options_are_a_finding() -> None:
    found = findings(primary="fast", second="fast")
    assert list(found) == ["options"]
    assert found["options"].level is Level.FAILED


def test_the_file_is_that_of_the_primary_backend(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("audio") / "a.wav"
    found = findings(AudioFile(path, PcmFormat(), 1.0, 32_000), primary="auto", second="fast")
    assert {"audio", "fast.audio"} <= set(found)


def test_a_backend_that_does_not_exist() -> None:
    with pytest.raises(NoBackendError, match="missing"):
        findings(primary="missing", second="fast")
