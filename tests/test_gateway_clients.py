"""Microsoft's unmodified packages for Python and JavaScript as clients of a gateway.

The audio counts its tenths of a second, and the backend's phrases name them, so a test sees
what arrived.
"""

from __future__ import annotations

import json
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from double.clock_backend import numbers
from double.gateway import KEYS, client_of, serving, settings_of
from double.node import run_node
from double.proxy import Cut, broken_network
from double.scripted_backend import Script, install, said
from double.sdk_client import transcribe
from oracle.test_oracle import why_not
from speech_adapters.contract import Attendee, Hypothesis, Mode, NoMatch, Recognized, SessionEvent
from speech_adapters.errors import BackendError, RefusedError, SpeechError, ThrottledError
from speech_adapters.transcript import Word
from speech_compat.testing.loopback import clock_audio

ALICE = KEYS["alice"]
SECOND = 10_000_000
COMPLETED = 2
ERAS = ("diarization", "meeting")


@pytest.fixture(autouse=True)
def _needs_the_real_package() -> None:
    if why_not():
        pytest.skip(why_not())


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    install(monkeypatch, script)
    return script


@contextmanager
def gateway(tmp_path: Path, backend: str, *cuts: Cut, **options: str) -> Iterator[str]:
    """Serve; yield the address, which leads through a network with ``cuts``."""
    properties = {f"gateway.{name}": value for name, value in options.items()}
    with serving(settings_of(tmp_path, backend=backend, **properties)) as address:
        port = int(address.rpartition(":")[2])
        with broken_network(lambda: port, cuts) as broken:
            yield f"ws://127.0.0.1:{broken}"


def finals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event.get("event", event.get("name")) == "transcribed"]


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("event") or event["name"] for event in events]


def stored(address: str, meeting_id: str) -> list[dict[str, Any]]:
    """Return the transcript that the remote client would fetch."""
    with client_of(address.replace("ws", "http")) as client:
        for _ in range(600):
            found = client.get("/api/v1/offlinetask", params={"id": meeting_id}).json()
            if found["processingStatus"] == COMPLETED:
                items: list[dict[str, Any]] = found["transcriptions"]
                return items
            time.sleep(0.1)
    raise AssertionError("the meeting does not end")


def check_tenths(events: list[dict[str, Any]], tenths: int) -> None:
    """Check that each tenth of a second was recognized once, and at its offset."""
    phrases = finals(events)
    heard = [number for phrase in phrases for number in numbers(phrase["text"])]
    assert heard == list(range(tenths))
    for phrase in phrases:
        assert phrase["offset"] == numbers(phrase["text"])[0] * SECOND // 10
        assert phrase["duration"] == len(numbers(phrase["text"])) * SECOND // 10


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize(("era", "channels"), [("diarization", 1), ("meeting", 1), ("meeting", 8)])
def test_python(tmp_path: Path, era: str, channels: int) -> None:
    with gateway(tmp_path, "clock") as address:
        events = transcribe(era, address, ALICE, tenths=70, channels=channels)
    check_tenths(events, 70)
    assert names(events) == [
        "session_started",
        *["transcribing", "transcribed"] * 4,
        "canceled",
        "session_stopped",
    ]
    assert events[-2]["code"] == "NoError"
    speakers = [event["speaker"] for event in finals(events)]
    first, second = ("Guest-1", "Guest-2") if era == "diarization" else ("Guest_0", "Guest_1")
    assert speakers == [first, second, first, second]
    if era == "meeting":
        assert finals(events)[1]["utterance_id"] == f"1_Guest_1_{2 * SECOND}"


def clock_file(folder: Path, tenths: int, channels: int) -> Path:
    path = folder / "clock.pcm"
    mono = np.frombuffer(clock_audio(0, tenths), "<i2")
    path.write_bytes(np.repeat(mono, channels).tobytes())
    return path


def javascript(address: str, era: str, audio: Path, key: str = ALICE) -> list[dict[str, Any]]:
    path = "/speech/recognition/multiaudio" if era == "meeting" else "/stt/speech/universal/v2"
    argument = "meeting" if era == "meeting" else ""
    found: list[dict[str, Any]] = run_node(
        "speech_client.mjs", address + path, "0", argument, key, str(audio)
    )
    return found


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize(("era", "channels"), [("diarization", 1), ("meeting", 8)])
@pytest.mark.parametrize("cut", [False, True])
def test_javascript(tmp_path: Path, era: str, channels: int, cut: bool) -> None:
    # Longer than what that client sends at once: what it has sent it does not send again.
    cuts = [Cut(250_000 * channels, code=1011)] if cut else []
    with gateway(tmp_path, "clock", *cuts) as address:
        events = javascript(address, era, clock_file(tmp_path, 120, channels))
    check_tenths(events, 120)
    assert names(events)[-2:] == ["canceled", "session_stopped"]


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "cuts",
    [
        # The connection breaks twice.
        [Cut(200_000), Cut(100_000)],
        # Results and acknowledgements were sent, but lost.
        [Cut(300_000, deaf=120_000)],
        # All of them are lost, even the start of the turn.
        [Cut(200_000, deaf=0)],
        [Cut(250_000, deaf=100_000, code=1011)],
        # In the last audio, and at the end, whose answer is lost.
        [Cut(474_000)],
        [Cut(480_500, deaf=300_000)],
    ],
)
def test_nothing_is_lost_or_repeated_when_the_network_breaks(
    tmp_path: Path, era: str, cuts: list[Cut]
) -> None:
    mode = {"mode": "RealTimeAndAsync"} if era == "meeting" else {}
    with gateway(tmp_path, "clock", *cuts) as address:
        events = transcribe(era, address, ALICE, tenths=145, meeting_id="m", **mode)
        check_tenths(events, 145)
        if era == "meeting":
            texts = [item["text"] for item in stored(address, "m")]
            assert texts == [event["text"] for event in finals(events)]
    assert names(events)[-2:] == ["canceled", "session_stopped"]
    assert events[-2]["code"] == "NoError"


