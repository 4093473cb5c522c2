"""A program of the era before 1.31 that leaves ``DifferentiateGuestSpeakers`` unset.

``conversation_signatures.py RECORDING [SIGNATURE]``: the participant has the voice signature in
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
    conversation = speechsdk.transcription.Conversation(config, "MyConversation")
    transcriber = speechsdk.transcription.ConversationTranscriber(
        speechsdk.audio.AudioConfig(filename=path)
    )
    stopped = threading.Event()
    transcriber.transcribed.connect(
        lambda evt: print("TRANSCRIBED", evt.result.user_id, evt.result.text)
    )
    transcriber.canceled.connect(lambda evt: print("CANCELED", evt.cancellation_details.reason))
    transcriber.session_stopped.connect(lambda evt: stopped.set())
    participant = speechsdk.transcription.Participant("user@example.com", "en-us", signature)
    conversation.add_participant_async(participant).get()
    transcriber.join_conversation_async(conversation).get()
    transcriber.start_transcribing_async().get()
    stopped.wait()
    transcriber.stop_transcribing_async().get()


main(*sys.argv[1:])
