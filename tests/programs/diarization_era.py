"""A program of real-time diarization: ConversationTranscriber with a SpeechConfig."""

import sys
import time

import speech_compat as speechsdk


def transcribed(evt: speechsdk.SpeechRecognitionEventArgs):
    if evt.result.reason == speechsdk.ResultReason.RecognizedSpeech:
        print("TRANSCRIBED", evt.result.speaker_id, evt.result.text)
    elif evt.result.reason == speechsdk.ResultReason.NoMatch:
        print("NOMATCH", evt.result.no_match_details)


def main(path):
    config = speechsdk.SpeechConfig(subscription="key", region="eastus")
    config.speech_recognition_language = "en-US"
    config.set_property(
        property_id=speechsdk.PropertyId.SpeechServiceResponse_DiarizeIntermediateResults,
        value="true",
    )
    audio_config = speechsdk.audio.AudioConfig(filename=path)
    transcriber = speechsdk.transcription.ConversationTranscriber(
        speech_config=config, audio_config=audio_config
    )
    stop = False

    def stop_cb(evt: speechsdk.SessionEventArgs):
        nonlocal stop
        print("CLOSING", type(evt).__name__)
        stop = True

    transcriber.transcribed.connect(transcribed)
    transcriber.session_stopped.connect(stop_cb)
    transcriber.canceled.connect(stop_cb)
    transcriber.start_transcribing_async()
    while not stop:
        time.sleep(0.1)
    transcriber.stop_transcribing_async()


main(sys.argv[1])