def corrected(number: int, speaker: int) -> SessionEvent:
    utterance = said(f"{number}", number, number + 1, speaker)
    return Recognized(utterance, correction=True)


def test_corrections_and_a_broken_connection(tmp_path: Path, script: Script) -> None:
    for number in range(12):
        script.events.append((number + 1, Recognized(said(f"{number}", number, number + 1, 0))))
        if number in (4, 9):
            # Far behind: they move the position of the client back.
            script.events.append((number + 1, corrected(1, number)))
    with gateway(tmp_path, "scripted", Cut(161_500), Cut(150_000)) as address:
        events = transcribe("meeting", address, ALICE, tenths=120)
    phrases = finals(events)
    assert [phrase["text"] for phrase in phrases] == [
        *("0", "1", "2", "3", "4", "1", "5", "6", "7", "8", "9", "1", "10", "11"),
    ]
    # The client shows what lies before its turn at the start of the turn.
    offsets = [phrase["offset"] for phrase in phrases if phrase["text"] != "1"]
    assert offsets == [number * SECOND for number in (0, *range(2, 12))]
    ids = {phrase["result_id"] for phrase in phrases if phrase["text"] == "1"}
    assert len(ids) == 1
    assert [p["utterance_id"] for p in phrases if p["text"] == "1"] == [
        f"1_Guest_0_{SECOND}",
        f"1_Guest_4_{SECOND}",
        f"1_Guest_9_{SECOND}",
    ]
    assert len(script.sessions[0].audio) == 12 * 32_000


def test_two_minutes_without_a_result(tmp_path: Path, script: Script) -> None:
    script.events = [(119, Recognized(said("at last", 115, 119)))]
    fast = {"SPEECH-AudioThrottleAsPercentageOfRealTime": "1500"}
    with gateway(tmp_path, "scripted") as address:
        events = transcribe("diarization", address, ALICE, tenths=1_200, properties=fast)
    (phrase,) = finals(events)
    assert (phrase["text"], phrase["offset"]) == ("at last", 115 * SECOND)
    assert names(events)[-2:] == ["canceled", "session_stopped"]
    assert events[-2]["code"] == "NoError"


@pytest.mark.usefixtures("script")
def test_an_asynchronous_meeting_has_no_results_but_a_transcript(tmp_path: Path) -> None:
    fast = {"SPEECH-AudioThrottleAsPercentageOfRealTime": "3000"}
    with gateway(tmp_path, "clock") as address:
        events = transcribe(
            "meeting", address, ALICE, tenths=900, mode="async", meeting_id="m", properties=fast
        )
        assert names(events) == ["session_started", "canceled", "session_stopped"]
        assert events[1]["code"] == "NoError"
        heard = [number for item in stored(address, "m") for number in numbers(item["text"])]
    assert heard == list(range(900))


def test_what_the_client_announces_reaches_the_backend(tmp_path: Path, script: Script) -> None:
    words = (Word("One", 0, SECOND, 0.5),)
    script.events = [
        (1, Hypothesis(said("one", 0, 1))),
        (1, Recognized(said("One.", 0, 1, words=words))),
        (2, NoMatch(SECOND, SECOND)),
        (3, Recognized(said("Three.", 2, 3, 0, participant="kim@example.com"))),
    ]
    voice = '{"Version": 1, "Tag": "dA==", "Data": "ZA=="}'
    with gateway(tmp_path, "scripted") as address:
        events = transcribe(
            "meeting",
            address,
            ALICE,
            tenths=40,
            language="de-DE",
            mode="RealTimeAndAsync",
            participants=[["kim@example.com", "en-US", voice]],
            words=True,
            detailed=True,
            phrases=["Contoso"],
        )
    (request,) = script.requests
    assert (request.mode, request.language) == (Mode.BOTH, "de-DE")
    assert request.attendees == (Attendee("kim@example.com", "en-US", voice),)
    assert (request.phrases, request.word_timestamps) == (("Contoso",), True)
    one, nothing, three = finals(events)
    assert one["json"]["NBest"][0]["Words"][0]["Word"] == "One"
    assert (nothing["reason"], nothing["offset"]) == ("NoMatch", SECOND)
    assert three["speaker"] == "kim@example.com"


