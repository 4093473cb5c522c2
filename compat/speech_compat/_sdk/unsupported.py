"""Names of the real package that this one does not include, with the reasons.

Only the transcription of meetings was retired.  The rest still works, and programs import
it from the real package beside this one.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

__all__ = ["MEMBERS", "NAMES", "unsupported_getattr", "unsupported_member"]

_SYNTHESIS: Final = "speech synthesis was not retired"
_RECOGNITION: Final = "recognition without speakers was not retired"
_ASSESSMENT: Final = "pronunciation assessment is not part of meeting transcription"
_BOTS: Final = "bots are not part of meeting transcription"
_INTENTS: Final = "intent recognition is not part of meeting transcription"
_KEYWORDS: Final = "keyword recognition is not part of meeting transcription"
_SPEAKERS: Final = "recognition of enrolled speakers is not part of meeting transcription"
_NATIVE: Final = "there is no native library; logging uses the standard logging module"

# Patterns of public names, whatever their module; the first match counts.
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
# Patterns of members of classes that are included.
MEMBERS: Final = {
    "SpeechConfig.*speech_synthesis*": _SYNTHESIS,
    "Connection.from_speech_synthesizer": _SYNTHESIS,
    "Connection.from_dialog_service_connector": _BOTS,
    "Connection.DialogServiceConnector": _BOTS,
}


def unsupported_getattr(module: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for ``module`` that explains the names not included.

    The function raises NotImplementedError with the reason for a name of the real package,
    and AttributeError for any other.
    """

    def explain(name: str) -> Any:
        if reason := _reason(name, NAMES):
            raise _error(name, reason)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return explain


def unsupported_member(path: str) -> NotImplementedError:
    """Return the error for using a member such as ``SpeechConfig.speech_synthesis_language``."""
    return _error(path, _reason(path, MEMBERS))


def _reason(name: str, table: dict[str, str]) -> str:
    return next((why for pattern, why in table.items() if fnmatchcase(name, pattern)), "")


def _error(name: str, reason: str) -> NotImplementedError:
    return NotImplementedError(
        f"speech_compat does not include {name!r}: {reason}. Import it from"
        " azure.cognitiveservices.speech; both packages can be used together."
    )
