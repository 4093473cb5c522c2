"""Real-time diarization of a compressed file: ``compressed.py RECORDING stream|file``."""

import sys
import threading

import speech_compat as speechsdk


def audio_config(path, way):
    if way == "file":
        return speechsdk.audio.AudioConfig(filename=path), None
    container = speechsdk.AudioStreamContainerFormat.MP3
    stream_format = speechsdk.audio.AudioStreamFormat(compressed_stream_format=container)
    stream = speechsdk.audio.PushAudioInputStream(stream_format)
    return speechsdk.audio.AudioConfig(stream=stream), stream


def main(path, way):
    config = speechsdk.SpeechConfig(subscription="key", region="eastus")
    audio, stream = audio_config(path, way)
    transcriber = speechsdk.transcription.ConversationTranscriber(config, audio)
    done = threading.Event()
    transcriber.transcribed.connect(
        lambda evt: print("TRANSCRIBED", evt.result.speaker_id, evt.result.text)
    )
    transcriber.canceled.connect(lambda evt: print("CANCELED", evt.cancellation_details.reason))
    transcriber.session_stopped.connect(lambda evt: done.set())
    transcriber.start_transcribing_async().get()
    if stream is not None:
        with open(path, "rb") as file:
            while chunk := file.read(1021):
                stream.write(chunk)
        stream.close()
    done.wait()
    transcriber.stop_transcribing_async().get()


main(sys.argv[1], sys.argv[2])
