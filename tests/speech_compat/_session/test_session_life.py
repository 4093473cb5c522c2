"""When a session starts, restarts, is dropped or forked, and how long its end is waited for."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import speech_compat as speechsdk
from double.program import run_program
from double.sessions import ENDED, Log, Source, begun, ended, soon, started
from oracle import scripted
from oracle.scenario import PHRASES, Scenario
from oracle.scripted import Played, install
from speech_adapters.contract import JobState, MeetingRequest, Mode, Session
from speech_adapters.store import Store
from speech_compat import SpeechConfig
from speech_compat._session import active, backlog, event_loop
from speech_compat._session import session as module
from speech_compat._session.records import EventRecord
from speech_compat._session.session import TranscriptionSession
from speech_compat.transcription import ConversationTranscriber

# Transcribes on the scripted backend, in a process of its own.
PROGRAM = """
import gc, os, sys, threading, warnings
import pytest
from oracle.scenario import Scenario
from oracle.scripted import Played, install
import speech_compat as speechsdk

install(pytest.MonkeyPatch(), Played(Scenario()))

def transcribe(name):
    stream = speechsdk.audio.PushAudioInputStream()
    audio = speechsdk.audio.AudioConfig(stream=stream)
    config = speechsdk.SpeechConfig("key", "region")
    transcriber = speechsdk.transcription.ConversationTranscriber(config, audio)
    stopped = threading.Event()
    transcriber.transcribed.connect(lambda _: print(name, "transcribed", flush=True))
    transcriber.canceled.connect(
        lambda e: print(name, e.cancellation_details.reason.name, flush=True)
    )
    transcriber.session_stopped.connect(lambda _: stopped.set())
    transcriber.start_transcribing_async().get()
    stream.write(bytes(3200))
    stream.close()
    assert stopped.wait(30)
    print(name, "stopped", flush=True)
    return transcriber
"""


def lines(name: str) -> list[str]:
    return [*[f"{name} transcribed"] * len(PHRASES), f"{name} EndOfStream", f"{name} stopped"]


class Opening:
    """Delays the opening of a meeting until the test releases it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        backend: Any = scripted._ScriptedBackend
        opened = backend.open_session

        async def open_slowly(own: Any, request: MeetingRequest) -> Session:
            self.begun.set()
            await anyio.to_thread.run_sync(self.released.wait, ENDED)
            session: Session = await opened(own, request)
            return session

        monkeypatch.setattr(backend, "open_session", open_slowly)


def opening(log: Log, source: Source, mode: Mode, delayed: Opening) -> TranscriptionSession:
    session = begun(log, lambda: source, mode)
    assert delayed.begun.wait(ENDED)
    return session


def test_the_meeting_is_open_before_the_start_is_signaled(
    log: Log, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    delayed, source = Opening(monkeypatch), Source()
    session = opening(log, source, Mode.STORED, delayed)
    assert log.names == []
    assert not session._started.is_set()
    delayed.released.set()
    session.wait_started()
    assert played.open_sessions == 1
    assert log.names == ["session_started"]
    source.released.set()
    assert ended(session)


def test_a_stored_meeting_is_in_the_store_when_the_start_returns(tmp_path: Path) -> None:
    config = SpeechConfig("key", "region")
    for name, value in {
        "backend": "fast",
        "state_dir": str(tmp_path),
        "backends.fast.endpoint": "http://127.0.0.1:9",
        "backends.fast.key": "key",
    }.items():
        config.set_property_by_name(f"speech-compat.{name}", value)
    channel = speechsdk.ServicePropertyChannel.UriQueryParameter
    config.set_service_property("transcriptionMode", "async", channel)
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    stream = speechsdk.audio.PushAudioInputStream()
    audio = speechsdk.audio.AudioConfig(stream=stream)
    transcriber = speechsdk.transcription.MeetingTranscriber(audio)
    meeting = speechsdk.transcription.Meeting(config, "m")
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async().get()
    with Store.open(tmp_path) as store:
        assert store.newest("m").state is JobState.UPLOADING
    transcriber.stop_transcribing_async().get()


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.STORED])
def test_the_exit_of_the_program_waits_for_a_meeting_that_is_being_opened(
    log: Log,
    played: Played,
    mode: Mode,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.01)
    delayed, source = Opening(monkeypatch), Source()
    session = opening(log, source, mode, delayed)
    threading.Timer(0.1, delayed.released.set).start()
    threading.Timer(0.2, source.released.set).start()
    session.end_with_program(time.monotonic() + ENDED)
    assert session._opened.is_set()
    assert ended(session)
    assert played.open_sessions == 0
    assert log.names[0] == "session_started"
    assert log.names[-1] == "session_stopped"
    assert (log.error, caplog.text) == ("", "")


