"""Records an asynchronous meeting, prints its steps, and exits without waiting.

``async_meeting.py RECORDING MEETING_ID [hang]``: with ``hang`` it never closes the stream.
"""

import sys
import threading
import wave

import speech_compat as speechsdk


def main(path, meeting_id, hang):
    config = speechsdk.SpeechConfig(subscription="key", region="centralus")
    config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    config.set_service_property(
        "transcriptionMode", "async", speechsdk.ServicePropertyChannel.UriQueryParameter
    )
    with wave.open(path) as recording:
        wave_format = speechsdk.audio.AudioStreamFormat(
            recording.getframerate(), 16, recording.getnchannels()
        )
        audio = recording.readframes(recording.getnframes())
    stream = speechsdk.audio.PushAudioInputStream(wave_format)
    transcriber = speechsdk.transcription.MeetingTranscriber(
        speechsdk.audio.AudioConfig(stream=stream)
    )
    transcriber.canceled.connect(lambda evt: print(evt.cancellation_details, flush=True))
    meeting = speechsdk.transcription.Meeting(config, meeting_id)
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async().get()
    stream.write(audio)
    if hang:
        print("PUSHING", flush=True)
        threading.Event().wait()
    stream.close()
    print("EXIT", flush=True)


main(sys.argv[1], sys.argv[2], "hang" in sys.argv[3:])
