"""A legacy meeting program: the flow of Microsoft's Python meeting sample.

    python legacy_meeting.py RECORDING.wav

Only the import line differs from a program for the retired service, where it was
``import azure.cognitiveservices.speech as speechsdk``.
"""

import sys
import threading
import uuid
import wave

import speech_compat as speechsdk

TICKS_PER_SECOND = 10_000_000

# Offset and duration in ticks, speaker, text.
Line = tuple[int, int, str, str]


def transcribe_meeting(path: str) -> list[Line]:
    speech_config = speechsdk.SpeechConfig(
        subscription="not-needed-offline",
        region="centralus",
        speech_recognition_language="en-US",
    )
    speech_config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
    speech_config.set_property_by_name("DifferentiateGuestSpeakers", "true")

    with wave.open(path) as recording:
        wave_format = speechsdk.audio.AudioStreamFormat(
            samples_per_second=recording.getframerate(),
            bits_per_sample=recording.getsampwidth() * 8,
            channels=recording.getnchannels(),
        )
        audio = recording.readframes(recording.getnframes())
    stream = speechsdk.audio.PushAudioInputStream(stream_format=wave_format)
    audio_config = speechsdk.audio.AudioConfig(stream=stream)

    meeting = speechsdk.transcription.Meeting(speech_config, str(uuid.uuid4()))
    transcriber = speechsdk.transcription.MeetingTranscriber(audio_config)
    done = threading.Event()
    conversation: dict[int, Line] = {}

    def transcribed(evt: speechsdk.transcription.MeetingTranscriptionEventArgs) -> None:
        # An utterance is sent again when its speaker is corrected.
        result = evt.result
        conversation[result.offset] = (
            result.offset,
            result.duration,
            result.user_id,
            result.text,
        )

    def canceled(evt: speechsdk.transcription.MeetingTranscriptionCanceledEventArgs) -> None:
        if evt.cancellation_details.reason == speechsdk.CancellationReason.Error:
            print("CANCELED", evt.cancellation_details.error_details, file=sys.stderr)

    transcriber.transcribed.connect(transcribed)
    transcriber.canceled.connect(canceled)
    transcriber.session_stopped.connect(lambda _: done.set())

    guest = speechsdk.transcription.Participant("guest@example.com", "en-us")
    meeting.add_participant_async(guest).get()
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async()

    stream.write(audio)
    stream.close()
    done.wait()
    transcriber.stop_transcribing_async()

    lines = sorted(conversation.values())
    for offset, _, user_id, text in lines:
        print(f"{offset / TICKS_PER_SECOND:6.1f} s  {user_id}: {text}")
    return lines


if __name__ == "__main__":
    transcribe_meeting(sys.argv[1])
