"""The audio of live meetings on the event loop, counted in ticks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import speech_compat as speechsdk
from double import scripted_backend
from double.program import run_program
from double.scripted_backend import Script, said
from speech_adapters.contract import Recognized
from speech_adapters.errors import AudioError, BackendError
from speech_compat._session import event_loop, pump
from speech_compat._session.pump import joining_seconds
from speech_compat._session.sources import open_source, polled
from speech_compat.audio import AudioConfig, PullAudioInputStream, PullAudioInputStreamCallback


@pytest.mark.parametrize(
    ("meetings", "longest", "seconds"),
    [(1, 0.2, 0.0), (9, 0.2, 0.0), (50, 0.2, 0.05), (1000, 0.2, 0.2), (1000, 0.04, 0.04)],
)
def test_chunks_wait_only_beside_many_meetings(
    meetings: int, longest: float, seconds: float
) -> None:
    assert joining_seconds(meetings, longest) == pytest.approx(seconds)


class Stream:
    """A source whose blocks a test adds."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.ready: Callable[[], None] | None = None
        self.polls = 0

    def add(self, block: bytes) -> None:
        self.blocks.append(block)
        if self.ready is not None:
            self.ready()

    def poll(self) -> bytes | None:
        self.polls += 1
        return self.blocks.pop(0) if self.blocks else None

    def notify(self, ready: Callable[[], None] | None) -> None:
        self.ready = ready


