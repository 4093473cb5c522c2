"""One program for the real SDK and for the facade, which records every event.

As a script it runs on the real SDK: ``program.py ERA ENDPOINT END`` prints the events as
JSON lines.  Tests import :func:`run` and pass it the facade.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from typing import Any

__all__ = ["run"]

SIGNALS = (
    "session_started",
    "speech_start_detected",
    "transcribing",
    "transcribed",
    "speech_end_detected",
    "canceled",
    "session_stopped",
)
SECONDS_OF_AUDIO = 5
BYTES_PER_SECOND = 32_000


def run(
    speechsdk: Any, era: str, config: Any, early: bool, patience: float = 60
) -> list[dict[str, Any]]:
    """Transcribe five seconds of silence; return the recorded events.

    After ``patience`` seconds without an end, the program stops by itself.
    """
    stream = speechsdk.audio.PushAudioInputStream()
    audio = speechsdk.audio.AudioConfig(stream=stream)
    transcriber = _transcriber(speechsdk, era, config, audio)
    log, transcribed, stopped = _listen(transcriber)
    transcriber.start_transcribing_async().get()
    stream.write(bytes(SECONDS_OF_AUDIO * BYTES_PER_SECOND))
    if not early:
        stream.close()
        stopped.wait(patience)
    else:
        assert transcribed.wait(60), "nothing was ever transcribed"
    transcriber.stop_transcribing_async().get()
    assert stopped.wait(30), "the session did not stop"
    stream.close()
    return list(log)


def _transcriber(speechsdk: Any, era: str, config: Any, audio: Any) -> Any:
    if era == "diarization":
        return speechsdk.transcription.ConversationTranscriber(config, audio)
    config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    transcriber = speechsdk.transcription.MeetingTranscriber(audio)
    meeting = speechsdk.transcription.Meeting(config, "oracle-meeting")
    guest = speechsdk.transcription.Participant("guest@example.com", "en-US")
    meeting.add_participant_async(guest).get()
    transcriber.join_meeting_async(meeting).get()
    return transcriber


def _listen(transcriber: Any) -> tuple[list[dict[str, Any]], threading.Event, threading.Event]:
    log: list[dict[str, Any]] = []
    transcribed, stopped = threading.Event(), threading.Event()

    def record(name: str, event: Any) -> None:
        log.append(_describe(name, event))
        if name == "transcribed" and event.result.text.startswith("Ü"):
            transcribed.set()
        if name == "session_stopped":
            stopped.set()

    for name in SIGNALS:
        getattr(transcriber, name).connect(lambda event, name=name: record(name, event))
    return log, transcribed, stopped


def _describe(name: str, event: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "event": name,
        "class": type(event).__name__,
        "session_id": event.session_id,
        "main_thread": threading.current_thread() is threading.main_thread(),
    }
    if hasattr(event, "offset"):
        entry["offset"] = event.offset
    if name in ("transcribing", "transcribed", "canceled"):
        entry["result"] = _result(event.result)
    if name == "canceled":
        details = event.cancellation_details
        entry["details"] = {
            "reason": details.reason.name,
            "code": details.code.name,
            "text": details.error_details,
        }
    return entry


def _result(result: Any) -> dict[str, Any]:
    fields = ("result_id", "text", "offset", "duration", "user_id", "utterance_id", "speaker_id")
    entry = {name: getattr(result, name) for name in fields if hasattr(result, name)}
    entry["class"] = type(result).__name__
    entry["reason"] = result.reason.name
    entry["properties"] = sorted(key.name for key in result.properties)
    entry["json"] = result.json
    entry["str"] = str(result)
    return entry


def _main(era: str, endpoint: str, end: str) -> None:
    speechsdk = importlib.import_module("azure.cognitiveservices.speech")
    path = {
        "diarization": "/stt/speech/universal/v2",
        "meeting": "/speech/recognition/multiaudio",
    }[era]
    config = speechsdk.SpeechConfig(endpoint=endpoint + path, subscription="no-key")
    # The real package never ends by itself on an answer that it cannot read.
    patience = 3 if end == "malformed" else 60
    for entry in run(speechsdk, era, config, end == "early", patience):
        sys.stdout.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
