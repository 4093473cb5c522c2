from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from double.encoded import tone
from double.portaudio import PortAudio, Stream
from double.sessions import ENDED, Log, begun, ended
from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Mode
from speech_adapters.errors import AudioError, MissingExtraError
from speech_compat._session import microphone
from speech_compat._session.microphone import MicrophoneSource
from speech_compat._session.sources import AudioSource, open_source
from speech_compat.audio import AudioConfig

BLOCK = tone(0.1)
USB = "USB Microphone: Audio (hw:1,0)"


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    """Return a system with two microphones; the second records with 48 kHz only."""
    return plug(monkeypatch, PortAudio(**{"Built-in": (44_100, 16_000), USB: (48_000,)}))


def plug(monkeypatch: pytest.MonkeyPatch, system: PortAudio) -> PortAudio:
    monkeypatch.setitem(sys.modules, "sounddevice", system)
    return system


def read(source: AudioSource) -> bytes:
    return b"".join(iter(source.read, b""))


@pytest.mark.parametrize("config", [None, AudioConfig(use_default_microphone=True)])
def test_the_default_microphone_records_until_the_stop(
    system: PortAudio, config: AudioConfig | None
) -> None:
    source = open_source(config)
    (stream,) = system.streams
    assert stream.name == "Built-in"
    assert source.pcm == PcmFormat(16_000, 1)
    assert (stream.options["samplerate"], stream.options["channels"]) == (16_000, 1)
    assert source.growing
    for _ in range(3):
        stream.record(BLOCK)
    assert source.read() == BLOCK
    source.stop()
    stream.record(BLOCK)  # after the stop nothing is recorded
    assert source.read() + source.read() == BLOCK * 2
    assert source.read() == b""
    assert source.ending_error is None
    assert source.notes == ()
    source.close()
    source.close()
    assert stream.closed


@pytest.mark.parametrize(
    "name", [USB, "usb mic", "hw:1,0", "hw:1", "plughw:1,0", "hw:CARD=1,DEV=0", "plughw:CARD=Usb"]
)
def test_a_device_is_found_by_its_name_or_that_of_alsa(
    system: PortAudio, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Usb").symlink_to("card1")
    monkeypatch.setattr(microphone, "_CARDS", tmp_path)
    source = open_source(AudioConfig(device_name=name))
    assert system.streams[0].name == USB
    assert source.pcm == PcmFormat(48_000, 1)  # it has no other rate
    source.close()


@pytest.mark.parametrize("name", ["nix", "Loudspeaker", "hw:7,0", "hw:CARD=none"])
def test_an_unknown_name_lists_the_microphones(system: PortAudio, name: str) -> None:
    listed = rf"There is no microphone '{name}'\. This system has: 'Built-in', 'USB Mic.*hw:1,0\)'"
    with pytest.raises(AudioError, match=listed):
        MicrophoneSource(name)


def test_an_endpoint_id_of_windows_is_explained(system: PortAudio) -> None:
    with pytest.raises(AudioError, match="Ids of Windows are no names here"):
        MicrophoneSource("{0.0.1.00000000}.{b3f8fa53-0004-438e-9003-51a46e139bfc}")


def test_a_system_without_a_microphone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, PortAudio())
    with pytest.raises(AudioError, match="There is no microphone: this system has no device"):
        MicrophoneSource("")


def test_a_device_that_cannot_be_opened_is_an_error_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = PortAudio(Busy=(44_100,))
    monkeypatch.setattr(system, "_devices", {"Busy": ()})
    monkeypatch.setattr(
        system,
        "query_devices",
        lambda: [
            {"index": 1, "name": "Busy", "max_input_channels": 1, "default_samplerate": 44_100.0}
        ],
    )
    plug(monkeypatch, system)
    with pytest.raises(AudioError, match=r"'Busy' cannot be opened: Invalid sample rate .*Close"):
        MicrophoneSource("")


