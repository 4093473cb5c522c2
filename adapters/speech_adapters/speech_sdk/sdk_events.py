"""Reads the events of the Speech SDK: from its objects to messages."""

from __future__ import annotations

import json
from typing import Any, Final

import azure.cognitiveservices.speech as sdk

from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    RefusedError,
    ServiceFailedError,
    SpeechError,
    ThrottledError,
    TimedOutError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.masking import mask
from speech_adapters.speech_sdk.messages import Completed, Failed, FinalResult, PartialResult
from speech_adapters.transcript import Word, replace_surrogates

__all__ = ["final_result", "last_message", "partial_result", "shorten"]

_Code: Final = sdk.CancellationErrorCode
# See docs/protocol/speech-websocket.md, 4.1: the codes of the service's HTTP statuses.
_ERRORS: Final[dict[Any, type[SpeechError]]] = {
    _Code.AuthenticationFailure: AuthenticationError,
    _Code.Forbidden: AuthenticationError,
    _Code.BadRequest: RefusedError,
    _Code.TooManyRequests: ThrottledError,
    _Code.ConnectionFailure: UnreachableError,
    _Code.ServiceTimeout: TimedOutError,
    _Code.ServiceError: ServiceFailedError,
    _Code.ServiceUnavailable: UnavailableError,
}
_ADVICE: Final[dict[type[SpeechError], str]] = {
    AuthenticationError: "Check key, token, region and roles.",
    RefusedError: "Check language, custom model and the audio's format.",
    ThrottledError: "Ask again later, or for a higher quota.",
    UnreachableError: "Check the network, the region and the endpoint.",
}


def last_message(event: Any) -> Completed | Failed:
    """Return the message of an event ``canceled``."""
    details = event.cancellation_details
    # The SDK reports the regular end as a cancellation too.
    if details.reason == sdk.CancellationReason.EndOfStream:
        return Completed()
    kind = _ERRORS.get(details.code, BackendError)
    reason = shorten(details.error_details) or details.code.name
    advice = _ADVICE.get(kind, "")
    return Failed(kind(f"Real-time transcription ended: {reason} {advice}".rstrip()))


def partial_result(result: Any) -> PartialResult:
    """Return the message of a result of ``transcribing``."""
    return PartialResult(
        result.text, result.offset, result.duration, _label(result), id=_id(result)
    )


def final_result(result: Any) -> FinalResult:
    """Return the message of a result of ``transcribed``.

    Raises:
        ValueError, TypeError, AttributeError: the service's answer has another form.
    """
    # NoMatch too: audio that was not understood is recognized to its end.
    understood = result.reason == sdk.ResultReason.RecognizedSpeech
    document = _document(result)
    return FinalResult(
        _text(result, document) if understood else "",
        result.offset,
        result.duration,
        _label(result),
        str(document.get("PrimaryLanguage", {}).get("Language", "")),
        tuple(_words(document, result.offset)),
        no_match=_no_match(result),
        id=_id(result),
    )


def _text(result: Any, document: dict[str, Any]) -> str:
    """Return the text, of which the SDK's attribute has at most 2047 bytes.

    The service's answer has all of it (docs/protocol/legacy-interface.md, 4.3).
    """
    best: dict[str, Any] = next(iter(document.get("NBest") or ()), {})
    whole = document.get("DisplayText") or best.get("Display")
    if isinstance(whole, str) and whole.startswith(result.text):
        return replace_surrogates(whole)
    return str(result.text)


def _label(result: Any) -> str:
    """Return the label of the speaker, which meetings have under another name."""
    return getattr(result, "speaker_id", "") or getattr(result, "user_id", "") or ""


def _id(result: Any) -> str:
    return getattr(result, "result_id", "") or ""


def _no_match(result: Any) -> str:
    if result.reason != sdk.ResultReason.NoMatch:
        return ""
    return str(result.no_match_details.reason.name)


def _document(result: Any) -> dict[str, Any]:
    """Return the service's answer: the SDK has no attributes for language and words."""
    try:
        found = json.loads(result.json or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _words(document: dict[str, Any], offset: int) -> list[Word]:
    """Return the words of the best alternative.

    Their offsets count from the start of the turn, like that of the document; the SDK adds
    the start of the turn only to the offset of the result.
    """
    best: dict[str, Any] = next(iter(document.get("NBest") or ()), {})
    moved = offset - int(document.get("Offset", offset))
    return [
        Word(
            replace_surrogates(str(word.get("Word", ""))),
            int(word.get("Offset", 0)) + moved,
            int(word.get("Duration", 0)),
            word.get("Confidence"),
        )
        for word in best.get("DisplayWords") or best.get("Words") or ()
    ]


def shorten(text: str) -> str:
    """Return the first line of an error of the SDK, without secrets and its call stack."""
    line = text.strip().split("\n", 1)[0].split("[CALL STACK", 1)[0]
    return " ".join(mask(line).split())
