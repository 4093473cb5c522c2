"""The same program on the real package, served on loopback, and on the facade.

Deliberate differences are listed in ``tests/ledger/differences.toml``.  They are removed here
one by one; everything else must be equal, field by field.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import speech_compat
from oracle import lifecycle, program
from oracle.scenario import Scenario
from oracle.scripted import Played, install
from oracle.service import script_of
from speech_adapters import LabelStyle
from speech_compat.properties import name_of
from speech_compat.testing.loopback import LoopbackService

ERAS = ("meeting", "diarization")
LABELS = {"meeting": LabelStyle.MEETING, "diarization": LabelStyle.DIARIZATION}
UNREACHABLE = "ws://127.0.0.1:9"
SAME_ENDS = ("normal", "early")
# Properties of a service, which the facade does not invent.
OF_THE_SERVICE = {
    "SpeechServiceResponse_RecognitionBackend",
    "SpeechServiceResponse_RecognitionLatencyMs",
    "SpeechServiceResponse_RequestId",
}


@cache
def why_not() -> str:
    """Return the reason why the real package cannot run here, or an empty string."""
    if importlib.util.find_spec("azure") is None:
        return "azure-cognitiveservices-speech has no wheel for this platform"
    # Its native library needs OpenSSL and ALSA, which the system may lack.
    code = (
        "import azure.cognitiveservices.speech as s; s.SpeechConfig(subscription='k', region='r')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stderr.strip().rsplit("\n", 1)[-1]


@pytest.fixture(autouse=True)
def _needs_the_real_package() -> None:
    if why_not():
        pytest.skip(why_not())


def on_the_real_package(era: str, end: str) -> list[dict[str, Any]]:
    """Run in a separate process, because the package loads a native library."""
    with LoopbackService(script_of(Scenario(end), LABELS[era])).running() as served:
        endpoint = UNREACHABLE if end == "refused" else served
        done = subprocess.run(
            [sys.executable, str(Path(program.__file__)), era, endpoint, end],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    # Its meeting transcriber prints a debug line.
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


def on_the_facade(era: str, end: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    install(monkeypatch, Played(Scenario(end)))
    config = speech_compat.SpeechConfig(endpoint=UNREACHABLE, subscription="no-key")
    return program.run(speech_compat, era, config, early=end == "early")


def use_the_real_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure the backend ``realtime``, which uses the real package.

    Its corrections of unknown speakers are turned off: the real package has none.
    """
    for name, value in {"BACKEND": "realtime", "BACKENDS__REALTIME__BACKFILL_SECONDS": "0"}.items():
        monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)


