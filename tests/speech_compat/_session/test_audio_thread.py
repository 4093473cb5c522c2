"""How the audio of many meetings goes to their sessions, counted in changes of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import speech_compat as speechsdk
from double import scripted_backend
from double.sessions import Source
from speech_adapters import threads
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import MeetingRequest, Mode
from speech_compat._session import audio_thread, event_loop
from speech_compat._session.audio_thread import AudioThread
from speech_compat._session.backlog import Backlog
from speech_compat._session.connection import MeetingConnection
from speech_compat.remote_meeting import RemoteMeetingTranscriptionClient

CHUNK = bytes(range(64)) * 10


class Written:
    """A session that any thread can write to."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.threads: set[str] = set()

    def push_blocking(self, audio: bytes) -> None:
        self.threads.add(threading.current_thread().name)
        self.blocks.append(audio)

    async def push(self, audio: bytes) -> None:
        raise AssertionError("a change of threads for each block")

    async def finish(self) -> None:
        self.blocks.append(b"end")


class Plan:
    meeting_id = "m"

    def __init__(self, mode: Mode) -> None:
        self.mode = mode

    def with_present_attendees(self) -> None:
        """There are none."""

    def request(self, pcm: PcmFormat, notes: tuple[str, ...]) -> MeetingRequest:
        return MeetingRequest(self.meeting_id, audio=pcm, mode=self.mode, notes=notes)


def thread(mode: Mode) -> AudioThread:
    plan: Any = Plan(mode)
    return AudioThread(plan, lambda: False, MeetingConnection(), Backlog())


def test_a_session_that_threads_can_write_to_needs_the_loop_at_its_end_only() -> None:
    session: Any = Written()
    source: Any = Source()
    source.released.set()
    audio = thread(Mode.STORED)
    audio.start(session, source, b"first")
    assert audio.finished.wait(30)
    assert audio.failure is None
    assert session.blocks == [b"first", bytes(3200), b"end"]
    assert session.threads == {"speech-compat-audio"}


def test_chunks_of_stored_meetings_wait_for_others_beside_many_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session: Any = Written()
    source: Any = Source()
    source.released.set()
    monkeypatch.setattr(audio_thread, "_running", set(range(49)))
    audio = thread(Mode.STORED)
    audio.start(session, source, b"first")
    assert audio.finished.wait(30)
    assert source.patience == pytest.approx(0.05)


def test_chunks_of_live_meetings_wait_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Written()
    source: Any = Source()
    source.released.set()
    monkeypatch.setattr(audio_thread, "_running", set(range(49)))
    audio = thread(Mode.BOTH)
    audio.start(session, source, b"first")
    assert audio.finished.wait(30)
    assert source.patience == pytest.approx(0.04)


def test_a_meeting_whose_audio_has_ended_is_not_counted() -> None:
    session: Any = Written()
    source: Any = Source()
    audio = thread(Mode.STORED)
    audio.start(session, source, b"first")
    assert source.reading.wait(30)
    assert audio in audio_thread._running
    source.released.set()
    assert audio.finished.wait(30)
    assert audio not in audio_thread._running


def test_a_stored_meeting_of_the_program_has_no_change_of_threads_for_its_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_backend.install(monkeypatch, scripted_backend.Script())
    calls: list[str] = []
    run, submit = threads.AUDIO.run, event_loop.submit

    async def counted_run(function: Callable[..., Any], *args: Any) -> Any:
        calls.append(function.__name__)
        return await run(function, *args)

    def counted_submit(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        if function.__name__ == "push":
            calls.append("push")
        return submit(function, *args)

    monkeypatch.setattr(threads.AUDIO, "run", counted_run)
    monkeypatch.setattr(event_loop, "submit", counted_submit)
    config = speechsdk.SpeechConfig("key", "region")
    for name, value in {"backend": "clock", "state_dir": str(tmp_path)}.items():
        config.set_property_by_name(f"speech-compat.{name}", value)
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    mode = speechsdk.ServicePropertyChannel.UriQueryParameter
    config.set_service_property("transcriptionMode", "async", mode)
    stream = speechsdk.audio.PushAudioInputStream()
    audio = speechsdk.audio.AudioConfig(stream=stream)
    transcriber = speechsdk.transcription.MeetingTranscriber(audio)
    transcriber.join_meeting_async(speechsdk.transcription.Meeting(config, "m")).get()
    transcriber.start_transcribing_async().get()
    for number in range(1, 51):
        stream.write(CHUNK)
        while sum(path.stat().st_size for path in tmp_path.glob("audio/*")) < number * len(CHUNK):
            time.sleep(0.001)
    stream.close()
    transcriber.stop_transcribing_async().get()
    assert calls == ["_end_audio"]
    client = RemoteMeetingTranscriptionClient(config)
    operation = client.get_transcription_operation("m")
    assert operation.result().meeting_transcription_results
