"""A program on the real Python package, as a process for the tests.

As a script: ``sdk_client.py ERA ADDRESS OPTIONS`` with JSON options (see :func:`transcribe`)
prints the events as JSON lines.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

__all__ = ["transcribe"]

# Where a script writes its events.
_events = sys.stdout
_PATHS = {
    "diarization": "/stt/speech/universal/v2",
    "meeting": "/speech/recognition/multiaudio",
}
_SIGNALS = (
    "session_started",
    "speech_start_detected",
    "transcribing",
    "transcribed",
    "speech_end_detected",
    "canceled",
    "session_stopped",
)


def transcribe(era: str, address: str, key: str, **options: Any) -> list[dict[str, Any]]:
    """Transcribe with the real package; return its events.

    Args:
        era: ``diarization`` or ``meeting``.
        address: ``ws://HOST:PORT``.
        key: the key.
        options: ``file`` (a WAV file) or ``tenths`` (of clock audio), ``channels``, ``mode``,
            ``meeting_id``, ``participants`` (each id, language and voice signature),
            ``joins`` and ``leaves`` (the same, after a second of audio in real time),
            ``detailed``, ``words``, ``phrases``, ``properties`` by name, ``language``,
            ``languages``, ``restarts`` (number of times to start again).
    """
    done = subprocess.run(
        [sys.executable, __file__, era, address + _PATHS[era], json.dumps({"key": key, **options})],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:])},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _main(era: str, endpoint: str, options: dict[str, Any]) -> None:
    sdk = importlib.import_module("azure.cognitiveservices.speech")
    config = _config(sdk, endpoint, options)
    stream = None
    if "file" in options:
        audio = sdk.audio.AudioConfig(filename=options["file"])
    else:
        form = sdk.audio.AudioStreamFormat(16_000, 16, options.get("channels", 1))
        stream = sdk.audio.PushAudioInputStream(form)
        audio = sdk.audio.AudioConfig(stream=stream)
    transcriber, meeting = _transcriber(sdk, era, config, audio, options)
    stopped = _listen(transcriber)
    for start in range(options.get("restarts", 0) + 1):
        stopped.clear()
        transcriber.start_transcribing_async().get()
        if stream is not None:
            _write(sdk, stream, meeting, options)
        if start < options.get("restarts", 0):
            time.sleep(1)
            transcriber.stop_transcribing_async().get()
        elif stream is not None:
            stream.close()
        assert stopped.wait(options.get("patience", 120)), "the session did not stop"
    transcriber.stop_transcribing_async().get()


def _config(sdk: Any, endpoint: str, options: dict[str, Any]) -> Any:
    config = sdk.SpeechConfig(endpoint=endpoint, subscription=options["key"])
    channel = sdk.ServicePropertyChannel.UriQueryParameter
    if "mode" in options:
        config.set_service_property("transcriptionMode", options["mode"], channel)
    if "language" in options:
        config.speech_recognition_language = options["language"]
    if options.get("detailed"):
        config.output_format = sdk.OutputFormat.Detailed
    if options.get("words"):
        config.request_word_level_timestamps()
    for name, value in options.get("properties", {}).items():
        config.set_property_by_name(name, value)
    return config


def _transcriber(
    sdk: Any, era: str, config: Any, audio: Any, options: dict[str, Any]
) -> tuple[Any, Any]:
    kind = sdk.transcription
    meeting = None
    if era == "diarization":
        more = {}
        if "languages" in options:
            detection = sdk.languageconfig.AutoDetectSourceLanguageConfig(options["languages"])
            more = {"auto_detect_source_language_config": detection}
        transcriber = kind.ConversationTranscriber(config, audio, **more)
    else:
        config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
        config.set_property_by_name("DifferentiateGuestSpeakers", "true")
        meeting = kind.Meeting(config, options.get("meeting_id", "a meeting"))
        for participant in options.get("participants", []):
            meeting.add_participant_async(kind.Participant(*participant)).get()
        transcriber = kind.MeetingTranscriber(audio)
        transcriber.join_meeting_async(meeting).get()
    if "phrases" in options:
        grammar = sdk.PhraseListGrammar.from_recognizer(transcriber)
        for phrase in options["phrases"]:
            grammar.addPhrase(phrase)
    return transcriber, meeting


def _write(sdk: Any, stream: Any, meeting: Any, options: dict[str, Any]) -> None:
    """Write clock audio; after a second, in real time, participants join and leave."""
    from speech_compat.testing.loopback import clock_audio

    changes = bool(options.get("joins") or options.get("leaves"))
    for tenth in range(options["tenths"]):
        mono = clock_audio(tenth, 1)
        frames = [mono[start : start + 2] for start in range(0, len(mono), 2)]
        stream.write(b"".join(frame * options.get("channels", 1) for frame in frames))
        if changes and tenth == 10:
            time.sleep(1)
            for participant in options.get("joins", []):
                meeting.add_participant_async(sdk.transcription.Participant(*participant)).get()
            for name in options.get("leaves", []):
                meeting.remove_participant_async(user_id=name).get()
            time.sleep(1)


def _listen(transcriber: Any) -> threading.Event:
    stopped = threading.Event()

    def record(name: str, event: Any) -> None:
        _events.write(json.dumps(_describe(name, event)) + "\n")
        _events.flush()
        if name == "session_stopped":
            stopped.set()

    for name in _SIGNALS:
        getattr(transcriber, name).connect(lambda event, name=name: record(name, event))
    return stopped


def _describe(name: str, event: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"event": name, "offset": getattr(event, "offset", None)}
    if name == "canceled":
        details = event.cancellation_details
        entry |= {"code": details.code.name, "details": details.error_details}
    elif hasattr(event, "result"):
        result = event.result
        fields = ("text", "offset", "duration", "result_id", "utterance_id")
        entry |= {field: getattr(result, field, None) for field in fields}
        entry["speaker"] = getattr(result, "speaker_id", None) or getattr(result, "user_id", None)
        entry |= {"reason": result.reason.name, "json": json.loads(result.json)}
    return entry


if __name__ == "__main__":
    # The package's meeting transcriber prints a debug line, which could split the line of an event.
    _events, sys.stdout = sys.stdout, sys.stderr
    _main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
