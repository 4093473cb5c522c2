from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from double.service import KEY, ServiceDouble
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.fast import checks
from speech_adapters.config import load_settings
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check

MEGABYTE = 1_000_000


def findings(
    options: dict[str, str], *, online: bool = True, audio: AudioFile | None = None
) -> dict[str, Finding]:
    settings = load_settings({f"backends.fast.{name}": value for name, value in options.items()})

    async def work() -> dict[str, Finding]:
        subject = Subject(settings, audio)
        return {check.id: await run_check(check, online=online) for check in checks(subject)}

    return anyio.run(work)


def test_everything_is_fine_with_the_service(double: ServiceDouble) -> None:
    found = findings({"endpoint": double.url, "key": KEY})
    assert {finding.level for finding in found.values()} == {Level.OK}
    # The list of jobs: a transcription would cost something.
    assert double.requests == ["GET /speechtotext/transcriptions"]


def test_a_wrong_key(double: ServiceDouble) -> None:
    found = findings({"endpoint": double.url, "key": "another-key"})
    assert [name for name, f in found.items() if f.level is Level.FAILED] == ["sign_in"]


def test_options_that_contradict_each_other(double: ServiceDouble) -> None:
    found = findings({"endpoint": double.url, "key": KEY, "model": "https://x.invalid/m"})
    assert found["options"].level is Level.FAILED
    assert "no custom models" in found["options"].text


def test_no_resource_is_named() -> None:
    found = findings({}, online=False)
    assert "SPEECH_COMPAT_BACKENDS__FAST__REGION" in found["endpoint"].fix
    assert "SPEECH_COMPAT_BACKENDS__FAST__KEY" in found["credential"].fix


@pytest.mark.parametrize(
    ("seconds", "size", "level"),
    [
        (3600, 100, Level.OK),
        (3 * 3600, 100, Level.WARNING),
        (3600, 300, Level.WARNING),
        (6 * 3600, 100, Level.FAILED),
        (3600, 600, Level.FAILED),
    ],
)
def test_the_length_of_a_file_is_compared_with_the_published_limits(
    seconds: float, size: int, level: Level
) -> None:
    audio = AudioFile(Path("x.wav"), PcmFormat(channels=2), seconds, size * MEGABYTE)
    found = findings({}, online=False, audio=audio)["audio"]
    assert found.level is level
    assert ("auto" in found.fix) is (level is not Level.OK)
    assert "2 channels mixed down" in found.text or level is not Level.OK