def test_a_meeting_that_opens_after_its_program_has_ended_is_closed_at_once(
    log: Log,
    played: Played,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.1)
    delayed, source = Opening(monkeypatch), Source()
    session = opening(log, source, Mode.LIVE, delayed)
    session.end_with_program(soon())
    delayed.released.set()
    session.wait_started()
    assert played.open_sessions == 0
    source.released.set()
    assert ended(session)
    assert log.names == ["session_started", "session_stopped"]
    assert (log.error, caplog.text) == ("", "")


def test_a_program_that_ends_while_a_meeting_cannot_be_opened_prints_nothing() -> None:
    done = run_program(
        PROGRAM
        + """
import anyio
from oracle import scripted
from speech_compat._session import active, session

begun = threading.Event()

async def hang(*_):
    begun.set()
    await anyio.sleep_forever()

scripted._ScriptedBackend.open_session = hang
active._EXIT_SECONDS = session._CLOSE_SECONDS = 0.2
stream = speechsdk.audio.PushAudioInputStream()
audio = speechsdk.audio.AudioConfig(stream=stream)
config = speechsdk.SpeechConfig("key", "region")
transcriber = speechsdk.transcription.ConversationTranscriber(config, audio)
transcriber.canceled.connect(lambda e: print(e.cancellation_details.reason.name))
transcriber.start_transcribing_async()
assert begun.wait(30)
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_thread_that_outlives_the_main_thread_receives_all_results() -> None:
    done = run_program(
        PROGRAM
        + """
def work():
    transcribe("before")
    threading.main_thread().join()
    transcribe("after")

threading.Thread(target=work).start()
"""
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [*lines("before"), *lines("after")]


def test_a_transcription_may_begin_after_the_main_thread_has_ended() -> None:
    done = run_program(
        PROGRAM
        + """
def work():
    threading.main_thread().join()
    transcribe("first")

threading.Thread(target=work).start()
"""
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == lines("first")


def test_host_names_are_found_after_the_main_thread_has_ended() -> None:
    done = run_program(
        PROGRAM
        + """
import anyio
from speech_compat._session import event_loop

async def look_up():
    return await anyio.getaddrinfo("localhost", 80)

def work():
    threading.main_thread().join()
    print(bool(event_loop.call(look_up)))

event_loop.portal()
threading.Thread(target=work).start()
"""
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_transcribes_anew_and_forgets_what_runs_in_its_parent() -> None:
    done = run_program(
        PROGRAM
        + """
warnings.simplefilter("ignore")
stream = speechsdk.audio.PushAudioInputStream()
audio = speechsdk.audio.AudioConfig(stream=stream)
config = speechsdk.SpeechConfig("key", "region")
running = speechsdk.transcription.ConversationTranscriber(config, audio)
running.start_transcribing_async().get()
child = os.fork()
if not child:
    running.stop_transcribing_async().get()
    transcribe("child")
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
running.stop_transcribing_async().get()
transcribe("parent")
"""
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [*lines("child"), *lines("parent")]


def transcriber_of() -> tuple[ConversationTranscriber, speechsdk.audio.PushAudioInputStream]:
    stream = speechsdk.audio.PushAudioInputStream()
    audio = speechsdk.audio.AudioConfig(stream=stream)
    return ConversationTranscriber(SpeechConfig("key", "region"), audio), stream


def _stop(transcriber: ConversationTranscriber, _: object) -> None:
    transcriber.stop_transcribing_async()


def test_a_session_whose_thread_cannot_start_does_not_delay_the_exit(
    log: Log, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_loop.portal()
    before = set(active._active)  # sessions of other tests may still be ending

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            begun(log, Source, Mode.LIVE)
    assert active._active <= before


def test_a_transcriber_that_is_dropped_leaves_nothing_running(played: Played) -> None:
    streams = []
    for _ in range(3):
        transcriber, stream = transcriber_of()
        # A callback that refers to the transcriber makes a cycle, which is dropped too.
        transcriber.canceled.connect(partial(_stop, transcriber))
        transcriber.start_transcribing_async().get()
        stream.write(bytes(3200))
        streams.append(stream)
        del transcriber
    gc.collect()
    deadline = time.monotonic() + ENDED
    while played.open_sessions or active._active:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_restart_in_session_stopped_starts_a_session(played: Played) -> None:
    transcriber, stream = transcriber_of()
    names: list[str] = []
    again = threading.Event()

    def restart(_: object) -> None:
        names.append("stopped")
        if names.count("stopped") == 1:
            transcriber.start_transcribing_async().get()  # must not wait for itself
            again.wait(0.2)  # the second session must not start before the return
            names.append("returned")

    def note(_: object) -> None:
        names.append("started")
        if names.count("started") > 1:
            again.set()

    transcriber.session_started.connect(note)
    transcriber.session_stopped.connect(restart)
    transcriber.start_transcribing_async().get()
    stream.write(bytes(3200))
    transcriber.stop_transcribing_async().get()
    assert again.wait(ENDED)
    transcriber.stop_transcribing_async().get()
    # The second session starts only after the callback of the first one has returned.
    assert names == ["started", "stopped", "returned", "started", "stopped"]


def test_sys_exit_in_a_callback_ends_neither_session_nor_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, Played(Scenario()))
    transcriber, stream = transcriber_of()
    texts: list[str] = []
    stopped = threading.Event()
    transcriber.transcribed.connect(lambda _: sys.exit(3))
    transcriber.transcribed.connect(lambda event: texts.append(event.result.text))
    transcriber.session_stopped.connect(lambda _: stopped.set())
    transcriber.start_transcribing_async().get()
    stream.write(bytes(3200))
    stream.close()
    assert stopped.wait(ENDED)
    assert texts == [phrase.text for phrase in PHRASES]


class BlockedLog(Log):
    """A listener whose callback of ``canceled`` does not return before the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def result(self, name: str, event: EventRecord) -> None:
        super().result(name, event)
        self.released.wait(ENDED)


def test_a_stop_returns_although_a_callback_does_not(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_CALLBACK_SECONDS", 0.1)
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.02)
    log, source = BlockedLog(), Source()
    session = started(log, source, Mode.STORED)
    source.released.set()
    session.wait_stopped()
    assert not session.ended
    assert "A callback has not returned within 0.1 s" in caplog.text
    log.released.set()
    assert ended(session)


def test_audio_that_the_program_has_ended_drains_as_long_as_there_is_progress(
    log: Log, played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_DRAIN_SECONDS", 0.05)
    source = Source()
    source.complete = True
    session = started(log, source, Mode.LIVE)
    session.stop()
    threading.Timer(0.3, source.released.set).start()
    assert ended(session)
    assert caplog.text == ""


def test_a_rest_that_is_lost_is_logged_in_seconds(
    log: Log, played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backlog, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(backlog, "_CHECK_SECONDS", 0.02)
    source = Source()
    source.complete = True
    session = started(log, source, Mode.LIVE)
    session.stop()
    assert ended(session)
    assert "the rest is lost (0.1 seconds of audio)" in caplog.text


@pytest.mark.parametrize(("seconds", "lost"), [(ENDED, False), (0.2, True)])
def test_the_exit_of_the_program_waits_for_audio_that_it_has_ended(
    log: Log,
    played: Played,
    seconds: float,
    lost: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(backlog, "_CHECK_SECONDS", 0.02)
    source = Source()
    source.complete = True
    session = started(log, source, Mode.LIVE)
    if not lost:
        threading.Timer(0.3, source.released.set).start()
    session.end_with_program(time.monotonic() + seconds)
    source.released.set()
    assert ended(session)
    text = "The program has ended: the rest is lost (0.1 seconds of audio)."
    assert (text in caplog.text) is lost


def test_calls_after_the_end_of_the_loop_name_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "_ended", True)
    with pytest.raises(event_loop.ProgramEndingError, match="The program is ending"):
        event_loop.portal()
