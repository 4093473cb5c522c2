"""Programs with compressed audio on several backends, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import speech_compat as speechsdk
from double.encoded import encode
from double.service import KEY, ServiceDouble
from oracle.test_oracle import why_not
from speech_adapters.audio import WavFile
from speech_compat.remote_meeting import RemoteMeetingTranscriptionClient
from speech_compat.testing.loopback import Line, LoopbackService, Script

PROGRAM = Path(__file__).parent / "programs" / "compressed.py"
PATIENCE = 120


def run(*arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.fixture
def samples(shipped_recordings: Path) -> tuple[bytes, int]:
    with WavFile(shipped_recordings / "clone-test.wav") as file:
        assert file.pcm.channels == 1
        return file.read(10**9), file.pcm.sample_rate


@pytest.fixture
def mp3(samples: tuple[bytes, int], tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp3"
    path.write_bytes(encode(samples[0], "mp3", samples[1]))
    return path


@pytest.mark.engine
@pytest.mark.parametrize("way", ["file", "stream"])
def test_a_program_with_mp3_runs_on_the_engine(mp3: Path, way: str) -> None:
    lines = run(mp3, way)
    assert any(line.startswith("TRANSCRIBED Guest-1") and "America" in line for line in lines)
    assert lines[-1] == "CANCELED CancellationReason.EndOfStream"


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
@pytest.mark.parametrize("way", ["file", "stream"])
def test_a_program_with_mp3_runs_on_realtime(
    mp3: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line("It is me.", 10_000_000, 8_000_000, "Guest-1", ("it",))
    with LoopbackService(Script((line,))).running() as url:
        for name, value in {
            "BACKEND": "realtime",
            "BACKENDS__REALTIME__ENDPOINT": url,
            "BACKENDS__REALTIME__PACE": "100",
        }.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
        assert run(mp3, way) == [
            "TRANSCRIBED Guest-1 It is me.",
            "CANCELED CancellationReason.EndOfStream",
        ]


@pytest.mark.parametrize("damaged", [False, True])
def test_an_asynchronous_meeting_sends_its_file_as_it_is_unless_it_is_damaged(
    samples: tuple[bytes, int],
    tmp_path: Path,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
    damaged: bool,
) -> None:
    data = encode(samples[0], "flac", samples[1])
    path = tmp_path / "talk.flac"
    path.write_bytes(data[: len(data) // 2] if damaged else data)
    for name, value in {
        "BACKEND": "fast",
        "BACKENDS__FAST__ENDPOINT": double.url,
        "BACKENDS__FAST__KEY": KEY,
    }.items():
        monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
    config = speechsdk.SpeechConfig(subscription="key", region="centralus")
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    channel = speechsdk.ServicePropertyChannel.UriQueryParameter
    config.set_service_property("transcriptionMode", "async", channel)
    audio = speechsdk.audio.AudioConfig(filename=str(path))
    transcriber = speechsdk.transcription.MeetingTranscriber(audio)
    transcriber.join_meeting_async(speechsdk.transcription.Meeting(config, "m")).get()
    transcriber.start_transcribing_async().get()
    client = RemoteMeetingTranscriptionClient(config)
    results = client.get_transcription_operation("m").wait_for_completion()
    (upload,) = double.uploads
    if damaged:
        assert upload[0] == "audio.wav"
    else:
        assert upload == ("audio.flac", "audio/flac", data)
    assert results.meeting_transcription_results
    transcriber.stop_transcribing_async().get()
