from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from double.service import KEY, ServiceDouble
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.auto import checks
from speech_adapters.config import load_settings
from speech_adapters.diagnosis import AudioFile, Finding, Level, Subject, run_check


def findings(
    properties: dict[str, str], *, online: bool = False, audio: AudioFile | None = None
) -> dict[str, Finding]:
    subject = Subject(load_settings(properties), audio)

    async def work() -> dict[str, Finding]:
        return {check.id: await run_check(check, online=online) for check in checks(subject)}

    return anyio.run(work)


def test_both_services_are_checked(double: ServiceDouble, storage: str) -> None:
    found = findings(
        {
            "service.endpoint": double.url,
            "service.key": KEY,
            "backends.batch.storage_connection_string": storage,
        },
        online=True,
    )
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert {"options", "fast.sign_in", "batch.sign_in", "batch.storage_access"} < set(found)


def test_a_fault_of_either_is_a_fault() -> None:
    found = findings({"service.endpoint": "https://x.invalid", "service.key": "k"})
    failing = {name for name, finding in found.items() if finding.level is Level.FAILED}
    assert failing == {"batch.storage"}


@pytest.mark.parametrize(
    ("seconds", "channels", "options", "text"),
    [
        (3600, 1, {}, "goes to fast: "),
        (3 * 3600, 1, {}, "goes to batch: "),
        (3600, 2, {}, "goes to fast: "),
        (3600, 2, {"backends.batch.channels": "split"}, "goes to batch: 2 channels are sent"),
        (3600, 1, {"backends.auto.fast_minutes": "30"}, "goes to batch: "),
    ],
)
def test_which_of_the_two_gets_a_file(
    seconds: float, channels: int, options: dict[str, str], text: str
) -> None:
    audio = AudioFile(Path("x.wav"), PcmFormat(channels=channels), seconds, 1)
    assert findings(options, audio=audio)["audio"].text.startswith(text)
