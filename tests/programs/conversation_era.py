"""A program of the era before 1.31: Conversation, audio in chunks from a thread."""

import sys
import threading
import uuid
import wave

import speech_compat as speechsdk


def feed(stream, path):
    with wave.open(path) as recording:
        while frames := recording.readframes(1600):
            stream.write(frames)
    stream.close()


def main(path):
    config = speechsdk.SpeechConfig(subscription="key", region="centralus")
    config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    with wave.open(path) as recording:
        wave_format = speechsdk.audio.AudioStreamFormat(
            samples_per_second=recording.getframerate(),
            bits_per_sample=16,
            channels=recording.getnchannels(),
        )
    stream = speechsdk.audio.PushAudioInputStream(wave_format)
    audio_config = speechsdk.audio.AudioConfig(stream=stream)
    conversation = speechsdk.transcription.Conversation(config, str(uuid.uuid4()))
    transcriber = speechsdk.transcription.ConversationTranscriber(audio_config)
    stopped = threading.Event()
    transcriber.transcribed.connect(
        lambda evt: print("TRANSCRIBED", evt.result.user_id, evt.result.text)
    )
    transcriber.canceled.connect(lambda evt: print("CANCELED", evt.cancellation_details.reason))
    transcriber.session_stopped.connect(lambda evt: stopped.set())
    participant = speechsdk.transcription.Participant("user@example.com", "en-us")
    conversation.add_participant_async(participant)
    transcriber.join_conversation_async(conversation).get()
    transcriber.start_transcribing_async().get()
    thread = threading.Thread(target=feed, args=(stream, path))
    thread.start()
    stopped.wait()
    thread.join()
    transcriber.stop_transcribing_async().get()


main(sys.argv[1])
