"""Legacy programs of the three eras on real-time diarization, with the real SDK underneath."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from double.voices import RETIRED
from oracle.test_oracle import why_not
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.store import Store
from speech_compat.testing.loopback import Line, LoopbackService, Script

PROGRAMS = Path(__file__).parent / "programs"
MEETING = 'it\'s "my" meeting/№ 🎉'
PATIENCE = 120
LINES = (
    Line("Who is there?", 1_000_000, 8_000_000, "Unknown", ("who",)),
    Line("It is me.", 10_000_000, 8_000_000, "Guest-1", ("it", "it is")),
    Line("And me.", 20_000_000, 5_000_000, "Guest-2"),
)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackService]:
    if why_not():
        pytest.skip(why_not())
    service = LoopbackService(Script(LINES))
    with service.running() as url:
        for name, value in {
            "BACKEND": "realtime",
            "BACKENDS__REALTIME__ENDPOINT": url,
            "BACKENDS__REALTIME__PACE": "100",
        }.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
        yield service


@pytest.fixture
def recording(shipped_recordings: Path) -> Path:
    return shipped_recordings / "clone-test.wav"


def run(name: str, *arguments: object, lost: str = "") -> list[str]:
    """Run a program; ``lost`` is the code of the one warning that it must cause."""
    # The later filter has precedence.
    filters = ["-W", "error", *(["-W", f"default:{lost}:"] if lost else [])]
    done = subprocess.run(
        [sys.executable, *filters, str(PROGRAMS / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    codes = re.findall(rf"{name}:\d+: GapWarning: (SC\d+):", done.stderr)
    assert codes == ([lost] if lost else [])
    return done.stdout.splitlines()


@pytest.mark.usefixtures("service")
def test_meeting_era(recording: Path) -> None:
    lines = run("meeting_era.py", recording)
    assert [line for line in lines if line.startswith("TRANSCRIBED")] == [
        "TRANSCRIBED Unidentified Who is there?",
        "TRANSCRIBED Guest_0 Who is there?",
        "TRANSCRIBED Guest_0 It is me.",
        "TRANSCRIBED Guest_1 And me.",
    ]
    assert lines[0] == "SessionEventArgs"
    assert lines[-2:] == ["CANCELED CancellationReason.EndOfStream", "SessionEventArgs"]


@pytest.mark.usefixtures("service")
def test_conversation_era(recording: Path) -> None:
    lines = run("conversation_era.py", recording)
    assert "TRANSCRIBED Guest_1 And me." in lines
    assert lines[-1] == "CANCELED CancellationReason.EndOfStream"


@pytest.mark.usefixtures("service")
def test_diarization_era(recording: Path) -> None:
    lines = run("diarization_era.py", recording)
    assert [line for line in lines if line.startswith("TRANSCRIBED")] == [
        "TRANSCRIBED Unknown Who is there?",
        "TRANSCRIBED Guest-1 It is me.",
        "TRANSCRIBED Guest-2 And me.",
    ]
    assert "CLOSING ConversationTranscriptionCanceledEventArgs" in lines


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("name", ["conversation_signatures.py", "meeting_signatures.py"])
def test_voice_signatures_leave_numbers(name: str, recording: Path, tmp_path: Path) -> None:
    signature = tmp_path / "signature.json"
    signature.write_text(RETIRED, "utf-8")
    lines = run(name, recording, signature, lost="SC107")
    assert "TRANSCRIBED Guest_0 It is me." in lines
    assert "TRANSCRIBED Guest_1 And me." in lines


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("name", ["conversation_signatures.py", "meeting_signatures.py"])
def test_without_signatures_the_warning_names_the_property(name: str, recording: Path) -> None:
    lines = run(name, recording, lost="SC301")
    assert [line for line in lines if line.startswith("TRANSCRIBED")] == [
        "TRANSCRIBED Unidentified Who is there?",
        "TRANSCRIBED Unidentified It is me.",
        "TRANSCRIBED Unidentified And me.",
    ]


def test_programs_receive_that_audio_was_not_understood(
    recording: Path, service: LoopbackService
) -> None:
    silence = Line("", 1_000_000, 8_000_000, "", status="InitialSilenceTimeout")
    service.script = Script((silence, *LINES[1:]))
    lines = run("diarization_era.py", recording)
    reason = "NoMatchReason.InitialSilenceTimeout"
    assert [line for line in lines if line.startswith("NOMATCH")] == [
        f"NOMATCH NoMatchDetails(reason={reason})"
    ]
    assert "TRANSCRIBED Guest-2 And me." in lines


@pytest.mark.usefixtures("service")
def test_a_program_that_appends_every_result_can_omit_corrections(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_CORRECTIONS", "false")
    lines = run("meeting_era.py", recording)
    assert [line for line in lines if line.startswith("TRANSCRIBED")] == [
        "TRANSCRIBED Unidentified Who is there?",
        "TRANSCRIBED Guest_0 It is me.",
        "TRANSCRIBED Guest_1 And me.",
    ]


def test_an_asynchronous_meeting_outlives_its_program(
    recording: Path, service: LoopbackService
) -> None:
    assert not [line for line in run("async_meeting.py", recording, MEETING) if "here" in line]
    assert run("fetch_meeting.py", MEETING) == [
        "Guest_0 Who is there?",
        "Guest_0 It is me.",
        "Guest_1 And me.",
    ]
    assert len(service.connections) == 1


def test_live_and_stored_is_fetched_by_id_from_another_process(
    recording: Path, service: LoopbackService
) -> None:
    lines = run("both_meeting.py", recording, MEETING)
    assert lines[:2] == [
        "TRANSCRIBED Unidentified 0_Unidentified_1000000 Who is there?",
        "TRANSCRIBED Guest_0 0_Guest_0_1000000 Who is there?",
    ]
    assert run("fetch_meeting.py", MEETING)[0] == "Guest_0 Who is there?"
    assert len(service.connections) == 1, "recognized once"


def test_killed_in_the_middle(recording: Path, service: LoopbackService) -> None:
    """Earlier results are kept, and the rest of the audio is recognized, nothing twice."""
    command = [sys.executable, str(PROGRAMS / "both_meeting.py"), str(recording), MEETING, "hang"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        printed = [program.stdout.readline() for _ in range(4)]
        assert printed[-1].endswith("And me.\n")
        time.sleep(0.5)
        program.kill()
    assert [line.split(" ", 1)[1] for line in run("fetch_meeting.py", MEETING)][:3] == [
        "Who is there?",
        "It is me.",
        "And me.",
    ]
    with Store.open(load_settings().state_dir) as store:
        (found,) = store.recordings()
        assert found.state is JobState.COMPLETED
        assert "ended early" in found.notes[0]
        speakers = [u.speaker for u in store.transcript(found.id).utterances[:3]]
    assert speakers == [0, 0, 1], "corrections were kept too"


def test_a_stop_ends_although_the_service_stalls(
    recording: Path, service: LoopbackService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of a stored meeting is recognized without live results."""
    import speech_compat as speechsdk

    monkeypatch.setattr("speech_compat._session.backlog.IDLE_SECONDS", 1.0)
    monkeypatch.setattr("speech_compat._session.session._DRAIN_SECONDS", 1.0)
    for mode in ("RealTimeAndAsync", "RealTime"):
        service.script = Script(LINES, stall=0)
        service._stalled = False
        config = speechsdk.SpeechConfig(subscription="key", region="centralus")
        config.set_service_property(
            "transcriptionMode", mode, speechsdk.ServicePropertyChannel.UriQueryParameter
        )
        config.set_property_by_name("DifferentiateGuestSpeakers", "true")
        audio = speechsdk.audio.AudioConfig(filename=str(recording))
        transcriber = speechsdk.transcription.MeetingTranscriber(audio)
        transcriber.join_meeting_async(speechsdk.transcription.Meeting(config, mode)).get()
        transcriber.start_transcribing_async().get()
        time.sleep(1)
        began = time.monotonic()
        transcriber.stop_transcribing_async().get()
        assert time.monotonic() - began < 20
    assert len(run("fetch_meeting.py", "RealTimeAndAsync")) == 3