def test_participants_join_and_leave(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[tuple[str, ...]] = []

    async def replace(_: object, request: Any) -> None:
        stored.append(tuple(attendee.id for attendee in request.attendees))

    monkeypatch.setattr("speech_adapters.meetings.MeetingService.replace_attendees", replace)
    with gateway(tmp_path, "scripted") as address:
        events = transcribe(
            "meeting",
            address,
            ALICE,
            tenths=40,
            mode="async",
            participants=[["kim", "en-US"]],
            joins=[["lee", "en-US", "{}"]],
            leaves=["kim"],
        )
    assert stored == [("kim", "lee"), ("lee",)]
    assert names(events)[-1] == "session_stopped"


@pytest.mark.parametrize("era", ERAS)
def test_a_program_may_start_again(tmp_path: Path, script: Script, era: str) -> None:
    script.events = [(1, Recognized(said("one", 0, 1)))]
    with gateway(tmp_path, "scripted") as address:
        events = transcribe(era, address, ALICE, tenths=20, restarts=1)
    first, second = finals(events)
    # The client goes on counting.
    assert (first["offset"], second["offset"]) == (0, 2 * SECOND)
    assert [len(session.audio) for session in script.sessions] == [64_000, 64_000]
    assert names(events).count("session_stopped") == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("secret"), "BadRequest"),
        (ThrottledError("secret"), "TooManyRequests"),
        (BackendError("secret"), "ServiceError"),
    ],
)
@pytest.mark.parametrize("mode", ["realtime", "RealTimeAndAsync"])
def test_errors_have_their_code(
    tmp_path: Path, script: Script, error: SpeechError, code: str, mode: str
) -> None:
    script.events = [(1, error)]
    with gateway(tmp_path, "scripted") as address:
        events = transcribe("meeting", address, ALICE, tenths=40, mode=mode)
    canceled = events[-2]
    assert names(events)[-2:] == ["canceled", "session_stopped"]
    assert canceled["code"] == code
    assert "secret" not in str(canceled)


def test_a_live_meeting_goes_on_after_an_error(tmp_path: Path, script: Script) -> None:
    script.open_errors = [BackendError("once")]
    script.events = [(1, Recognized(said("one", 0, 1)))]
    with gateway(tmp_path, "scripted") as address:
        events = transcribe("diarization", address, ALICE, tenths=40)
    assert [phrase["text"] for phrase in finals(events)] == ["one"]
    assert events[-2]["code"] == "NoError"


def test_a_wrong_key(tmp_path: Path, script: Script) -> None:
    with gateway(tmp_path, "scripted") as address:
        events = transcribe("diarization", address, "a wrong key", tenths=20)
        (refused,) = javascript(address, "", clock_file(tmp_path, 20, 1), "wrong")
    assert events[1]["code"] == "AuthenticationFailure"
    assert "401" in refused["details"]
    assert script.requests == []


@pytest.mark.engine
def test_speakers_of_the_local_engine(tmp_path: Path, shipped_recordings: Path) -> None:
    file = str(shipped_recordings / "endgame_nagg_nell.wav")
    with gateway(tmp_path, "local", Cut(700_000)) as address:
        events = transcribe(
            "meeting", address, ALICE, file=file, mode="RealTimeAndAsync", meeting_id="m"
        )
        items = stored(address, "m")
    assert events[-2]["code"] == "NoError"
    # The last result of each utterance, after all corrections.
    last = {event["result_id"]: event for event in finals(events)}
    assert {"Guest_0", "Guest_1"} <= {event["speaker"] for event in last.values()}
    assert [item["resultId"] for item in items] == list(last)
    assert [item["text"] for item in items] == [event["text"] for event in last.values()]


@pytest.mark.engine
def test_a_participant_of_the_local_engine(tmp_path: Path, shipped_recordings: Path) -> None:
    recording = shipped_recordings / "beckett.wav"
    with gateway(tmp_path, "local") as address:
        with client_of(address.replace("ws", "http")) as client:
            path = "/api/v1/Signature/GenerateVoiceSignatureFromByteArray"
            answer = client.post(path, content=recording.read_bytes()).json()
        voice = json.dumps(answer["Signature"])
        events = transcribe(
            "meeting",
            address,
            ALICE,
            file=str(recording),
            participants=[["sam@example.com", "en-US", voice]],
        )
    assert finals(events)[-1]["speaker"] == "sam@example.com"


@pytest.mark.engine
def test_javascript_with_the_local_engine(tmp_path: Path, shipped_recordings: Path) -> None:
    with wave.open(str(shipped_recordings / "clone-test.wav")) as recording:
        mono = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    audio = tmp_path / "audio.pcm"
    audio.write_bytes(np.repeat(mono, 8).tobytes())
    with gateway(tmp_path, "local") as address:
        events = javascript(address, "meeting", audio)
    assert finals(events)[-1]["speaker"] == "Guest_0"
    assert names(events)[-2:] == ["canceled", "session_stopped"]
