from __future__ import annotations

from pathlib import Path

import pytest

from live.checks import CHECKS
from live.target import Target
from speech_adapters.backends.batch.options import batch_options
from speech_adapters.backends.fast.options import fast_options
from speech_adapters.backends.realtime.options import access_of, realtime_options

BY_NAME = {check.name: check for check in CHECKS}
TARGET = Target(key="k", region="westeurope", storage="x", container="c")
DOMAIN = Target(key="k", region="westeurope", endpoint="https://me.cognitiveservices.azure.com")
LOCAL = Target(
    key="k", region="westeurope", endpoint="http://127.0.0.1:1", websocket="ws://[::1]:2/x"
)


@pytest.mark.parametrize(
    ("target", "websocket", "service"),
    [
        (
            TARGET,
            "wss://westeurope.stt.speech.microsoft.com/stt/speech/universal/v2",
            "Azure fast transcription 2025-10-15",
        ),
        (
            DOMAIN,
            "wss://me.cognitiveservices.azure.com/stt/speech/universal/v2",
            "Azure fast transcription 2025-10-15",
        ),
        (LOCAL, "ws://[::1]:2/x", "fast transcription 2025-10-15 at 127.0.0.1 (not Azure)"),
    ],
)
def test_addresses_and_services(target: Target, websocket: str, service: str) -> None:
    assert target.websocket_address == websocket
    assert target.service(BY_NAME["fast-2025-10-15"]) == service


def test_a_host_that_only_resembles_azure() -> None:
    target = Target(key="k", region="r", endpoint="https://notazure.com")
    assert target.service(BY_NAME["auto"]).endswith("at notazure.com (not Azure)")


@pytest.mark.parametrize("name", [check.name for check in CHECKS if not check.refusals])
def test_the_settings_are_those_of_the_backend(name: str, tmp_path: Path) -> None:
    check = BY_NAME[name]
    settings = TARGET.settings(check, tmp_path)
    assert (settings.backend, settings.state_dir) == (check.backend, tmp_path)
    if check.backend in ("fast", "auto"):
        assert fast_options(settings).region == "westeurope"
    if check.needs_storage:
        options = batch_options(settings)
        assert (options.ttl_hours, options.storage_container) == (6, "c")
        assert check.backend == "auto" or options.api_version == check.version
    if check.backend == "realtime":
        access = access_of(realtime_options(settings), settings)
        # A stored meeting goes to the region, a live one through the recorder.
        assert (access.region == "westeurope") == check.stored


def test_a_key_is_not_shown() -> None:
    assert "'k'" not in repr(TARGET)
    assert "'x'" not in repr(TARGET)
