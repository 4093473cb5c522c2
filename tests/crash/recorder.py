"""A program that records a meeting: ``recorder.py MEETING_ID MODE SECONDS``.

It prints STARTED after the start call, and how many bytes it has written: a second later, so
that only audio counts that the package had time to receive.
"""

from __future__ import annotations

import sys
import threading
import time

import speech_compat as speechsdk
from speech_compat.testing.loopback import clock_audio

PIECE = 16_000  # bytes: half a second
PAUSE = 0.05
LATER = 20  # pieces


def main(meeting_id: str, mode: str, seconds: int) -> None:
    audio = clock_audio(0, seconds * 10)
    config = speechsdk.SpeechConfig(subscription="key", region="centralus")
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    config.set_service_property(
        "transcriptionMode", mode, speechsdk.ServicePropertyChannel.UriQueryParameter
    )
    stream = speechsdk.audio.PushAudioInputStream()
    transcriber = speechsdk.transcription.MeetingTranscriber(
        speechsdk.audio.AudioConfig(stream=stream)
    )
    stopped = threading.Event()
    transcriber.session_stopped.connect(lambda _: stopped.set())
    transcriber.join_meeting_async(speechsdk.transcription.Meeting(config, meeting_id)).get()
    transcriber.start_transcribing_async().get()
    print("STARTED", flush=True)
    for number in range(len(audio) // PIECE + LATER):
        stream.write(audio[number * PIECE : (number + 1) * PIECE])
        time.sleep(PAUSE)
        if number >= LATER:
            print("WRITTEN", (number - LATER + 1) * PIECE, flush=True)
    stream.close()
    stopped.wait(60)
    transcriber.stop_transcribing_async().get()
    print("STOPPED", flush=True)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
