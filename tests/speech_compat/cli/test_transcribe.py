"""The command ``transcribe`` with backends that give no events: the services' doubles."""

from __future__ import annotations

import io
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
from speech_adapters.config import load_settings
from speech_adapters.store import Store
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
def test_a_file_is_transcribed_and_kept_only_where_asked(
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
    told = capsys.readouterr().err
    assert "it takes no audio from addresses" in told
    assert "SECRET" not in told


def test_too_many_speakers_are_refused_by_name(
    double: ServiceDouble, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["transcribe", str(recording), "--backend", "batch", "--speakers", "36"]
    assert main(command) == 1
    assert "36 speakers are announced; it tells at most 35 apart" in capsys.readouterr().err


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
def test_whoever_interrupts_is_told_how_to_come_back(
    double: ServiceDouble, recording: Path
) -> None:
    double.polls = None
    command = [sys.executable, "-m", "speech_compat", "transcribe", str(recording)]
    with subprocess.Popen(
        [*command, "--backend", "batch"], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not double.submitted:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on; see it later with: speech-compat show speech-compat-" in told
    assert "Traceback" not in told
