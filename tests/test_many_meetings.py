"""Two hundred meetings end together, through the facade, and all reach a final state.

Each backend is real; behind it are the double of its service, the loopback service with the
real SDK, or the double of the engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import speech_compat as speechsdk
from double.engine import worker_command
from double.service import KEY, ServiceDouble
from oracle.test_oracle import why_not
from speech_adapters.backends.local import engine_process, job
from speech_compat.remote_meeting import RemoteMeetingTranscriptionClient
from speech_compat.testing.loopback import Line, LoopbackService, Script

MEETINGS = 200
PATIENCE = 900.0
AUDIO = b"\x01\x00" * 8_000
LINES = (Line("Who is there?", 1_000_000, 3_000_000, "Guest-1"),)


@pytest.fixture
def loopback() -> Iterator[str]:
    if why_not():
        pytest.skip(why_not())
    with LoopbackService(Script(LINES)).running() as url:
        yield url


@pytest.fixture
def config(request: pytest.FixtureRequest) -> speechsdk.SpeechConfig:
    """A program's configuration that selects the backend of the test's parameter."""
    options: dict[str, str] = globals()[f"_{request.param}"](request)
    config = speechsdk.SpeechConfig("the-key", "westeurope")
    for name, value in {"backend": request.param, **options}.items():
        config.set_property_by_name(f"speech-compat.{name}", value)
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    config.set_service_property(
        "transcriptionMode", "async", speechsdk.ServicePropertyChannel.UriQueryParameter
    )
    return config


def _services(request: pytest.FixtureRequest) -> dict[str, str]:
    double: ServiceDouble = request.getfixturevalue("double")
    return {
        **{f"backends.{name}.endpoint": double.url for name in ("batch", "fast")},
        **{f"backends.{name}.key": KEY for name in ("batch", "fast")},
        "backends.batch.storage_connection_string": request.getfixturevalue("storage"),
        "backends.batch.poll_seconds": "1",
    }


_batch = _fast = _auto = _services


def _realtime(request: pytest.FixtureRequest) -> dict[str, str]:
    return {
        "backends.realtime.endpoint": request.getfixturevalue("loopback"),
        "backends.realtime.pace": "100",
    }


def _local(request: pytest.FixtureRequest) -> dict[str, str]:
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for module in (job, engine_process):
        monkeypatch.setattr(module, "command", worker_command)
    return {}


def start(
    config: speechsdk.SpeechConfig, name: str, ended: list[str]
) -> tuple[speechsdk.audio.PushAudioInputStream, Any]:
    stream = speechsdk.audio.PushAudioInputStream()
    transcriber = speechsdk.transcription.MeetingTranscriber(
        speechsdk.audio.AudioConfig(stream=stream)
    )
    transcriber.session_stopped.connect(lambda _: ended.append(name))
    meeting = speechsdk.transcription.Meeting(config, name)
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async().get()
    stream.write(AUDIO)
    return stream, transcriber


@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.parametrize("config", ["fast", "batch", "auto", "local", "realtime"], indirect=True)
def test_all_of_them_reach_a_final_state(config: speechsdk.SpeechConfig) -> None:
    names = [f"meeting {number}" for number in range(MEETINGS)]
    ended: list[str] = []
    running = [start(config, name, ended) for name in names]
    for stream, _ in running:
        stream.close()
    deadline = time.monotonic() + PATIENCE
    while len(ended) < MEETINGS:
        assert time.monotonic() < deadline, f"{MEETINGS - len(ended)} meetings never ended"
        time.sleep(0.1)
    client = RemoteMeetingTranscriptionClient(config)
    operations = [client.get_transcription_operation(name) for name in names]
    while not all(operation.has_completed for operation in operations):
        assert time.monotonic() < deadline, [operation.status() for operation in operations]
        for operation in operations:
            operation.update_status()
        time.sleep(0.1)
    assert {operation.status() for operation in operations} == {"Completed"}
