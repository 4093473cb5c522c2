"""Errors of a process that has reached its limit of open files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speech_adapters import open_files
from speech_adapters.open_files import advice, is_limit_reached, share

resource = pytest.importorskip("resource")


def test_the_advice_names_the_limit_and_how_to_raise_it() -> None:
    limit = f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}"
    text = advice(OSError(errno.EMFILE, "Too many open files"), "Check the disk.")
    assert limit in text
    assert "ulimit -n" in text
    assert "disk" not in text
    assert "fs.file-max" in advice(OSError(errno.ENFILE, "Too many"), "Check the disk.")


def test_other_errors_keep_their_advice() -> None:
    assert advice(OSError(errno.ENOSPC, "full"), "Check the disk.") == "Check the disk."
    assert advice(ValueError("no file"), "Check the disk.") == "Check the disk."
    assert is_limit_reached() is None


def test_one_purpose_gets_a_share_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))
    assert share(100, 4) == 100
    assert share(1_000, 4) == 256
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert share(1_000, 4) == 1_000
    monkeypatch.setattr(open_files, "resource", None)
    assert share(1_000, 4) == 1_000


# Each opens files up to the limit, and then one more in its own way.
_ACTIONS = {
    "spool": "SpoolWriter(folder / 'a.pcm')",
    "lock": "FileLock(folder, 'name', 'busy')",
    "store": "SqliteStore.open(folder)",
    "connection": "database._connect(folder / 'a.sqlite3').execute('SELECT 1 FROM sqlite_schema')",
    "settings": "load_settings()",
    "temporary": "create_folder()",
    "worker": "spawn([sys.executable], 'r', folder / 'a.log')",
}


@pytest.mark.parametrize("action", _ACTIONS)
def test_an_error_at_the_limit_names_it(action: str, tmp_path: Path) -> None:
    (tmp_path / "speech-compat.toml").write_text("")
    program = f"""
import os, sys, tempfile
from pathlib import Path
from speech_adapters.config import load_settings
from speech_adapters.errors import SpeechError
from speech_adapters.recording.spool import SpoolWriter
from speech_adapters.recording.workers import spawn
from speech_adapters.store.locks import FileLock
from speech_adapters.store.sqlite import SqliteStore, database
from speech_adapters.temporary import create_folder, remove_abandoned
folder = Path({str(tmp_path)!r})
tempfile.gettempdir()
class Sub(database.Database):
    def __init__(self): self.path, self.read_only = folder / 'a.sqlite3', False
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
try:
    if {action == "connection"}:
        with Sub()._errors():
            {_ACTIONS["connection"]}
    else:
        {_ACTIONS[action]}
except SpeechError as error:
    message = str(error)
remove_abandoned()
os.close(held.pop())
print(message)
"""
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 64; exec "$0" -c "$1"', sys.executable, program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "may have 64 files open" in done.stdout, done.stderr
    assert "ulimit -n" in done.stdout
    assert "permissions" not in done.stdout


def test_a_recorded_meeting_needs_two_files(tmp_path: Path) -> None:
    """Whatever differs in the settings of the meetings, as an authorization token does."""
    program = f"""
import os, sys
import speech_compat as speechsdk
from double.clock_backend import install
from pathlib import Path
folder = Path({str(tmp_path)!r})
sys.path.append(str(install(folder / "site")))
def start(number):
    config = speechsdk.SpeechConfig(auth_token=f"token {{number}}", region="region")
    config.set_property_by_name("speech-compat.backend", "clock")
    config.set_property_by_name("speech-compat.state_dir", str(folder / "store"))
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    mode = speechsdk.ServicePropertyChannel.UriQueryParameter
    config.set_service_property("transcriptionMode", "async", mode)
    stream = speechsdk.audio.PushAudioInputStream()
    audio = speechsdk.audio.AudioConfig(stream=stream)
    transcriber = speechsdk.transcription.MeetingTranscriber(audio)
    meeting = speechsdk.transcription.Meeting(config, f"meeting {{number}}")
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async().get()
    stream.write(bytes(3200))
    return stream, transcriber
def ready(count):
    while sum(path.stat().st_size == 3200 for path in folder.glob("store/audio/*")) < count:
        pass
    return len(os.listdir("/proc/self/fd"))
running = [start(0)]
before = ready(1)
running += [start(number) for number in range(1, 21)]
print(ready(21) - before)
for stream, transcriber in running:
    stream.close()
    transcriber.stop_transcribing_async().get()
"""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    tests = Path(__file__).parents[1]
    path = os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(tests))).lstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "40\n", done.stderr
