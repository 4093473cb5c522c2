from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest

from double.missing import hide_package
from speech_adapters.config import missing_option
from speech_adapters.diagnosis import (
    Check,
    Finding,
    Level,
    failed,
    failure,
    library_check,
    ok,
    package_check,
    run_check,
)
from speech_adapters.errors import BackendError, ConfigurationError, SpeechError
from speech_adapters.extras import missing_extra


def run(check: Check, *, online: bool = False) -> Finding:
    async def work() -> Finding:
        return await run_check(check, online=online)

    return anyio.run(work)


def test_secrets_are_masked() -> None:
    found = failed("https://x.invalid/a?sig=s3cret refused it", "Do not use AccountKey=s3cret;")
    assert "s3cret" not in f"{found.text} {found.fix} {found!r}"


@pytest.mark.parametrize(
    ("error", "cause", "fix"),
    [
        (
            missing_extra("batch", "httpx"),
            "The package httpx is needed, but not installed.",
            'pip install "speech-compat[batch]"',
        ),
        (
            missing_option("fast", "region or endpoint", "of your resource"),
            "The fast backend needs backends.fast.region or endpoint of your resource.",
            "Set it in speech-compat.toml, or SPEECH_COMPAT_BACKENDS__FAST__REGION. See"
            " docs/configuration.md.",
        ),
        (BackendError("The service is closed."), "The service is closed.", "Ask its owner."),
        (
            ConfigurationError("There is no file x: correct the name."),
            "There is no file x.",
            "Correct the name.",
        ),
        (
            ConfigurationError("A region needs backends.realtime.resource_id too."),
            "A region needs backends.realtime.resource_id too.",
            "Ask its owner. In the environment: SPEECH_COMPAT_BACKENDS__REALTIME__RESOURCE_ID.",
        ),
        (
            ConfigurationError("There is no x: set backends.local.model_path to one."),
            "There is no x.",
            "Set backends.local.model_path to one."
            " In the environment: SPEECH_COMPAT_BACKENDS__LOCAL__MODEL_PATH.",
        ),
        (BackendError("It is full. Ask again later."), "It is full.", "Ask again later."),
    ],
)
def test_a_message_becomes_cause_and_fix(error: SpeechError, cause: str, fix: str) -> None:
    found = failure(error, "Ask its owner.")
    assert (found.level, found.text, found.fix) == (Level.FAILED, cause, fix)


def test_an_error_in_a_check_is_a_finding() -> None:
    async def broken() -> Finding:
        raise KeyError("s3cret")

    found = run(Check("x", "X", broken))
    assert found.level is Level.FAILED
    assert found.text.startswith("The check itself failed: KeyError in test_diagnosis.py, line")
    assert found.fix
    assert "s3cret" not in found.text


def test_a_check_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_adapters.diagnosis._LONGEST_SECONDS", 0.01)

    async def hang() -> Finding:
        await anyio.sleep_forever()
        return ok("never")

    assert run(Check("x", "X", hang)).text == "The check did not end in 0.01 s."


def test_checks_that_send_something_run_only_on_demand() -> None:
    async def send() -> Finding:
        return ok("sent")

    check = Check("x", "X", send, online=True)
    assert run(check).level is Level.SKIPPED
    assert "--online" in run(check).text
    assert run(check, online=True) == ok("sent")


def test_packages_are_named_with_their_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    check = package_check("batch", {"httpx": "httpx"})
    assert run(check).text.startswith("httpx 0.")
    hide_package(monkeypatch, "httpx")
    assert run(check).fix == 'pip install "speech-compat[batch]"'


def crash(_: str) -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return ""


def refuse(_: str) -> str:
    raise BackendError("libx.so.1 cannot be opened.")


def load(_: str) -> str:
    return "libx 1.2"


def test_native_libraries_are_loaded_in_a_process_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The child finds the functions of this file, and what it imports.
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    for function in (crash, refuse, load):
        monkeypatch.setattr(function, "__module__", "test_diagnosis")
    assert run(library_check(load, "local")) == ok("libx 1.2")
    crashed = run(library_check(crash, "local"))
    assert crashed.level is Level.FAILED
    assert "died (exit code -11)" in crashed.text
    assert 'pip install --force-reinstall "speech-compat[local]"' in crashed.fix
    assert run(library_check(refuse, "local")).text == "libx.so.1 cannot be opened."
