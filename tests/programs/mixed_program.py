"""Transcription beside what was not retired, with one configuration for all."""

import sys
import threading
import wave

import azure.cognitiveservices.speech as speechsdk


def listen(client: speechsdk.Recognizer, *signals: str) -> threading.Event:
    stopped = threading.Event()

    def report(name, event):
        line = [name, type(event).__name__]
        if hasattr(event, "result"):
            result = event.result
            line += [result.reason.name, getattr(result, "speaker_id", "-"), result.text]
        if hasattr(event, "cancellation_details"):
            line.append(event.cancellation_details.reason.name)
        print(*line, flush=True)

    for name in ("session_started", *signals, "canceled", "session_stopped"):
        getattr(client, name).connect(lambda event, name=name: report(name, event))
    client.session_stopped.connect(lambda _: stopped.set())
    return stopped


def push(path: str) -> speechsdk.audio.AudioConfig:
    stream = speechsdk.audio.PushAudioInputStream(speechsdk.audio.AudioStreamFormat(16000, 16, 1))
    with wave.open(path) as file:
        stream.write(file.readframes(file.getnframes()))
    stream.close()
    return speechsdk.audio.AudioConfig(stream=stream)


def main(path: str, endpoint: str) -> None:
    config = speechsdk.SpeechConfig(endpoint=endpoint, subscription="key")
    config.speech_recognition_language = "en-US"
    config.set_property(speechsdk.PropertyId.Speech_SegmentationSilenceTimeoutMs, "700")
    config.speech_synthesis_voice_name = "en-US-JennyNeural"
    config.set_speech_synthesis_output_format(
        speechsdk.SpeechSynthesisOutputFormat.Riff24Khz16BitMonoPcm
    )

    recognizer = speechsdk.SpeechRecognizer(speech_config=config, audio_config=push(path))
    speechsdk.PhraseListGrammar.from_recognizer(recognizer).addPhrase("Steve")
    stopped = listen(recognizer, "recognizing", "recognized")
    recognizer.start_continuous_recognition_async().get()
    stopped.wait(60)
    recognizer.stop_continuous_recognition_async().get()

    synthesizer = speechsdk.SpeechSynthesizer(speech_config=config, audio_config=None)
    for name in ("SynthVoice", "SynthOutputFormat", "RecoLanguage"):
        member = speechsdk.PropertyId[f"SpeechServiceConnection_{name}"]
        print(name, synthesizer.properties.get_property(member))

    transcriber = speechsdk.transcription.ConversationTranscriber(
        speech_config=config, audio_config=push(path)
    )
    stopped = listen(transcriber, "transcribing", "transcribed")
    transcriber.start_transcribing_async().get()
    stopped.wait(60)
    transcriber.stop_transcribing_async().get()


if __name__ == "__main__":
    main(*sys.argv[1:])