def on_the_facade_and_the_real_package(
    era: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    use_the_real_package(monkeypatch)
    # The service's labels today, whatever the era of the program.
    script = script_of(Scenario(end), LabelStyle.DIARIZATION)
    with LoopbackService(script).running() as served:
        endpoint = UNREACHABLE if end == "refused" else served
        config = speech_compat.SpeechConfig(endpoint=endpoint, subscription="no-key")
        return program.run(speech_compat, era, config, early=end == "early")


def comparable(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace random ids by the order of their first appearance."""
    seen: dict[str, str] = {}

    def number(text: str) -> str:
        return seen.setdefault(text, f"id {len(seen)}")

    entries: list[dict[str, Any]] = json.loads(json.dumps(log))
    for entry in entries:
        entry["session_id"] = number(entry["session_id"])
        if "result" in entry:
            result = entry["result"]
            random, result["result_id"] = result["result_id"], number(result["result_id"])
            result["str"] = result["str"].replace(random, result["result_id"])
            result["properties"] = sorted(set(result["properties"]) - OF_THE_SERVICE)
            result["json"] = document(result["json"], number)
    return entries


def document(text: str, number: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text) if text else {}
    found.pop("UtteranceId", None)  # the loopback service sends it in every era
    return {key: number(value) if key == "Id" else value for key, value in found.items()}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("end", SAME_ENDS)
def test_the_logs_are_equal(era: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = comparable(on_the_real_package(era, end))
    ours = comparable(on_the_facade(era, end, monkeypatch))
    assert ours == real


# The facade's code with the scripted backend, and the real package's.  Only the scripted
# backend raises errors without a cause; with `realtime` the codes are equal, see below.
CODES = {
    "refused": ("ServiceUnavailable", "ConnectionFailure"),
    "unauthorized": ("AuthenticationFailure", "AuthenticationFailure"),
    "bad-request": ("RuntimeError", "BadRequest"),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("end", CODES)
def test_errors_differ_in_code_and_words_only(
    era: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = comparable(on_the_real_package(era, end))
    ours = comparable(on_the_facade(era, end, monkeypatch))
    codes = tuple(words_removed(log) for log in (ours, real))
    assert codes == CODES[end]
    assert ours == real


def words_removed(log: list[dict[str, Any]]) -> str:
    """Remove code and text from a log; return the code."""
    canceled = next(entry for entry in log if entry["event"] == "canceled")
    assert canceled["details"].pop("text")
    code: str = canceled["details"].pop("code")
    return code


@pytest.mark.parametrize("era", ERAS)
def test_an_unreadable_answer_is_an_error_where_the_backend_raises_one(
    era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real package repeats the request; the scripted backend raises."""
    real = [entry["event"] for entry in on_the_real_package(era, "malformed")]
    ours = on_the_facade(era, "malformed", monkeypatch)
    phrases = len(Scenario().phrases)
    assert real.count("transcribed") == phrases
    assert real[-2:] == ["canceled", "session_stopped"]
    assert [entry["event"] for entry in ours].count("transcribed") == phrases
    assert ours[-2]["details"]["reason"] == "Error"
    assert ours[-1]["event"] == "session_stopped"


NAMES_OF_IDS = """
import json
from azure.cognitiveservices.speech import PropertyId, SpeechConfig
names = json.loads(input())
config = SpeechConfig("key", "region")
for id in PropertyId:
    config.set_property(id, f"value of {id.name}")
wrong = [i.name for i in PropertyId
         if config.get_property_by_name(names[i.name]) != f"value of {i.name}"]
print(json.dumps(wrong))
"""


def test_the_names_behind_ids_are_the_real_ones() -> None:
    names = {found.name: name_of(found) for found in speech_compat.PropertyId}
    done = subprocess.run(
        [sys.executable, "-c", NAMES_OF_IDS],
        input=json.dumps(names) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("end", SAME_ENDS)
def test_the_logs_are_equal_with_the_real_package_underneath(
    era: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = comparable(on_the_real_package(era, end))
    ours = on_the_facade_and_the_real_package(era, end, monkeypatch)
    assert comparable(ours) == real


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("end", ["refused", "unauthorized", "bad-request"])
def test_errors_have_the_real_packages_codes_with_it_underneath(
    era: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = comparable(on_the_real_package(era, end))
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__REALTIME__ATTEMPTS", "1")
    ours = comparable(on_the_facade_and_the_real_package(era, end, monkeypatch))
    assert words_removed(ours) == words_removed(real)
    assert ours == real


@pytest.mark.parametrize("era", ERAS)
def test_an_unreadable_answer_is_requested_again_with_the_real_package_underneath(
    era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = [entry["event"] for entry in on_the_real_package(era, "malformed")]
    ours = on_the_facade_and_the_real_package(era, "malformed", monkeypatch)
    assert [entry["event"] for entry in ours] == real
    assert ours[-2]["details"]["reason"] == "EndOfStream"


def life(which: str, case: str) -> list[str]:
    """Run a program of ``lifecycle``; return the lines that it prints."""
    script = script_of(Scenario(), LabelStyle.DIARIZATION)
    with LoopbackService(script).running() as served:
        done = subprocess.run(
            [sys.executable, lifecycle.__file__, which, case, served],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return done.stdout.splitlines()


@pytest.mark.parametrize("case", lifecycle.CASES)
def test_unusual_ends_and_restarts_are_those_of_the_real_package(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_the_real_package(monkeypatch)
    assert life("facade", case) == life("real", case)
