"""A program of the meeting era that leaves ``DifferentiateGuestSpeakers`` unset.

``meeting_signatures.py RECORDING [SIGNATURE]``: the participant has the voice signature in
the file, or none.
"""

import sys
import threading

import speech_compat as speechsdk


def main(path, signature_path=None):
    signature = ""
    if signature_path:
        with open(signature_path) as file:
            signature = file.read()
    config = speechsdk.SpeechConfig(subscription="key", region="centralus")
    config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
    meeting = speechsdk.transcription.Meeting(config, "MyMeeting")
    transcriber = speechsdk.transcription.MeetingTranscriber(
        speechsdk.audio.AudioConfig(filename=path)
    )
    stopped = threading.Event()
    transcriber.transcribed.connect(
        lambda evt: print("TRANSCRIBED", evt.result.user_id, evt.result.text)
    )
    transcriber.canceled.connect(lambda evt: print("CANCELED", evt.cancellation_details.reason))
    transcriber.session_stopped.connect(lambda evt: stopped.set())
    participant = speechsdk.transcription.Participant("user@example.com", "en-us", signature)
    meeting.add_participant_async(participant).get()
    transcriber.join_meeting_async(meeting).get()
    transcriber.start_transcribing_async().get()
    stopped.wait()
    transcriber.stop_transcribing_async().get()


main(*sys.argv[1:])
