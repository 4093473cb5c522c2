from __future__ import annotations

import asyncio
from typing import Any

import pytest

import speech_compat as speechsdk
from oracle.scenario import PHRASES, Scenario
from oracle.scripted import Played, install
from speech_compat.audio import AudioConfig, PushAudioInputStream
from speech_compat.transcription import Meeting, MeetingTranscriber

REASON = speechsdk.ResultReason


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return install(monkeypatch, Played(Scenario()))


@pytest.fixture
def stream(played: Played) -> PushAudioInputStream:
    return PushAudioInputStream()


@pytest.fixture
def transcriber(stream: PushAudioInputStream) -> MeetingTranscriber:
    return MeetingTranscriber(AudioConfig(stream=stream))


async def join(transcriber: MeetingTranscriber) -> None:
    config = speechsdk.SpeechConfig("key", "region")
    config.set_property_by_name("DifferentiateGuestSpeakers", "false")
    await transcriber.join_meeting_async(Meeting(config, "m"))


def test_futures_can_be_awaited(
    transcriber: MeetingTranscriber, stream: PushAudioInputStream
) -> None:
    async def work() -> Any:
        await join(transcriber)
        await transcriber.start_transcribing_async()
        stream.write(bytes(3200))
        stream.close()
        return await transcriber.stop_transcribing_async()

    assert asyncio.run(work()) is None


def test_an_awaited_future_raises_what_get_raises(transcriber: MeetingTranscriber) -> None:
    async def work() -> None:
        await join(transcriber)
        await join(transcriber)

    with pytest.raises(RuntimeError, match="SPXERR_ALREADY_INITIALIZED"):
        asyncio.run(work())


def test_waiting_does_not_hold_up_the_loop(
    transcriber: MeetingTranscriber, stream: PushAudioInputStream
) -> None:
    async def work() -> int:
        await join(transcriber)
        await transcriber.start_transcribing_async()
        stream.write(bytes(3200))
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await transcriber.stop_transcribing_async()
        ticking.cancel()
        return ticks

    assert asyncio.run(work()) > 1


def test_events_can_be_iterated_to_the_end_of_the_session(
    transcriber: MeetingTranscriber, stream: PushAudioInputStream
) -> None:
    async def work() -> list[tuple[speechsdk.ResultReason, str]]:
        await join(transcriber)
        async with transcriber:
            stream.write(bytes(3200))
            stream.close()
            await asyncio.sleep(0.05)  # what happens meanwhile is not lost
            return [(e.result.reason, e.result.text) async for e in transcriber.events()]

    found = asyncio.run(work())
    assert [text for reason, text in found if reason is REASON.RecognizedSpeech] == [
        phrase.text for phrase in PHRASES
    ]
    assert sum(reason is REASON.RecognizingSpeech for reason, _ in found) == 3
    assert found[-1] == (REASON.Canceled, "")


def test_leaving_the_block_stops_the_session(
    transcriber: MeetingTranscriber, stream: PushAudioInputStream, played: Played
) -> None:
    async def work() -> None:
        await join(transcriber)
        async with transcriber:
            stream.write(bytes(3200))
            async for event in transcriber.events():
                if event.result.reason is REASON.RecognizedSpeech:
                    break

    asyncio.run(work())
    assert played.open_sessions == 0


def test_a_stream_of_events_that_is_closed_receives_no_more(
    transcriber: MeetingTranscriber, stream: PushAudioInputStream
) -> None:
    async def work() -> list[Any]:
        await join(transcriber)
        events = transcriber.events()
        assert transcriber.transcribed.is_connected()
        await events.aclose()
        await events.aclose()
        assert not transcriber.transcribed.is_connected()
        return [event async for event in events]

    assert asyncio.run(work()) == []


def test_the_programs_own_callbacks_stay(
    transcriber: MeetingTranscriber, stream: PushAudioInputStream
) -> None:
    texts = list[str]()
    transcriber.transcribed.connect(lambda event: texts.append(event.result.text))

    async def work() -> None:
        await join(transcriber)
        async with transcriber:
            stream.write(bytes(3200))
            stream.close()
            async for _ in transcriber.events():
                pass

    asyncio.run(work())
    assert texts == [phrase.text for phrase in PHRASES]
    assert transcriber.transcribed.is_connected()


def test_a_closed_loop_does_not_disturb_the_session(
    transcriber: MeetingTranscriber, stream: PushAudioInputStream, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        await join(transcriber)
        transcriber.events()
        await transcriber.start_transcribing_async()

    asyncio.run(work())
    stream.write(bytes(3200))
    stream.close()
    transcriber.stop_transcribing_async().get()
    assert caplog.text == ""