def test_a_device_that_does_not_start_is_released(
    system: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = system.RawInputStream

    def refusing(**options: Any) -> Stream:
        stream = opened(**options)
        stream.refused = "Device unavailable [PaErrorCode -9985]"
        return stream

    monkeypatch.setattr(system, "RawInputStream", refusing)
    with pytest.raises(AudioError, match="cannot be opened: Device unavailable"):
        MicrophoneSource("")
    assert [stream.closed for stream in system.streams] == [True, True]


def test_without_the_package_or_library_the_error_states_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r'pip install "speech-compat\[microphone\]"'):
        MicrophoneSource("")
    monkeypatch.delitem(sys.modules, "sounddevice")
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")')
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"PortAudio .* apt install libportaudio2"):
        MicrophoneSource("")


def test_lost_audio_is_noted(system: PortAudio) -> None:
    source = MicrophoneSource("")
    system.streams[0].record(BLOCK)
    system.streams[0].record(BLOCK, overflow=True)
    source.stop()
    assert read(source) == BLOCK * 2
    assert source.notes == (
        "Audio of the microphone was lost at 1 places: the computer was too slow.",
    )
    source.close()


def test_an_unplugged_device_ends_the_audio_after_what_it_has_recorded(system: PortAudio) -> None:
    source = MicrophoneSource("")
    system.streams[0].record(BLOCK)
    system.streams[0].unplug()
    assert read(source) == BLOCK
    assert str(source.ending_error).startswith("The microphone 'Built-in' has stopped: ")
    assert source.notes == ("The recording ended early: the microphone stopped.",)
    assert source.read() == b""
    source.close()
    assert system.streams[0].closed


def test_a_device_that_sends_nothing_any_more_is_gone(
    system: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "_SILENT_SECONDS", 0.01)
    source = MicrophoneSource("")
    system.streams[0].record(BLOCK)
    assert read(source) == BLOCK
    assert source.ending_error is not None
    source.close()


def test_the_results_come_before_the_error_of_an_unplugged_device(
    system: PortAudio, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    played = install(monkeypatch, Played(Scenario()))
    session = begun(log, lambda: open_source(None), Mode.LIVE)
    assert session._started.wait(ENDED)
    system.streams[0].record(BLOCK * 30)
    system.streams[0].unplug()
    assert log.stopped.wait(ENDED)
    assert "transcribed" in log.names
    assert log.names[-2:] == ["canceled", "session_stopped"]
    assert "has stopped: it was probably unplugged" in log.error
    assert bytes(played.audio) == BLOCK * 30
    assert system.streams[0].closed


def test_a_stop_ends_the_recording_without_an_error(
    system: PortAudio, played: Played, log: Log
) -> None:
    session = begun(log, lambda: open_source(None), Mode.LIVE)
    assert session._started.wait(ENDED)
    system.streams[0].record(BLOCK)
    session.stop()
    assert ended(session)
    assert log.names == ["session_started", "session_stopped"]
    assert bytes(played.audio) == BLOCK
    assert system.streams[0].closed


_CAPTURE = """
import sys
from speech_compat._session.microphone import MicrophoneSource
source = MicrophoneSource(sys.argv[1])
pcm = b""
while len(pcm) < 32_000:
    pcm += source.read()
source.stop()
while source.read():
    pass
source.close()
assert source.ending_error is None
sys.stdout.buffer.write(pcm[:32_000])
"""


def _has_portaudio() -> bool:
    done = subprocess.run(
        [sys.executable, "-c", "import sounddevice"], check=False, capture_output=True
    )
    return done.returncode == 0 and Path("/usr/share/alsa/alsa.conf").exists()


@pytest.mark.skipif(
    sys.platform != "linux" or not _has_portaudio(), reason="needs PortAudio and ALSA"
)
@pytest.mark.parametrize("name", ["", "recorded"])
def test_portaudio_records_from_alsa(tmp_path: Path, name: str) -> None:
    """ALSA reads its device from a file: the samples pass through PortAudio and sounddevice."""
    (tmp_path / "sound.raw").write_bytes(tone(60))
    (tmp_path / "asound.conf").write_text(
        "</usr/share/alsa/alsa.conf>\n"
        "pcm.!default { type plug slave.pcm recorded }\n"
        "pcm.recorded { type file slave.pcm null file /dev/null format raw"
        f" infile {tmp_path}/sound.raw }}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _CAPTURE, name],
        check=False,
        capture_output=True,
        env={**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")},
    )
    assert done.returncode == 0, done.stderr.decode()
    # The plugin may begin anywhere in a period of the file.
    assert done.stdout in tone(60)
