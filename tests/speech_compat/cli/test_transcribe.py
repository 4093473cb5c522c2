"""The command ``transcribe`` with backends without live events, on the services' doubles."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from double.service import KEY, ServiceDouble, running
from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters.config import load_settings
from speech_adapters.errors import StoreError
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance
from speech_compat.cli import main


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, storage: str) -> Iterator[ServiceDouble]:
    double = ServiceDouble()
    with running(double):
        for name, value in {
            "SERVICE__ENDPOINT": double.url,
            "SERVICE__KEY": KEY,
            "BACKENDS__BATCH__POLL_SECONDS": "0",
            "BACKENDS__BATCH__STORAGE_CONNECTION_STRING": storage,
        }.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
        yield double


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(sound())
    return path


def sound() -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x00" * 16_000)
    return data.getvalue()


def kept() -> list[str]:
    with Store.open(load_settings().state_dir) as store:
        return [f"{found.state.value} {found.meeting_id}" for found in store.recordings()]


@pytest.mark.parametrize("backend", ["batch", "fast", "auto"])
@pytest.mark.parametrize("stored", [False, True])
def test_a_file_is_transcribed_and_kept_only_with_a_meeting_id(
    double: ServiceDouble,
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    backend: str,
    stored: bool,
) -> None:
    command = ["transcribe", str(recording), "--backend", backend]
    assert main([*command, "--meeting-id", "m"] if stored else command) == 0
    assert capsys.readouterr().out == "[00:00:00] Guest-1: A double heard 1.000 seconds.\n"
    (found,) = kept()
    assert found.startswith("Completed m" if stored else "Deleted speech-compat-")
    assert len(double.jobs) == (1 if stored and backend == "batch" else 0)


def test_an_address_is_transcribed_where_the_service_fetches_it(
    double: ServiceDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(sound())

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/folder/talk.wav?sig=SECRET"
        try:
            code = main(["transcribe", address, "--backend", "batch", "-o", str(tmp_path)])
        finally:
            server.shutdown()
            thread.join()
    assert code == 0
    assert "A double heard" in (tmp_path / "talk.txt").read_text("utf-8")
    assert "SECRET" not in capsys.readouterr().err


def test_an_address_is_refused_by_a_backend_that_fetches_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["transcribe", "https://host/a.wav?sig=SECRET", "--backend", "local"]) == 1
    error = capsys.readouterr().err
    assert "it reads no audio from addresses" in error
    assert "SECRET" not in error


def test_what_a_stored_transcript_loses_is_reported_on_standard_error(
    double: ServiceDouble, tmp_path: Path
) -> None:
    stereo = tmp_path / "stereo.wav"
    with wave.open(str(stereo), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x00" * 32_000)
    command = [sys.executable, "-m", "speech_compat", "transcribe", str(stereo)]
    done = subprocess.run(
        [*command, "--backend", "fast"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "speech-compat: Backend 'fast' [channels]: 2 channels are mixed down" in done.stderr
    assert "A double heard" in done.stdout


def test_what_a_live_transcript_loses_is_logged(
    monkeypatch: pytest.MonkeyPatch, recording: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, Played(Scenario()))
    assert main(["transcribe", str(recording), "--speakers", "2"]) == 0
    assert "Backend 'scripted' [speaker-count]" in caplog.text


def test_another_provenance_than_the_backends_is_reported_and_written(
    monkeypatch: pytest.MonkeyPatch, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played = install(monkeypatch, Played(Scenario()))
    played.origin = Provenance("scripted", "2", ("Speakers are guessed.",))
    assert main(["transcribe", str(recording), "--format", "json"]) == 0
    output = capsys.readouterr()
    assert output.err == "speech-compat: Speakers are guessed.\n"
    found = json.loads(output.out)["provenance"]
    assert (found["version"], found["emulated"]) == ("2", ["Speakers are guessed."])


@pytest.mark.parametrize("place", ["push", "events"])
def test_a_live_transcription_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    played = install(monkeypatch, Played(Scenario("bad-request" if place == "events" else "")))
    if place == "push":
        played.push_error = StoreError("The disk is full.")
    message = {
        "push": "The disk is full.",
        "events": "Connection was closed by the remote host. Error code: 1007.",
    }
    assert main(["transcribe", str(recording)]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", f"speech-compat: {message[place]}\n")
    assert played.open_sessions == 0


@pytest.mark.parametrize("backend", ["scripted", "fast"])
def test_progress_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    double: ServiceDouble,
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    backend: str,
) -> None:
    install(monkeypatch, Played(Scenario()))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["transcribe", str(recording), "--backend", backend]) == 0
    assert "talk.wav" in capsys.readouterr().err


def test_too_many_speakers_are_refused_by_name(
    double: ServiceDouble, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["transcribe", str(recording), "--backend", "batch", "--speakers", "36"]
    assert main(command) == 1
    assert "36 speakers are announced; it separates at most 35" in capsys.readouterr().err


def test_a_failed_meeting_is_resumed(
    double: ServiceDouble, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    double.polls = None
    os.environ["SPEECH_COMPAT_BACKENDS__BATCH__DEADLINE_HOURS"] = "0.000001"
    try:
        command = ["transcribe", str(recording), "--backend", "batch", "--meeting-id", "m"]
        assert main(command) == 1
    finally:
        del os.environ["SPEECH_COMPAT_BACKENDS__BATCH__DEADLINE_HOURS"]
    assert "resume the meeting to go on waiting" in capsys.readouterr().err
    assert main(["resume", "m"]) == 0
    assert "Processing (being transcribed at the service" in capsys.readouterr().err
    double.finish(double.submitted[0])
    assert main(["show", "m"]) == 0
    assert "A double heard" in capsys.readouterr().out
    assert len(double.submitted) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on POSIX")
def test_an_interrupted_command_reports_how_to_continue(
    double: ServiceDouble, recording: Path
) -> None:
    double.polls = None
    command = [sys.executable, "-m", "speech_compat", "transcribe", str(recording)]
    # The child inherits it; a shell's background job ignores the signal, and so do its children.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*command, "--backend", "batch"], stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    with process:
        deadline = time.monotonic() + 60
        while not double.submitted:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "still being transcribed. Show it later with: speech-compat show speech-compat-" in error
    assert "Traceback" not in error
