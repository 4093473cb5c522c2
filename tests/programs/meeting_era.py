"""A program of the meeting era: the sample flow, real time, pushed audio."""

import sys
import time
import wave

import speech_compat as speechsdk

done = False


def main(path):
    speech_config = speechsdk.SpeechConfig(subscription="key", region="centralus")
    speech_config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
    speech_config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    with wave.open(path) as recording:
        rate, channels = recording.getframerate(), recording.getnchannels()
    wave_format = speechsdk.audio.AudioStreamFormat(rate, 16, channels)
    stream = speechsdk.audio.PushAudioInputStream(stream_format=wave_format)
    audio_config = speechsdk.audio.AudioConfig(stream=stream)
    meeting = speechsdk.transcription.Meeting(speech_config, "MyMeeting")
    transcriber = speechsdk.transcription.MeetingTranscriber(audio_config)

    def stop(evt):
        global done
        print(type(evt).__name__, flush=True)
        done = True

    transcriber.session_started.connect(lambda evt: print(type(evt).__name__, flush=True))
    transcriber.transcribing.connect(lambda evt: print("..", evt.result.user_id))
    transcriber.transcribed.connect(
        lambda evt: print("TRANSCRIBED", evt.result.user_id, evt.result.text)
    )
    transcriber.canceled.connect(lambda evt: print("CANCELED", evt.cancellation_details.reason))
    transcriber.session_stopped.connect(stop)

    user1 = speechsdk.transcription.Participant("user1@example.com", "en-us", "")
    user2 = speechsdk.transcription.Participant("user2@example.com", "en-us", "")
    meeting.add_participant_async(user1).get()
    meeting.add_participant_async(user2).get()
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async()
    with open(path, "rb") as whole:
        stream.write(whole.read())
    stream.close()
    while not done:
        time.sleep(0.1)
    transcriber.stop_transcribing_async()


main(sys.argv[1])
