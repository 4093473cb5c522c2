from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from double.engine import model_folder
from double.voices import signature_text
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import live, stored
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.protocol import Failed, Finished, decode
from speech_adapters.contract import (
    Attendee,
    JobState,
    MeetingRequest,
    Mode,
    Progress,
    Recognized,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.recording.workers import log_path
from speech_adapters.store.recovery import CUT_SHORT, is_locked
from speech_adapters.transcript import Provenance, Transcript

# Ends the process when it resolves a host or sends anything.  (A package of the
# engine's binds a socket to this machine's own address, to see whether it has IPv6.)
GUARDED = """
import sys
def guard(event, _):
    if event.startswith(("socket.connect", "socket.send", "socket.getaddr", "socket.gethostby")):
        sys.stdout.write('1 {"kind": "Failed", "reason": "touched the network: ' + event + '"}\\n')
        sys.stdout.flush()
        import os
        os._exit(9)
sys.addaudithook(guard)
from speech_adapters.backends.local.worker import main
sys.exit(main(sys.argv[1:]))
"""


def job(audio: Path, **options: Any) -> TranscriptionJob:
    return TranscriptionJob(audio, PcmFormat(), LocalOptions(**options), "auto", "en-US", True, "m")


def work(job: TranscriptionJob, program: list[str]) -> list[object]:
    size = job.audio.stat().st_size
    done = subprocess.run(
        [sys.executable, *program, "live", json.dumps(job.options.model_dump(mode="json"))],
        input=f"start 1 {job.dump()}\nend 1 {size}\n",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return [decode(line)[1] for line in done.stdout.encode().splitlines()]


@pytest.mark.engine
def test_the_network_is_never_touched(shipped_recordings: Path, tmp_path: Path) -> None:
    audio = tmp_path / "a.pcm"
    audio.write_bytes((shipped_recordings / "beckett.wav").read_bytes()[44 : 44 + 128_000])
    messages = work(job(audio), ["-c", GUARDED])
    assert isinstance(messages[-1], Finished), messages[-1]
    assert any(isinstance(item, Recognized) for item in messages)


@pytest.mark.engine
def test_an_error_is_sent_as_a_message(tmp_path: Path) -> None:
    audio = tmp_path / "a.pcm"
    audio.write_bytes(bytes(3200))
    (message,) = work(
        job(audio, model_path=model_folder(tmp_path, "damaged")),
        ["-P", "-m", "speech_adapters.backends.local.worker"],
    )
    assert isinstance(message, Failed)
    assert "cannot be loaded" in message.reason


SECOND = 32_000


def test_a_live_meeting_sends_its_events_and_leaves_no_audio(
    in_process: Any, tmp_path: Path
) -> None:
    audio = tmp_path / "live.pcm"
    audio.write_bytes(bytes(int(2.5 * SECOND)))
    in_process.on_audio(lambda _: audio.exists() and pytest.fail("the audio has a name"))
    status, messages = in_process.run(
        in_process.live_job(audio), f"more\nend {int(2.5 * SECOND)}\n"
    )
    assert status == 0
    assert isinstance(messages[-1], Finished)
    assert [m.offset for m in messages if isinstance(m, Progress)] == [10_000_000, 20_000_000]
    assert [m.offset for m in messages if isinstance(m, SpeechStarted)] == [0]
    final = [m.utterance for m in messages if isinstance(m, Recognized)]
    assert [u.text for u in final] == ["Second 0.", "Second 1.", "Second 2."]
    assert messages[-2] == SpeechEnded(final[-1].end)


def test_without_diarization_utterances_have_no_speaker_and_do_not_wait_for_one(
    in_process: Any, tmp_path: Path
) -> None:
    audio = tmp_path / "live.pcm"
    audio.write_bytes(bytes(int(1.5 * SECOND)))
    alone = attrs.evolve(in_process.live_job(audio), diarize=False)
    _, messages = in_process.run(alone, f"end {int(1.5 * SECOND)}\n")
    kinds = [type(m).__name__ for m in messages]
    assert kinds == [
        "SpeechStarted",
        "Recognized",
        "Progress",
        "NeedAudio",
        "Recognized",
        "SpeechEnded",
        "Finished",
    ]
    assert {m.utterance.speaker for m in messages if isinstance(m, Recognized)} == {None}


def test_silence_has_no_speech_that_ends(in_process: Any, tmp_path: Path) -> None:
    audio = tmp_path / "live.pcm"
    audio.write_bytes(bytes(SECOND // 4))
    _, messages = in_process.run(in_process.live_job(audio), f"end {SECOND // 4}\n")
    assert [type(m).__name__ for m in messages] == ["NeedAudio", "Finished"]


def test_a_live_meeting_ends_with_its_session(in_process: Any, tmp_path: Path) -> None:
    audio = tmp_path / "live.pcm"
    audio.write_bytes(bytes(SECOND))
    status, messages = in_process.run(in_process.live_job(audio))
    assert status == 0
    assert not any(isinstance(m, Finished | Failed) for m in messages)


def test_an_error_is_the_last_message(in_process: Any, tmp_path: Path) -> None:
    audio = tmp_path / "live.pcm"
    audio.write_bytes(bytes(SECOND))
    failed = Failed("The speech engine failed as the test ordered.")
    assert in_process.run(in_process.live_job(audio, "fail"), "more\n") == (1, [failed])


def test_a_live_and_stored_meeting_has_the_same_utterances_in_both(in_process: Any) -> None:
    recording = in_process.recording(Mode.BOTH, 2.0, ended=False)

    def on_audio(_: int) -> None:
        assert is_locked(in_process.store, recording)
        in_process.store.close_audio(recording.id, 2 * SECOND)  # as the session does

    in_process.on_audio(on_audio)
    status, messages = in_process.run(in_process.job(recording), f"end {2 * SECOND}\n")
    assert status == 0
    assert isinstance(messages[-1], Finished)
    transcript = in_process.store.transcript(recording.id)
    final = tuple(m.utterance for m in messages if isinstance(m, Recognized))
    assert final == transcript.utterances
    assert len(final) == 2
    assert transcript.provenance.notes == ("The audio is mono.",)
    assert in_process.store.get(recording.id).attempts == 1
    assert not is_locked(in_process.store, recording)


def test_when_the_program_dies_the_worker_ends_the_recording(in_process: Any) -> None:
    recording = in_process.recording(Mode.BOTH, 2.0, ended=False)
    in_process.run(in_process.job(recording))
    found = in_process.store.get(recording.id)
    assert (found.state, found.audio_bytes) == (JobState.COMPLETED, 2 * SECOND)
    transcript = in_process.store.transcript(recording.id)
    assert transcript.provenance.notes == ("The audio is mono.", CUT_SHORT)
    assert len(transcript.utterances) == 2


def test_a_meeting_deleted_after_the_death_of_its_program_stays_deleted(
    in_process: Any,
) -> None:
    recording = in_process.recording(Mode.BOTH, 2.0, ended=False)
    in_process.on_audio(lambda block: block == 3 and in_process.store.delete(recording.id))
    in_process.run(in_process.job(recording))
    assert in_process.store.get(recording.id).state is JobState.DELETED
    assert in_process.store.due_cleanups(1e12) == []
    assert not log_path(recording).exists()


def test_an_error_in_a_live_and_stored_meeting_leaves_it_to_be_processed(
    in_process: Any,
) -> None:
    recording = in_process.recording(Mode.BOTH, 2.0)
    status, messages = in_process.run(in_process.job(recording, "fail"), f"end {2 * SECOND}\n")
    assert status == 1
    assert messages == [Failed("The speech engine failed as the test ordered.")]
    assert in_process.store.get(recording.id).state is JobState.PROCESSING
    assert not is_locked(in_process.store, recording)


def test_a_live_meeting_that_another_worker_processes_only_sends_events(
    in_process: Any,
) -> None:
    recording = in_process.recording(Mode.BOTH, 1.0)
    with in_process.store.lock_recording(recording.id):
        status, messages = in_process.run(in_process.job(recording), f"end {SECOND}\n")
    assert status == 0
    assert isinstance(messages[-1], Finished)
    assert any(isinstance(m, Recognized) for m in messages)
    found = in_process.store.get(recording.id)
    assert (found.state, found.attempts) == (JobState.PROCESSING, 0)


KATIE = Attendee("katie@example.com", "en", signature_text())


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[TranscriptionJob]:
    """Replace the engine; returns the jobs that it receives."""
    received = []

    def transcribe(job: TranscriptionJob, *_: object) -> Transcript:
        received.append(job)
        return Transcript("m", (), 10, Provenance("local", "1"))

    for module in (live, stored):
        monkeypatch.setattr(module, "transcribe", transcribe)
    return received


def test_attendees_of_a_live_meeting_come_from_the_input(
    in_process: Any, tmp_path: Path, jobs: list[TranscriptionJob]
) -> None:
    (tmp_path / "a.pcm").write_bytes(bytes(3200))
    signed = attrs.evolve(in_process.live_job(tmp_path / "a.pcm"), attendees=(KATIE,))
    in_process.run(signed, "end 3200\n")
    assert [job.attendees for job in jobs] == [(KATIE,)]


@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
def test_attendees_of_a_stored_meeting_come_from_the_store_and_are_removed(
    in_process: Any, jobs: list[TranscriptionJob], mode: Mode
) -> None:
    request = MeetingRequest("m", mode=mode, attendees=(KATIE,))
    recording = in_process.store.create(request, "local")
    recording.audio_path.write_bytes(bytes(3200))
    in_process.store.close_audio(recording.id, 3200)
    in_process.run(in_process.job(recording), "end 3200\n")
    assert [job.attendees for job in jobs] == [(KATIE,)]
    assert in_process.store.get(recording.id).request.attendees == ()
    assert in_process.store.get(recording.id).state is JobState.COMPLETED
