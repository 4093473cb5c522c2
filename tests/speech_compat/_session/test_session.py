"""Event order and threads of a transcription, through the public interface."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

import speech_compat as speechsdk
from double.encoded import encode, tone
from oracle import scripted
from oracle.scenario import PHRASES, Scenario
from oracle.scripted import Played, install
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.errors import StoreError
from speech_adapters.meetings import MeetingService

SIGNALS = (
    "session_started",
    "speech_start_detected",
    "transcribing",
    "transcribed",
    "speech_end_detected",
    "canceled",
    "session_stopped",
)


class Program:
    """A meeting program that notes its events."""

    def __init__(self, mode: str = "", meeting_id: str = "m", **settings: str) -> None:
        self.config = speechsdk.SpeechConfig(subscription="key", region="centralus")
        self.config.set_property_by_name("DifferentiateGuestSpeakers", "true")
        for name, value in settings.items():
            self.config.set_property_by_name(f"speech-compat.{name}", value)
        if mode:
            channel = speechsdk.ServicePropertyChannel.UriQueryParameter
            self.config.set_service_property("transcriptionMode", mode, channel)
        self.stream = speechsdk.audio.PushAudioInputStream()
        audio = speechsdk.audio.AudioConfig(stream=self.stream)
        self.transcriber = speechsdk.transcription.MeetingTranscriber(audio)
        self.meeting = speechsdk.transcription.Meeting(self.config, meeting_id)
        self.events: list[tuple[str, Any]] = []
        self.threads: set[str] = set()
        self.stopped = threading.Event()
        for name in SIGNALS:
            getattr(self.transcriber, name).connect(lambda evt, name=name: self.note(name, evt))

    def note(self, name: str, event: Any) -> None:
        self.events.append((name, event))
        self.threads.add(threading.current_thread().name)
        if name == "session_stopped":
            self.stopped.set()

    def run(self, audio: bytes = bytes(3200)) -> list[str]:
        self.transcriber.join_meeting_async(self.meeting).get()
        self.transcriber.start_transcribing_async().get()
        self.stream.write(audio)
        self.stream.close()
        assert self.stopped.wait(20)
        self.transcriber.stop_transcribing_async().get()
        return self.names()

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def of(self, name: str) -> Any:
        return next(event for found, event in self.events if found == name)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return install(monkeypatch, Played(Scenario()))


def test_a_normal_end_has_the_order_of_the_real_package(played: Played) -> None:
    program = Program()
    names = program.run()
    assert names == [
        "session_started",
        "speech_start_detected",
        *["transcribing"] * 2,
        "transcribed",
        "transcribing",
        "transcribed",
        "transcribed",
        "speech_end_detected",
        "canceled",
        "session_stopped",
    ]
    details = program.of("canceled").cancellation_details
    assert details.reason is speechsdk.CancellationReason.EndOfStream
    assert details.code is speechsdk.CancellationErrorCode.NoError
    assert details.error_details == ""
    assert program.of("canceled").result.reason is speechsdk.ResultReason.Canceled
    assert len({event.session_id for _, event in program.events}) == 1
    assert played.open_sessions == 0


def test_all_callbacks_come_on_one_worker_thread(played: Played) -> None:
    program = Program()
    program.run()
    assert program.threads == {"speech-compat-events"}


def test_results_have_the_fields_of_meetings_in_ticks(played: Played) -> None:
    program = Program()
    program.run()
    results = [event.result for name, event in program.events if name == "transcribed"]
    assert [r.text for r in results] == [phrase.text for phrase in PHRASES]
    assert [r.user_id for r in results] == ["Unidentified", "Guest_1", "Guest_0"]
    assert [r.utterance_id for r in results] == [
        "0_Unidentified_5000000",
        "1_Guest_1_20000000",
        "2_Guest_0_35000000",
    ]
    assert [(r.offset, r.duration) for r in results] == [(p.offset, p.duration) for p in PHRASES]
    guess = program.of("transcribing").result
    assert guess.reason is speechsdk.ResultReason.RecognizingSpeech
    assert guess.result_id == results[0].result_id
    assert program.of("transcribing").offset == guess.offset


def test_a_corrected_speaker_is_sent_again_with_a_new_utterance_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, Played(Scenario(phrases=PHRASES[1:2]), corrections=True))
    program = Program()
    program.run()
    first, again = [event.result for name, event in program.events if name == "transcribed"]
    assert (first.user_id, again.user_id) == ("Guest_1", "Guest_5")
    assert (first.utterance_id, again.utterance_id) == ("0_Guest_1_20000000", "0_Guest_5_20000000")
    assert (first.text, first.offset, first.result_id) == (
        again.text,
        again.offset,
        again.result_id,
    )


def test_stopping_early_has_no_cancellation(played: Played) -> None:
    program = Program()
    program.transcriber.join_meeting_async(program.meeting).get()
    program.transcriber.start_transcribing_async().get()
    program.stream.write(bytes(3200))
    program.transcriber.stop_transcribing_async().get()
    assert "canceled" not in program.names()
    assert program.names()[-1] == "session_stopped"
    program.stream.write(bytes(3200))  # thrown away, and does not wait
    assert bytes(played.audio) == bytes(3200)


def test_stopping_before_any_audio_ends_at_once(played: Played) -> None:
    program = Program()
    program.transcriber.join_meeting_async(program.meeting).get()
    program.transcriber.start_transcribing_async().get()
    program.transcriber.stop_transcribing_async().get()
    assert program.names()[0] == "session_started"
    assert program.names()[-1] == "session_stopped"


def test_stopping_from_a_callback_does_not_lock_up(played: Played) -> None:
    program = Program()
    program.transcriber.transcribed.connect(
        lambda _: program.transcriber.stop_transcribing_async().get()
    )
    assert program.run()[-1] == "session_stopped"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("refused", speechsdk.CancellationErrorCode.ServiceUnavailable),
        ("unauthorized", speechsdk.CancellationErrorCode.AuthenticationFailure),
        ("bad-request", speechsdk.CancellationErrorCode.RuntimeError),
    ],
)
def test_an_error_is_a_cancellation_and_then_the_stop(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    end: str,
    code: speechsdk.CancellationErrorCode,
) -> None:
    install(monkeypatch, Played(Scenario(end)))
    program = Program()
    names = program.run()
    assert names[-2:] == ["canceled", "session_stopped"]
    details = program.of("canceled").cancellation_details
    assert details.reason is speechsdk.CancellationReason.Error
    assert details.code is code
    assert details.error_details in caplog.text


def test_a_failing_callback_is_logged_and_the_others_are_called(
    played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    program = Program()
    program.transcriber.transcribed.disconnect_all()
    program.transcriber.transcribed.connect(lambda _: 1 / 0)
    program.transcriber.transcribed.connect(lambda evt: program.note("transcribed", evt))
    assert program.run().count("transcribed") == len(PHRASES)
    assert "ZeroDivisionError" in caplog.text


def test_audio_that_cannot_be_stored_ends_the_meeting_with_its_reason(played: Played) -> None:
    played.push_error = StoreError("The disk is full.")
    program = Program()
    assert program.run()[-2:] == ["canceled", "session_stopped"]
    assert program.of("canceled").cancellation_details.error_details == "The disk is full."
    assert played.open_sessions == 0


def test_a_disk_that_stays_full_is_reported_without_a_traceback(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    aclose = scripted._ScriptedSession.aclose

    async def refuse(session: scripted._ScriptedSession) -> None:
        await aclose(session)
        raise StoreError("The disk is still full.")

    monkeypatch.setattr(scripted._ScriptedSession, "aclose", refuse)
    played.push_error = StoreError("The disk is full.")
    program = Program()
    # An error that ends a thread of the session would fail this test.
    assert program.run()[-2:] == ["canceled", "session_stopped"]
    assert program.of("canceled").cancellation_details.error_details == "The disk is full."
    assert "stays open until its next status query: The disk is still full." in caplog.text
    assert "Traceback" not in caplog.text


def test_an_unknown_backend_is_refused_before_the_start(played: Played) -> None:
    program = Program(backend="nope")
    with pytest.raises(RuntimeError, match="There is no backend called 'nope'"):
        program.transcriber.join_meeting_async(program.meeting).get()
    assert not program.events


def test_a_backend_that_is_set_after_joining_is_reported_before_any_audio(
    played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    program = Program()
    program.transcriber.join_meeting_async(program.meeting).get()
    program.config.set_property_by_name("speech-compat.backend", "nope")
    program.transcriber.start_transcribing_async()
    assert program.stopped.wait(20)
    details = program.of("canceled").cancellation_details
    assert details.code is speechsdk.CancellationErrorCode.BadRequest
    assert "There is no backend called 'nope'" in details.error_details
    assert "There is no backend called 'nope'" in caplog.text


def test_what_will_be_lost_is_one_warning_of_the_programs_line(
    played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "speech_compat")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            program = Program()
            speechsdk.PhraseListGrammar.from_recognizer(program.transcriber).addPhrase("Katie")
            program.run()
    assert played.requests[0].phrases == ("Katie",)
    (found,) = caught
    assert "[phrases]" in str(found.message)
    assert found.filename == __file__
    line = Path(__file__).read_text("utf-8").splitlines()[found.lineno - 1]
    assert "self.transcriber.start_transcribing_async().get()" in line
    # Once: without a handler, a log line would go to standard error too.
    assert caplog.text == ""


def test_a_warning_that_is_an_error_refuses_the_meeting(played: Played) -> None:
    program = Program()
    speechsdk.PhraseListGrammar.from_recognizer(program.transcriber).addPhrase("Katie")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "SC111", speechsdk.GapWarning)
        assert program.run()[-2:] == ["canceled", "session_stopped"]
    details = program.of("canceled").cancellation_details
    assert details.code is speechsdk.CancellationErrorCode.BadRequest
    assert "SC111: Backend 'scripted' [phrases]" in details.error_details
    assert played.open_sessions == 0


def test_settings_without_effect_are_warnings(played: Played) -> None:
    program = Program()
    program.config.set_profanity(speechsdk.ProfanityOption.Raw)
    program.config.output_format = speechsdk.OutputFormat.Simple
    with pytest.warns(speechsdk.GapWarning) as caught:
        program.run()
    assert ["[setting profanity]: it is set, but" in str(one.message) for one in caught] == [True]


def test_strict_mode_refuses_settings_without_effect(played: Played) -> None:
    program = Program(strict="true")
    program.config.endpoint_id = "custom"
    assert program.run()[-2:] == ["canceled", "session_stopped"]
    text = program.of("canceled").cancellation_details.error_details
    assert "setting endpoint_id: it is set, but the custom model" in text
    assert played.open_sessions == 0


def test_strict_mode_refuses_what_would_be_lost(played: Played) -> None:
    program = Program(strict="true")
    speechsdk.PhraseListGrammar.from_recognizer(program.transcriber).addPhrase("Katie")
    assert program.run()[-2:] == ["canceled", "session_stopped"]
    assert "Strict mode" in program.of("canceled").cancellation_details.error_details


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", Mode.LIVE),
        ("Realtime", Mode.LIVE),
        ("async", Mode.STORED),
        ("ASYNC", Mode.STORED),
        ("RealTimeAndAsync", Mode.BOTH),
    ],
)
def test_the_request_has_what_the_program_requested(played: Played, text: str, mode: Mode) -> None:
    program = Program(text, meeting_id="it's 🎉")
    program.config.speech_recognition_language = "de-DE"
    program.config.request_word_level_timestamps()
    someone = speechsdk.transcription.Participant("u@example.com", "en-GB", '{"Version": 0}')
    program.meeting.add_participant_async(someone).get()
    with pytest.warns(speechsdk.GapWarning) as caught:
        program.run()
    assert {str(one.message)[:6] for one in caught} == {"SC107:", "SC110:"}
    (request,) = played.requests
    assert (request.meeting_id, request.mode, request.language) == ("it's 🎉", mode, "de-DE")
    assert request.word_timestamps
    assert request.differentiate_speakers
    (attendee,) = request.attendees
    assert (attendee.id, attendee.language, attendee.has_voice_signature) == (
        "u@example.com",
        "en-GB",
        True,
    )


@pytest.mark.parametrize("mode", ["async", "RealTimeAndAsync", ""])
def test_participants_that_are_added_while_a_stored_meeting_runs_are_stored(
    played: Played, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    replaced: list[MeetingRequest] = []

    async def replace_attendees(_: MeetingService, request: MeetingRequest) -> None:
        replaced.append(request)

    monkeypatch.setattr(MeetingService, "replace_attendees", replace_attendees)
    program = Program(mode)
    program.transcriber.join_meeting_async(program.meeting).get()
    program.transcriber.start_transcribing_async().get()
    late = speechsdk.transcription.Participant("late", "en-GB", '{"type": "x"}')
    program.meeting.add_participant_async(late).get()
    program.stream.write(bytes(3200))
    program.stream.close()
    assert program.stopped.wait(20)
    added = [[(a.id, a.voice_signature) for a in request.attendees] for request in replaced]
    assert added == ([[("late", '{"type": "x"}')]] if mode else [])
    assert {request.meeting_id for request in replaced} <= {"m"}


@pytest.mark.parametrize("mode", ["async", ""])
def test_participants_that_stay_the_same_are_not_stored_again(
    played: Played, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(MeetingService, "replace_attendees", None)  # a call would fail
    program = Program(mode)
    program.meeting.add_participant_async(speechsdk.transcription.Participant("u", "")).get()
    assert program.run()[-2:] == ["canceled", "session_stopped"]
    assert program.of("canceled").cancellation_details.error_details == ""


def test_a_transcriber_can_start_again_after_it_stopped(played: Played) -> None:
    program = Program()
    program.transcriber.join_meeting_async(program.meeting).get()
    sessions = set()
    for _ in range(2):
        program.transcriber.start_transcribing_async().get()
        program.stream.write(bytes(3200))
        program.transcriber.stop_transcribing_async().get()
        sessions.add(program.events[-1][1].session_id)
    assert len(sessions) == 2
    assert program.names().count("session_started") == 2


def test_after_leaving_there_are_no_results_but_the_final_events(played: Played) -> None:
    program = Program()
    program.transcriber.join_meeting_async(program.meeting).get()
    program.transcriber.leave_meeting_async().get()
    program.transcriber.start_transcribing_async().get()
    program.stream.write(bytes(3200))
    program.stream.close()
    assert program.stopped.wait(20)
    assert "transcribed" not in program.names()
    assert program.names()[-2:] == ["canceled", "session_stopped"]


def test_nothing_is_left_running(played: Played) -> None:
    before = {thread.name for thread in threading.enumerate()}
    Program().run()
    deadline = time.monotonic() + 5
    lasting = {"speech-compat-loop", "speech-compat-exit", "AnyIO worker thread"}
    while left := {t.name for t in threading.enumerate()} - before - lasting:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def test_a_wav_header_in_the_stream_declares_the_format(played: Played, tmp_path: Path) -> None:
    import wave

    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(4410 * 4))
    program = Program()
    speechsdk.PhraseListGrammar.from_recognizer(program.transcriber).addPhrase("Katie")
    with pytest.warns(speechsdk.GapWarning) as caught:
        program.run(path.read_bytes())
    # The meeting is compared with the backend again, but each loss is one warning.
    assert [str(one.message)[:6] for one in caught] == ["SC111:", "SC109:"]
    request = played.requests[-1]  # the meeting is opened first with the declared format
    assert (request.audio.sample_rate, request.audio.channels) == (44_100, 2)
    assert len(played.audio) == 4410 * 4


def test_a_compressed_stream_has_the_format_that_was_decoded(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = speechsdk.AudioStreamContainerFormat.OGG_OPUS
    declared = speechsdk.audio.AudioStreamFormat(compressed_stream_format=container)
    stream = speechsdk.audio.PushAudioInputStream
    monkeypatch.setattr(speechsdk.audio, "PushAudioInputStream", lambda: stream(declared))
    program = Program()
    names = program.run(encode(tone(2), "ogg"))
    assert names[0] == "session_started"
    assert "transcribed" in names
    request = played.requests[-1]
    assert (request.audio.sample_rate, request.audio.channels) == (48_000, 1)
    assert len(played.audio) == 2 * 2 * 48_000


def test_a_stream_that_cannot_be_decoded_ends_with_an_error(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = speechsdk.AudioStreamContainerFormat.MP3
    declared = speechsdk.audio.AudioStreamFormat(compressed_stream_format=container)
    stream = speechsdk.audio.PushAudioInputStream
    monkeypatch.setattr(speechsdk.audio, "PushAudioInputStream", lambda: stream(declared))
    program = Program()
    assert program.run(b"hello, hello " * 1000) == [
        "session_started",
        "canceled",
        "session_stopped",
    ]
    details = program.of("canceled").cancellation_details
    assert details.reason is speechsdk.CancellationReason.Error
    assert "The audio stream is no MP3 audio that can be used" in details.error_details
