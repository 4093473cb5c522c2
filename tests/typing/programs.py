"""Legacy programs with types, checked by mypy and pyright and never run.

Every ``type: ignore`` is a claim too: mypy reports one that ignores nothing.
"""

from __future__ import annotations

from typing import Any, assert_type

import speech_compat as speechsdk
from speech_compat.remote_conversation import RemoteConversationTranscriptionClient
from speech_compat.remote_meeting import (
    RemoteMeetingTranscriptionClient,
    RemoteMeetingTranscriptionItem,
    RemoteMeetingTranscriptionOperation,
    RemoteMeetingTranscriptionResult,
)
from speech_compat.transcription import (
    Conversation,
    ConversationTranscriber,
    ConversationTranscriptionCanceledEventArgs,
    ConversationTranscriptionEventArgs,
    Meeting,
    MeetingTranscriber,
    MeetingTranscriptionCanceledEventArgs,
    MeetingTranscriptionEventArgs,
    Participant,
)


def meeting_era(config: speechsdk.SpeechConfig) -> None:
    """Run the flow of the meeting sample."""
    stream_format = speechsdk.audio.AudioStreamFormat(
        samples_per_second=16_000, bits_per_sample=16, channels=8
    )
    stream = speechsdk.audio.PushAudioInputStream(stream_format=stream_format)
    audio = speechsdk.audio.AudioConfig(stream=stream)
    meeting = Meeting(config, "id")
    transcriber = MeetingTranscriber(audio)

    def transcribed(event: MeetingTranscriptionEventArgs) -> None:
        assert_type(event.result.user_id, str)
        assert_type(event.result.utterance_id, str)
        assert_type(event.result.offset, int)
        assert_type(event.result.reason, speechsdk.ResultReason)

    def canceled(event: MeetingTranscriptionCanceledEventArgs) -> None:
        assert_type(event.cancellation_details.code, speechsdk.CancellationErrorCode)

    transcriber.transcribed.connect(transcribed)
    transcriber.canceled.connect(canceled)
    signature = speechsdk.create_voice_signature("one.wav", "two.wav", speech_config=config)
    added = meeting.add_participant_async(Participant("user", "en-US", signature))
    assert_type(added, speechsdk.ResultFuture[Participant])
    assert_type(added.get(), Participant)
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async().get()
    stream.write(b"")
    stream.close()
    transcriber.stop_transcribing_async().get()
    Meeting(config)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def both_meanings(config: speechsdk.SpeechConfig, audio: speechsdk.audio.AudioConfig) -> None:
    """Create a ConversationTranscriber with every overload."""
    ConversationTranscriber()
    ConversationTranscriber(audio)
    ConversationTranscriber(None)
    old = ConversationTranscriber(audio_config=audio)
    old.join_conversation_async(Conversation(config)).get()
    ConversationTranscriber(config)
    ConversationTranscriber(config, audio)
    ConversationTranscriber(config, audio, "en-US")
    new = ConversationTranscriber(speech_config=config, audio_config=audio, language="en-US")

    def transcribed(event: ConversationTranscriptionEventArgs) -> None:
        assert_type(event.result.speaker_id, str)

    def canceled(event: ConversationTranscriptionCanceledEventArgs) -> None:
        assert_type(event.cancellation_details, speechsdk.CancellationDetails)

    new.transcribed.connect(transcribed)
    new.canceled.connect(canceled)
    ConversationTranscriber(audio, audio)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    ConversationTranscriber("key")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def later(config: speechsdk.SpeechConfig) -> None:
    """Fetch transcripts by id."""
    client = RemoteMeetingTranscriptionClient(config)
    operation = client.get_transcription_operation("id", 10.0)
    assert_type(operation, RemoteMeetingTranscriptionOperation)
    assert_type(operation.wait_for_completion(), RemoteMeetingTranscriptionResult)
    assert_type(operation.value.meeting_transcription_results, list[RemoteMeetingTranscriptionItem])
    operation.add_done_callback(lambda done: print(done.status()))
    conversations = RemoteConversationTranscriptionClient(config)
    print(conversations.get_transcription_operation("id").result(timeout=1.0).id)


async def with_asyncio(transcriber: MeetingTranscriber, meeting: Meeting) -> None:
    """Do the same with asyncio."""
    assert_type(await meeting.add_participant_async(user_id="u"), Participant)
    assert_type(await transcriber.join_meeting_async(meeting), None)
    async with transcriber as same:
        assert_type(same, MeetingTranscriber)
        async for event in transcriber.events():
            found: Any = event.result
            print(found.user_id, event.session_id)


class Microphone(speechsdk.audio.PullAudioInputStreamCallback):
    """A callback of a program."""

    def read(self, buffer: memoryview) -> int:
        """Return silence."""
        return len(buffer)
