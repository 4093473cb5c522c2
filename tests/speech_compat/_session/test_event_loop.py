"""How a program ends while something runs; each in a process of its own."""

from __future__ import annotations

import socket
import textwrap
import threading
from pathlib import Path

import pytest

from double.program import run_program
from speech_adapters.contract import JobState
from speech_adapters.store import Store
from speech_compat._session import event_loop

PROLOGUE = """
import speech_compat as speechsdk, sys, time
config = speechsdk.SpeechConfig("key", "region")
stream = speechsdk.audio.PushAudioInputStream()
audio = speechsdk.audio.AudioConfig(stream=stream)
transcriber = speechsdk.transcription.ConversationTranscriber(config, audio)
transcriber.start_transcribing_async().get()
stream.write(bytes(32000))
"""


def test_starting_something_soon_does_not_wait_for_the_loop() -> None:
    entered, proceed, started = threading.Event(), threading.Event(), threading.Event()

    async def block() -> None:
        entered.set()
        assert proceed.wait(30)

    async def start() -> None:
        started.set()

    blocked = event_loop.portal().start_task_soon(block)
    assert entered.wait(30)
    starter = threading.Thread(target=event_loop.start_soon, args=(start,), daemon=True)
    starter.start()
    starter.join(10)
    waited = starter.is_alive()
    proceed.set()
    blocked.result()
    assert not waited
    assert started.wait(30)


def test_an_error_of_what_was_started_soon_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    failed = threading.Event()

    async def fail() -> None:
        failed.set()
        raise ValueError("broken")

    event_loop.portal()
    event_loop.start_soon(fail)
    assert failed.wait(30)
    event_loop.call(event_loop._finish_tasks)
    assert "failed in the background" in caplog.text


def test_what_was_started_soon_ends_before_the_program() -> None:
    program = """
import anyio
from speech_compat._session import event_loop

async def work():
    await anyio.sleep(0.2)
    print("done")

event_loop.portal()
event_loop.start_soon(work)
"""
    done = run_program(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_last_ending_may_be_registered_while_the_program_ends() -> None:
    program = """
from speech_compat._session import event_loop

event_loop.portal()
event_loop.run_at_exit(lambda: event_loop.run_at_exit(lambda: print("last"), last=True))
"""
    done = run_program(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "last\n", "")


def test_a_program_that_ends_during_an_upload_has_stored_its_meeting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:  # accepts, and never answers
        program = f"""
import time
import speech_compat as speechsdk
from speech_adapters.store import Store
from speech_compat._session import active, event_loop, session

active._EXIT_SECONDS, session._CLOSE_SECONDS = 0.5, 30
config = speechsdk.SpeechConfig("key", "region")
for name, value in {{
    "backend": "fast",
    "state_dir": {str(tmp_path)!r},
    "backends.fast.endpoint": "http://127.0.0.1:{service.getsockname()[1]}",
    "backends.fast.key": "key",
}}.items():
    config.set_property_by_name("speech-compat." + name, value)
config.set_service_property(
    "transcriptionMode", "async", speechsdk.ServicePropertyChannel.UriQueryParameter
)
config.set_property_by_name("DifferentiateGuestSpeakers", "true")
stream = speechsdk.audio.PushAudioInputStream()
transcriber = speechsdk.transcription.MeetingTranscriber(speechsdk.audio.AudioConfig(stream=stream))
transcriber.canceled.connect(lambda event: print(event.cancellation_details.reason.name))
transcriber.session_stopped.connect(lambda _: print("stopped"))
meeting = speechsdk.transcription.Meeting(config, "m")
transcriber.join_meeting_async(meeting).get()
transcriber.start_transcribing_async().get()
stream.write(bytes(32000))
stream.close()
while not any(running._audio._finishing for running in active._active):
    time.sleep(0.01)
"""
        done = run_program(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "EndOfStream\nstopped\n", "")
    with Store.open(tmp_path) as store:
        found = store.newest("m")
    assert (found.state, found.audio_bytes, found.notes) == (JobState.PROCESSING, 32_000, ())


@pytest.mark.engine
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("time.sleep(1)", 0),
        ("sys.exit(3)", 3),
        ("raise SystemExit('x')", 1),
        ("transcriber.stop_transcribing_async()", 0),
    ],
)
def test_a_program_that_just_ends_ends(ending: str, code: int) -> None:
    program = textwrap.dedent(PROLOGUE) + ending
    done = run_program(program)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_a_loop_that_a_daemon_thread_started_ends_with_the_program() -> None:
    code = """
import threading
from speech_compat._session import event_loop

async def nothing():
    pass

event_loop.run_at_exit(lambda: print("ended"))
thread = threading.Thread(target=event_loop.call, args=(nothing,), daemon=True)
thread.start()
thread.join()
"""
    done = run_program(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
