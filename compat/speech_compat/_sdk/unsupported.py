"""What the real package has and this one leaves out, with the reasons.

The transcription of meetings was retired; what was not retired is used best from
the real package, beside this one.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

__all__ = ["MEMBERS", "NAMES", "left_out_of", "member_left_out"]

_SYNTHESIS: Final = "speech synthesis was not retired"
_RECOGNITION: Final = "recognition without speakers was not retired"
_ASSESSMENT: Final = "pronunciation assessment is no part of meeting transcription"
_BOTS: Final = "bots are no part of meeting transcription"
_INTENTS: Final = "intent recognition is no part of meeting transcription"
_KEYWORDS: Final = "keyword recognition is no part of meeting transcription"
_SPEAKERS: Final = "recognition of enrolled speakers is no part of meeting transcription"
_NATIVE: Final = "there is no native library underneath; logging goes through Python's own"

# Patterns of names, in whatever module.
NAMES: Final = {
    "*Synthes*": _SYNTHESIS,
    "VoiceInfo": _SYNTHESIS,
    "AudioDataStream": _SYNTHESIS,
    "StreamStatus": _SYNTHESIS,
    "AudioOutput*": _SYNTHESIS,
    "P*AudioOutputStream*": _SYNTHESIS,
    "*Translation*": "speech translation was not retired",
    "translation": "speech translation was not retired",
    "SpeechRecognizer": _RECOGNITION,
    "SpeechRecognitionModelInfo": _RECOGNITION,
    "EmbeddedSpeechConfig": _RECOGNITION,
    "SourceLanguageRecognizer": _RECOGNITION,
    "AutoDetectSourceLanguageResult": _RECOGNITION,
    "GrammarPhrase": _RECOGNITION,
    "RecognitionFactorScope": _RECOGNITION,
    "Pronunciation*": _ASSESSMENT,
    "ContentAssessment*": _ASSESSMENT,
    "SyllableLevel*": _ASSESSMENT,
    "Keyword*": _KEYWORDS,
    "dialog": _BOTS,
    "ActivityJSONType": _BOTS,
    "intent": _INTENTS,
    "Intent*": _INTENTS,
    "VoiceProfile*": _SPEAKERS,
    "Speaker*": _SPEAKERS,
    "LogLevel": _NATIVE,
    "diagnostics": _NATIVE,
    "interop": _NATIVE,
    "max_uint32": _NATIVE,
}
# Patterns of members of classes that are here.
MEMBERS: Final = {
    "SpeechConfig.*speech_synthesis*": _SYNTHESIS,
    "Connection.from_speech_synthesizer": _SYNTHESIS,
    "Connection.from_dialog_service_connector": _BOTS,
    "Connection.DialogServiceConnector": _BOTS,
}


def left_out_of(module: str) -> Callable[[str], Any]:
    """Give a module's ``__getattr__``: names left out raise NotImplementedError."""

    def look_up(name: str) -> Any:
        reason = _reason(name, NAMES)
        if reason is not None:
            raise _absent(name, reason)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return look_up


def member_left_out(path: str) -> NotImplementedError:
    """Give the error for touching a member, as ``SpeechConfig.speech_synthesis_language``."""
    return _absent(path, _reason(path, MEMBERS) or "")


def _reason(name: str, table: dict[str, str]) -> str | None:
    return next((why for pattern, why in table.items() if fnmatchcase(name, pattern)), None)


def _absent(name: str, reason: str) -> NotImplementedError:
    return NotImplementedError(
        f"speech_compat leaves out {name!r}: {reason}. Import it from"
        " azure.cognitiveservices.speech beside this package."
    )