class Session:
    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.threads: set[str] = set()
        self.received = threading.Event()
        self.failure: Exception | None = None

    async def push(self, block: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.threads.add(threading.current_thread().name)
        self.blocks.append(block)
        self.received.set()


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return a list to which each tick adds how many sources were ready."""
    event_loop.portal()
    counted: list[int] = []
    tick = pump._Ticks._tick

    def count(self: Any, loop: asyncio.AbstractEventLoop) -> None:
        counted.append(len(self._ready))
        tick(self, loop)

    monkeypatch.setattr(pump._Ticks, "_tick", count)
    yield counted
    assert not pump._running


def test_one_tick_serves_all_sources_that_have_become_ready(ticks: list[int]) -> None:
    streams = [Stream() for _ in range(30)]
    sessions: list[Any] = [Session() for _ in streams]
    running = [
        event_loop.submit(pump.pump, session, stream, b"first", lambda _: None)
        for session, stream in zip(sessions, streams, strict=True)
    ]
    for stream in streams:
        while not stream.polls:
            pass

    async def all_at_once() -> None:
        # On the loop, so that no tick comes between.
        for stream in streams:
            stream.add(b"second")

    event_loop.call(all_at_once)
    for session in sessions:
        while len(session.blocks) < 2:
            session.received.wait(30)
    assert ticks == [30]
    for stream in streams:
        stream.add(b"")
    for future in running:
        future.result(30)
    assert [session.blocks for session in sessions] == [[b"first", b"second"]] * 30
    assert {name for session in sessions for name in session.threads} == {"speech-compat-loop"}
    assert all(stream.ready is None for stream in streams)


def test_small_chunks_are_joined_to_one_tick_beside_many_meetings(
    ticks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "_LONGEST", 0.5)
    monkeypatch.setattr(pump, "_PER_MEETING", 0.5)
    stream, session = Stream(), Session()
    any_session: Any = session
    future = event_loop.submit(pump.pump, any_session, stream, b"first", lambda _: None)
    while not stream.polls:
        pass
    stream.add(b"a")  # the first tick comes at once
    while len(session.blocks) < 2:
        session.received.wait(30)
    for block in (b"b", b"c", b"d"):
        stream.add(block)
    stream.add(b"")
    future.result(30)
    assert session.blocks == [b"first", b"a", b"b", b"c", b"d"]
    assert ticks[0] == 1
    assert len(ticks) == 2


@pytest.mark.parametrize("failure", [BackendError("refused"), ValueError("a defect")])
def test_an_error_of_a_push_ends_the_pump(ticks: list[int], failure: Exception) -> None:
    stream, session = Stream(), Session()
    session.failure = failure
    any_session: Any = session
    future = event_loop.submit(pump.pump, any_session, stream, b"first", lambda _: None)
    assert future.exception(30) is failure
    assert stream.ready is None


def test_a_bad_stream_ends_the_pump(ticks: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    session: Any = Session()

    def fail() -> bytes:
        raise AudioError("bad header")

    monkeypatch.setattr(stream, "poll", fail)
    future = event_loop.submit(pump.pump, session, stream, b"first", lambda _: None)
    assert isinstance(future.exception(30), AudioError)


def test_only_a_push_stream_is_read_on_the_loop(tmp_path: Path) -> None:
    push = speechsdk.audio.PushAudioInputStream()
    source: Any = open_source(AudioConfig(stream=push))
    assert polled(source) is source
    # Its decoder waits by itself.
    compressed = speechsdk.audio.AudioStreamFormat(
        compressed_stream_format=speechsdk.AudioStreamContainerFormat.MP3
    )
    assert (
        polled(open_source(AudioConfig(stream=speechsdk.audio.PushAudioInputStream(compressed))))
        is None
    )
    pull = open_source(AudioConfig(stream=PullAudioInputStream(PullAudioInputStreamCallback())))
    assert polled(pull) is None


def test_a_polled_stream_notifies_once_and_at_its_end() -> None:
    stream = speechsdk.audio.PushAudioInputStream()
    source: Any = open_source(AudioConfig(stream=stream))
    notified: list[str] = []
    source.notify(lambda: notified.append("ready"))
    stream.write(b"ab")
    assert notified == []  # nothing was missing yet
    assert source.poll() == b"ab"
    assert source.poll() is None
    stream.write(b"a")
    stream.write(b"b")
    assert notified == ["ready"]
    assert source.poll() == b"ab"
    assert source.poll() is None
    stream.close()
    assert notified == ["ready", "ready"]
    assert source.poll() == b""
    assert source.poll() == b""


def test_a_polled_stream_that_is_stopped_returns_what_is_pending_and_then_the_end() -> None:
    stream = speechsdk.audio.PushAudioInputStream()
    source: Any = open_source(AudioConfig(stream=stream))
    notified: list[str] = []
    source.notify(lambda: notified.append("ready"))
    assert source.poll() is None
    source.stop()
    assert notified == ["ready"]
    assert source.poll() == b""


def test_a_live_meeting_has_all_of_its_audio_in_order_and_no_thread_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script([(0.5, Recognized(said("Yes.", 0.1, 0.4)))])
    scripted_backend.install(monkeypatch, script)
    config = speechsdk.SpeechConfig("key", "region")
    config.set_property_by_name("speech-compat.backend", "scripted")
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    stream = speechsdk.audio.PushAudioInputStream()
    transcriber = speechsdk.transcription.MeetingTranscriber(
        speechsdk.audio.AudioConfig(stream=stream)
    )
    texts: list[str] = []
    transcribed = threading.Event()

    def note(event: Any) -> None:
        texts.append(event.result.text)
        transcribed.set()

    transcriber.transcribed.connect(note)
    transcriber.join_meeting_async(speechsdk.transcription.Meeting(config, "m")).get()
    transcriber.start_transcribing_async().get()
    chunks = [bytes([number]) * 640 for number in range(100)]
    for chunk in chunks:
        stream.write(chunk)
    assert transcribed.wait(30)
    names = {thread.name for thread in threading.enumerate()}
    assert "speech-compat-audio" not in names
    stream.close()
    transcriber.stop_transcribing_async().get()
    (session,) = script.sessions
    assert session.audio == b"".join(chunks)
    assert session.finished
    assert texts == ["Yes."]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_wake_the_loop_of_its_parent() -> None:
    program = """
import os
import speech_compat as speechsdk
from speech_compat._session import pump
from speech_compat._session.sources import open_source
stream = speechsdk.audio.PushAudioInputStream()
source = open_source(speechsdk.audio.AudioConfig(stream=stream))
source.notify(lambda: print(os.getpid() == parent, flush=True))
pump._running.add(source)
assert source.poll() is None
parent = os.getpid()
child = os.fork()
stream.write(b"ab")
if not child:
    os._exit(len(pump._running))
assert os.waitpid(child, 0)[1] == 0
"""
    done = run_program(program)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
