from __future__ import annotations

import asyncio
import threading
import warnings
from typing import Any

import pytest

import speech_compat as speechsdk
from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters.contract import Mode
from speech_adapters.gap import Gap
from speech_compat._session.call_site import CallSite, call_site
from speech_compat._session.mapping.requests import Plan
from speech_compat.audio import AudioConfig, PushAudioInputStream

WARNING = speechsdk.GapWarning(Gap("x", "it is lost", "do without", code="SC999"), "some")


def run_as(module: str, code: str, **names: Any) -> dict[str, Any]:
    """Run code as if it were in a module."""
    names |= {"__name__": module, "call_site": call_site}
    exec(compile(code, f"{module}.py", "exec"), names)
    return names


def test_the_line_is_that_of_the_program_outside_of_the_packages() -> None:
    own = run_as("speech_compat._sdk.x", "def start():\n    return call_site()")
    backend = run_as("speech_adapters", "def call():\n    return start()", start=own["start"])
    program = run_as("speech_compat_program", "\n\nsite = call()", call=backend["call"])
    site = program["site"]
    assert (site.filename, site.line) == ("speech_compat_program.py", 3)
    assert site.module == "speech_compat_program"
    assert site.registry is program["__warningregistry__"]


def test_a_stack_without_a_program_has_a_line_too() -> None:
    found: list[CallSite] = []
    own = run_as("speech_compat.x", "def start():\n    found.append(call_site())", found=found)
    # The outermost frame of a thread is one of the module threading.
    thread = threading.Thread(target=own["start"])
    thread.start()
    thread.join()
    assert found[0].module == "threading"


def test_a_plan_belongs_to_the_line_that_makes_it() -> None:
    config = speechsdk.SpeechConfig("key", "region")
    plan = Plan(config, "m", Mode.LIVE, "en-US", True, (), ())
    assert plan.site.filename == __file__


def test_a_warning_is_shown_once_for_each_line() -> None:
    first, second = call_site(), call_site()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for site in (first, first, second):
            site.warn(WARNING)
    assert [one.lineno for one in caught] == [first.line]
    other = call_site()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for site in (first, other):
            site.warn(WARNING)
    assert {(one.filename, one.lineno) for one in caught} == {
        (__file__, first.line),
        (__file__, other.line),
    }


def test_the_code_selects_a_warning() -> None:
    with pytest.raises(speechsdk.GapWarning, match="SC999"):
        call_site().warn(WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SC999")
        call_site().warn(WARNING)


def test_an_asynchronous_program_is_warned_at_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Played(Scenario()))
    config = speechsdk.SpeechConfig("key", "region")
    config.set_profanity(speechsdk.ProfanityOption.Raw)
    stream = PushAudioInputStream()
    audio = AudioConfig(stream=stream)
    transcriber = speechsdk.transcription.ConversationTranscriber(config, audio)

    async def work() -> None:
        async with transcriber:
            stream.close()

    with pytest.warns(speechsdk.GapWarning, match="SC209") as caught:
        asyncio.run(work())
    (found,) = caught
    assert (found.filename, found.lineno) == (__file__, work.__code__.co_firstlineno + 1)
