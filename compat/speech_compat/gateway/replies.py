"""From the events of a session to messages for a client, in both eras.

Offsets of a session count from the start of its recording, those of a client's session from
the start of the client's, and those of a message from the start of its turn
(docs/protocol/speech-websocket.md, 2.3).  A reply holds offsets of the client's session; they
are shifted to those of a turn when it is sent, since it may be sent again in a later turn.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from statistics import fmean
from typing import Any, Final

import attrs

from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import SpeechError
from speech_adapters.transcript import Utterance
from speech_compat._session.mapping.results import (
    LabelRules,
    error_code,
    no_match_record,
    utterance_record,
)
from speech_compat.enums import CancellationErrorCode, ResultReason
from speech_compat.gateway.dialogue import Turn

__all__ = ["Reply", "ReplyBuilder", "end_reply", "error_message"]

_TICKS_PER_MILLISECOND: Final = 10_000
_PHRASE: Final = "speech.phrase"
_PUNCTUATION: Final = re.compile(r"[^\w\s'-]|(?<!\w)['-]|['-](?!\w)")
# The statuses that clients know (docs/protocol/speech-websocket.md, 4.3).  The credential that
# a backend's service refused is the gateway's, but the client has to ask its operator.
_STATUS: Final = {
    CancellationErrorCode.AuthenticationFailure: "Forbidden",
    CancellationErrorCode.BadRequest: "BadRequest",
    CancellationErrorCode.TooManyRequests: "TooManyRequests",
    CancellationErrorCode.ConnectionFailure: "ServiceUnavailable",
    CancellationErrorCode.ServiceUnavailable: "ServiceUnavailable",
}


@attrs.frozen
class Reply:
    """A message to a client.

    Attributes:
        path: the message type.
        body: its JSON data; all offsets are ticks of the client's session.
        final: whether it is a final result.
        end: end of the audio concerned, in ticks of the client's session.
        final: whether it is a final result.
    """

    path: str
    body: Mapping[str, Any]
    end: int
    final: bool = False

    def message(
        self, turn: Turn, start: int, headers: Mapping[str, str] | None = None, *, clip: bool = True
    ) -> str:
        """Return the message for a turn.

        Args:
            turn: the turn.
            start: where the turn starts, in ticks of the client's session.
            headers: additional headers.
            clip: whether an utterance that starts before the turn is cut there.  Native
                clients move it as a whole otherwise.
        """
        offset = self.body["Offset"] - start
        lost = max(-offset, 0) if clip else 0
        body = {**self.body, "Offset": offset + lost}
        if "Duration" in body:
            body["Duration"] = max(body["Duration"] - lost, 0)
        if "NBest" in body:
            body["NBest"] = [_shifted(best, start) for best in body["NBest"]]
        return turn.message(self.path, body, headers)


class ReplyBuilder:
    """Creates the replies of one meeting.

    Args:
        rules: how speakers are labeled.
        start: where the recording starts, in ticks of the client's session.
        detailed: whether final results are in the detailed format too.
        words: whether that has the timings of words.
        languages: whether results name their language.
        corrections: whether an utterance is sent again when its speaker turns out to be
            another one; only in an era that does so.
    """

    def __init__(
        self,
        rules: LabelRules,
        start: int = 0,
        *,
        detailed: bool = False,
        words: bool = False,
        languages: bool = False,
        corrections: bool = True,
    ) -> None:
        self._rules = rules
        self._start = start
        self._detailed = detailed or words
        self._words = words
        self._languages = languages
        self._corrections = corrections and rules.sends_corrections
        # Index of each final result by utterance id, because its corrections repeat it.
        self._indexes: dict[str, int] = {}

    def reply(self, event: SessionEvent) -> Reply | None:
        """Return the reply to an event of the session, if it has one."""
        match event:
            case Hypothesis(utterance):
                return self._hypothesis(utterance)
            case Recognized(utterance, correction):
                return None if correction and not self._corrections else self._phrase(utterance)
            case NoMatch():
                record = no_match_record(event, self._rules, uuid.uuid4().hex)
                return self._final(record.document, event.offset, event.duration)
            case SpeechStarted(offset):
                return self._detected("speech.startDetected", offset)
            case SpeechEnded(offset):
                return self._detected("speech.endDetected", offset)
            case _:
                return None

    def _detected(self, path: str, offset: int) -> Reply:
        return Reply(path, {"Offset": offset + self._start}, offset + self._start)

    def _hypothesis(self, utterance: Utterance) -> Reply:
        body = self._body(utterance, ResultReason.RecognizingSpeech)
        return Reply("speech.hypothesis", body, utterance.end + self._start)

    def _phrase(self, utterance: Utterance) -> Reply:
        body = self._body(utterance, ResultReason.RecognizedSpeech)
        self._indexes.setdefault(utterance.id, len(self._indexes))
        if self._detailed:
            body["NBest"] = [self._best(utterance)]
        return self._final(body, utterance.offset, utterance.duration)

    def _body(self, utterance: Utterance, reason: ResultReason) -> dict[str, Any]:
        # The utterance id contains the offset, so it must be that of the client's session.
        shifted = attrs.evolve(utterance, offset=utterance.offset + self._start)
        index = self._indexes.get(utterance.id, len(self._indexes))
        body = utterance_record(shifted, self._rules, index, reason).document
        if utterance.channel is not None:
            body["Channel"] = utterance.channel
        if self._languages and utterance.language:
            body["PrimaryLanguage"] = {"Language": utterance.language, "Confidence": "Unknown"}
        return body

    def _final(self, body: dict[str, Any], offset: int, duration: int) -> Reply:
        # Clients count their position in whole milliseconds.  One that ended between two of
        # them would repeat other audio than its message says, in the JavaScript SDK even from
        # the middle of a sample frame.
        offset += self._start
        end = _whole_milliseconds(offset + duration)
        return Reply(_PHRASE, {**body, "Offset": offset, "Duration": end - offset}, end, final=True)

    def _best(self, utterance: Utterance) -> dict[str, Any]:
        """Return the one alternative, with forms that are derived from the display text."""
        lexical = " ".join(_PUNCTUATION.sub(" ", utterance.text).lower().split())
        known = [word.confidence for word in utterance.words if word.confidence is not None]
        best: dict[str, Any] = {
            **({"Confidence": round(fmean(known), 4)} if known else {}),
            "Lexical": lexical,
            "ITN": lexical,
            "MaskedITN": lexical,
            "Display": utterance.text,
        }
        if self._words and utterance.words:
            best["Words"] = [
                {
                    "Word": word.text,
                    "Offset": word.offset + self._start,
                    "Duration": word.duration,
                    **({} if word.confidence is None else {"Confidence": word.confidence}),
                }
                for word in utterance.words
            ]
        return best


def end_reply(position: int) -> Reply:
    """Return the result that all audio up to a position, in ticks, is done."""
    # Rounded up: a client opens another turn for any remainder
    # (docs/protocol/speech-websocket.md, 2.3).
    end = _whole_milliseconds(position)
    body = {"RecognitionStatus": "EndOfDictation", "DisplayText": "", "Offset": end, "Duration": 0}
    return Reply(_PHRASE, body, end, final=True)


def _whole_milliseconds(ticks: int) -> int:
    return -(-ticks // _TICKS_PER_MILLISECOND) * _TICKS_PER_MILLISECOND


def error_message(turn: Turn, error: SpeechError) -> str:
    """Return the message by which a client receives an error.

    The native SDK tries five times before it reports one, and then quotes the whole body.

    Args:
        turn: the turn.
        error: an error whose text may be sent to a client.
    """
    status = _STATUS.get(error_code(error), "Error")
    body = {"RecognitionStatus": status, "Offset": 0, "Duration": 0, "ErrorDetails": str(error)}
    return turn.message(_PHRASE, body)


def _shifted(best: dict[str, Any], start: int) -> dict[str, Any]:
    if "Words" not in best:
        return best
    words = [{**word, "Offset": max(word["Offset"] - start, 0)} for word in best["Words"]]
    return {**best, "Words": words}
