"""A stored recording through the real engines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from speech_adapters.audio import WavFile
from speech_adapters.backends.local import pulse
from speech_adapters.backends.local.channel import AbandonedError
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.pulse import ignore
from speech_adapters.backends.local.stored import events, transcribe
from speech_adapters.contract import Recognized, SpeechEnded, SpeechStarted
from speech_adapters.transcript import Provenance, Transcript, Utterance

pytestmark = pytest.mark.engine

# Ends the process when it resolves a host, connects or sends anything.
GUARDED = """
import os, sys
def guard(event, _):
    if event.startswith(("socket.connect", "socket.send", "socket.getaddr", "socket.gethostby")):
        print("touched the network:", event, flush=True)
        os._exit(9)
sys.addaudithook(guard)
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.pulse import ignore
from speech_adapters.backends.local.stored import transcribe
job = TranscriptionJob.load(sys.argv[1])
size = job.audio.stat().st_size
with Models(job.options) as models:
    print(len(transcribe(job, models, ignore, lambda _: size, ignore).speakers))
"""


@pytest.fixture(scope="module")
def dialogue(
    shipped_recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> TranscriptionJob:
    """Two speakers in turns, 28 s, 24 kHz."""
    audio = tmp_path_factory.mktemp("stored") / "a.pcm"
    with WavFile(shipped_recordings / "endgame_nagg_nell.wav") as file:
        audio.write_bytes(file.read(10**7))
        return TranscriptionJob(
            audio,
            file.pcm,
            LocalOptions(),
            "auto",
            "en-GB",
            True,
            "m",
            # A recording of a store: the file of one without is removed when it is open.
            store=audio.parent,
            recording="7" * 32,
        )


def run(job: TranscriptionJob) -> Transcript:
    with Models(job.options) as models:
        size = job.audio.stat().st_size
        return transcribe(job, models, ignore, lambda _: size, ignore)


def test_a_dialogue_is_told_apart(dialogue: TranscriptionJob) -> None:
    found = run(dialogue)
    assert found.speakers == (0, 1)
    lines = [(u.speaker, u.text) for u in found.utterances]
    assert lines[:4] == [(0, "Do you hear me?"), (1, "Yes.")] * 2
    assert all(u.language == "en-GB" and u.words for u in found.utterances)
    assert found.duration == pytest.approx(282_772_500, rel=1e-3)
    assert found.provenance.version.startswith("faster-whisper")
    assert found.provenance.emulated == ()
    assert run(dialogue) == found


def test_the_network_is_never_touched(dialogue: TranscriptionJob) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, dialogue.dump()],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.stdout.strip() == "2", done.stdout + done.stderr


def test_without_diarization_no_diarizer_is_loaded(
    dialogue: TranscriptionJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "speech_adapters.backends.local.engines.load_models",
        lambda *_: pytest.fail("the models were loaded"),
    )
    found = run(attrs.evolve(dialogue, diarize=False))
    assert found.speakers == ()
    assert "Do you hear me?" in found.utterances[0].text


def test_the_number_of_speakers_is_honored(dialogue: TranscriptionJob) -> None:
    assert run(attrs.evolve(dialogue, max_speakers=1)).speakers == (0,)
    three = attrs.evolve(dialogue, options=LocalOptions(speakers=3))
    assert run(three).speakers == (0, 1, 2)


def test_the_events_of_a_transcript_are_those_of_a_meeting() -> None:
    utterances = (
        Utterance("1", "Yes.", 5, 10, 0),
        Utterance("2", "No.", 20, 30, 1),
        Utterance("3", "Well.", 25, 5, 0),
    )
    found = Transcript("m", utterances, 100, Provenance("local", ""))
    assert list(events(found)) == [
        SpeechStarted(5),
        *map(Recognized, utterances),
        SpeechEnded(50),
    ]
    assert list(events(attrs.evolve(found, utterances=()))) == []


def test_an_abandoned_recording_ends_at_once(
    dialogue: TranscriptionJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_CHECKPOINT_SECONDS", 0.0)
    seen: list[float] = []

    def checkpoint(seconds: float) -> None:
        seen.append(seconds)
        if seconds > 5.0:
            raise AbandonedError

    size = dialogue.audio.stat().st_size
    with Models(dialogue.options) as models, pytest.raises(AbandonedError):
        transcribe(dialogue, models, ignore, lambda _: size, checkpoint)
    assert seen == sorted(seen)
    assert seen[-1] < 28.0
