"""The life of meetings with scripted sessions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import attrs
import pytest

from double.running_meeting import AUDIO, SECOND, TALK, FakeClient, Running, run, turn
from double.scripted_backend import Script, said
from speech_adapters.contract import Attendee, MeetingRequest, Mode, Recognized
from speech_adapters.errors import BackendError, SpeechError, StoreError
from speech_compat.gateway.framing import FramingError


def test_a_meeting_from_its_audio_to_its_end(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(3)
        await running.settle()
        assert running.client.texts == ["one", "two"]
        await running.push(1)
        await running.meeting.finish_turn()
        await running.meeting.done.wait()
        client = running.client
        assert client.texts == ["one", "two", "three", "EndOfDictation"]
        assert client.paths == ["speech.hypothesis", *["speech.phrase"] * 4, "turn.end"]
        assert client.messages[-2].document()["Offset"] == 4 * SECOND
        assert len(running.session.audio) == 4 * len(AUDIO)
        assert running.session.finished

    run(tmp_path, TALK, work)


def test_the_end_of_a_stored_meeting_waits_for_the_hand_over(tmp_path: Path) -> None:
    script = Script([(1, Recognized(said("secret", 0, 1)))])

    async def work(running: Running) -> None:
        await running.push(2)
        await running.settle()
        assert running.client.messages == []
        await running.meeting.finish_turn()
        await running.meeting.done.wait()
        assert running.session.finished
        assert running.client.texts == ["EndOfDictation"]
        assert running.client.paths[-1] == "turn.end"

    run(tmp_path, script, work, Mode.STORED)


def test_a_slow_hand_over_does_not_keep_the_client_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_compat.gateway.running._HAND_OVER_SECONDS", 0.01)
    upload = anyio.Event()

    async def work(running: Running) -> None:
        async def finish() -> None:
            await upload.wait()

        monkeypatch.setattr(running.session, "finish", finish)
        await running.push(1)
        await running.meeting.finish_turn()
        while "turn.end" not in running.client.paths:
            await anyio.sleep(0.01)
        assert not running.meeting.done.is_set(), "the gateway still waits for it"
        upload.set()
        await running.meeting.done.wait()

    run(tmp_path, Script(), work, Mode.STORED)


def failing(error: Exception) -> Script:
    return Script([(1, Recognized(said("one", 0, 1))), (2, error)])


@pytest.mark.parametrize(
    ("mode", "repeated"), [(Mode.LIVE, False), (Mode.BOTH, True)], ids=["live", "stored"]
)
def test_an_error_of_the_session_reaches_the_client(
    tmp_path: Path, mode: Mode, repeated: bool
) -> None:
    async def work(running: Running) -> None:
        await running.push(2)
        await running.meeting.done.wait()
        client = running.client
        assert client.texts == ["one", "Error"]
        assert client.paths[-1] == "turn.end"
        details = client.messages[-2].document()["ErrorDetails"]
        assert "secret" not in details
        # Audio that is still under way is no error.
        await running.push(1)
        # A client asks five times: a live meeting goes on, one that is stored fell apart.
        assert running.meeting.continues(turn(SECOND, client.token), running.request) is repeated
        again = FakeClient()
        await running.meeting.attach(again, turn(SECOND, client.token))
        assert again.texts == ["Error"]

    run(tmp_path, failing(BackendError("secret words")), work, mode)


def test_a_bug_is_an_error_without_its_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(running: Running) -> None:
        await running.push(2)
        await running.meeting.done.wait()
        assert running.client.texts == ["one", "Error"]

    run(tmp_path, failing(ValueError("secret words")), work)
    assert "ValueError" in caplog.text
    assert "scripted_backend.py" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("field", ["push_error", "finish_error"])
def test_an_error_of_the_audio_reaches_the_client(tmp_path: Path, field: str) -> None:
    script = Script()
    setattr(script, field, StoreError("The disk is full."))

    async def work(running: Running) -> None:
        await running.push(1)
        await running.meeting.finish_turn()
        await running.meeting.done.wait()
        assert running.client.texts == ["Error"]

    run(tmp_path, script, work, Mode.BOTH)


def test_audio_is_limited(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(4)
        await running.meeting.done.wait()
        assert running.client.texts == ["BadRequest"]

    run(tmp_path, Script(), work, audio_hours="0.001")


def test_a_meeting_ends_without_a_connection(tmp_path: Path) -> None:
    expired: list[bool] = []

    async def work(running: Running) -> None:
        running.meeting.on_expired = lambda: expired.append(True)
        await running.push(1)
        running.meeting.detach(running.client)
        await running.meeting.done.wait()
        assert not running.session.finished, "the recording ends here"
        assert not running.meeting.continues(turn(SECOND), running.request)

    run(tmp_path, TALK, work, Mode.BOTH, reconnect_seconds="0.05")
    assert expired == [True]


def test_audio_of_another_format_or_with_a_gap_is_an_error(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        other = turn()
        other.pcm = attrs.evolve(other.pcm, channels=2)
        with pytest.raises(FramingError, match="format"):
            await running.meeting.attach(FakeClient(), other)
        with pytest.raises(FramingError, match="gap"):
            await running.meeting.attach(FakeClient(), turn(9 * SECOND))

    run(tmp_path, TALK, work)


def test_present_attendees_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[tuple[Attendee, ...]] = []

    async def replace(request: MeetingRequest) -> None:
        assert request.meeting_id == "m"
        stored.append(request.attendees)
        if len(stored) == 2:
            raise SpeechError("secret")

    async def work(running: Running) -> None:
        monkeypatch.setattr(running.meeting._owned, "replace_attendees", replace)
        await running.meeting.replace_attendees(())
        await running.meeting.replace_attendees((Attendee("kim"),))
        await running.meeting.replace_attendees((Attendee("kim"),))
        assert stored == [(Attendee("kim"),)]
        await running.meeting.replace_attendees(())
        await running.meeting.done.wait()
        assert running.client.texts == ["Error"]

    run(tmp_path, Script(), work, Mode.BOTH)


def test_a_client_waits_while_the_session_accepts_no_audio(tmp_path: Path) -> None:
    script = Script(blocked=True)

    async def work(running: Running) -> None:
        push = asyncio.create_task(running.meeting.push(AUDIO))
        await running.settle()
        assert not push.done()
        running.session.go_on()
        await push
        assert len(running.session.audio) == len(AUDIO)

    run(tmp_path, script, work)


def test_the_latency_of_results_is_measured(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(2)
        await running.settle()
        metrics = running.gateway.metrics.text().decode()
        assert "speech_compat_phrases_total 2.0" in metrics
        assert "speech_compat_phrase_latency_seconds_count 2.0" in metrics
        assert "speech_compat_audio_seconds_total 2.0" in metrics
        assert "speech_compat_meetings" in metrics

    run(tmp_path, TALK, work)
