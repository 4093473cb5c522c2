"""Fetches a meeting's transcript by its id: ``fetch_meeting.py MEETING_ID``."""

import sys

import speech_compat as speechsdk
from speech_compat.remote_meeting import (
    RemoteMeetingTranscriptionClient,
    RemoteMeetingTranscriptionOperation,
)

config = speechsdk.SpeechConfig(subscription="key", region="centralus")
client = RemoteMeetingTranscriptionClient(config)
operation = RemoteMeetingTranscriptionOperation(sys.argv[1], client)
result = operation.wait_for_completion(polling_interval=0.2, timeout=120)
for item in result.meeting_transcription_results:
    print(item.user_id, item.text)
