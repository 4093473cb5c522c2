"""Normalizes the messages of recognizers to the events of a session.

Offsets become offsets of the recording, labels become numbers, and results that a
recognizer repeats are dropped.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import Final, Self

import attrs

from speech_adapters.contract import (
    Hypothesis,
    MeetingRequest,
    NoMatch,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.speech_sdk.messages import (
    FinalResult,
    PartialResult,
    SpeechBoundary,
)
from speech_adapters.speech_sdk.speakers import SpeakerBackfill, SpeakerNumbers
from speech_adapters.transcript import Utterance, Word, ticks

__all__ = ["BACKFILLED", "RECONNECTED", "EventNormalizer", "State"]

BACKFILLED: Final = (
    "The service did not know who spoke {} time(s): the new speaker right after it was taken."
)
RECONNECTED: Final = (
    "The connection had to be made anew {} time(s): speakers have new numbers from there on."
)
# Results among which a repeated one is recognized.
_REMEMBERED: Final = 64


class State(Enum):
    """Whether speech has started that has not ended."""

    SILENT = auto()
    SPEAKING = auto()


class EventNormalizer:
    """Makes the events of one recording from the messages of one or more recognizers.

    ::

        SILENT ──speech starts──▶ SPEAKING
           ▲                          │
           └──speech ends, finish()───┘

    To be called by one thread at a time.

    Args:
        meeting_id: part of the ids of utterances.
        language: language of utterances for which the service names none.
        separate: whether speakers are separated.
        backfill: largest distance in ticks between an unknown speaker and the new one.
        known: the utterances that another process recognized before.
    """

    def __init__(
        self,
        meeting_id: str,
        language: str,
        *,
        separate: bool = True,
        backfill: int = 0,
        known: Iterable[Utterance] = (),
    ) -> None:
        self._meeting_id = meeting_id
        self._language = language
        self._separate = separate
        self._numbers = SpeakerNumbers()  # labels of speakers to numbers
        self._backfill = SpeakerBackfill(backfill if separate else 0)
        self._offset = 0  # start of the present recognizer's audio, ticks of the recording
        self._reached = 0  # end of the last final result, ticks of the recording
        self._count = 0  # final utterances so far
        self._recognizers = 0  # recognizers so far
        self._state = State.SILENT
        # A reconnect of the SDK sends audio again (docs/protocol/speech-websocket.md, 4.2),
        # for which the service may return a final result that it returned before.
        self._recent: deque[FinalResult] = deque(maxlen=_REMEMBERED)
        for utterance in known:
            self._count += 1
            self._reached = max(self._reached, utterance.end)
            self._numbers.reserve(utterance.speaker)
            self._backfill.add_known(utterance.speaker)

    @classmethod
    def of(
        cls, request: MeetingRequest, backfill_seconds: float, known: Iterable[Utterance] = ()
    ) -> Self:
        """Create the normalizer for a request."""
        return cls(
            request.meeting_id,
            request.language,
            separate=request.differentiate_speakers,
            backfill=ticks(backfill_seconds),
            known=known,
        )

    @property
    def reached(self) -> int:
        """Ticks of the recording up to which everything was recognized."""
        return self._reached

    @property
    def recognizers(self) -> int:
        """Number of the recognizers so far."""
        return self._recognizers

    @property
    def emulated(self) -> tuple[str, ...]:
        """What was estimated, one sentence each; part of the provenance."""
        filled, anew = self._backfill.count, self._recognizers - 1
        notes = (BACKFILLED.format(filled),) if filled else ()
        return (*notes, RECONNECTED.format(anew)) if anew > 0 else notes

    def begin(self, offset: int) -> None:
        """Start with another recognizer, whose audio begins at ``offset`` ticks."""
        self._offset = offset
        self._recognizers += 1
        self._numbers.begin()
        # Offsets have another base now: equal results are different utterances.
        self._recent.clear()

    def process(
        self, message: FinalResult | PartialResult | SpeechBoundary
    ) -> Iterator[SessionEvent]:
        """Yield the events of a message."""
        if isinstance(message, SpeechBoundary):
            yield from self._boundary(message)
        elif isinstance(message, PartialResult):
            if message.text:
                yield Hypothesis(self._utterance(message))
        elif message not in self._recent:
            self._recent.append(message)
            yield from self._final(message)

    def finish(self) -> Iterator[SessionEvent]:
        """Yield the events after the last message."""
        if self._state is State.SPEAKING:
            self._state = State.SILENT
            yield SpeechEnded(self._reached)

    def _boundary(self, message: SpeechBoundary) -> Iterator[SessionEvent]:
        after = State.SPEAKING if message.started else State.SILENT
        # A recognizer that continues in the middle of speech reports its start again.
        if after is not self._state:
            self._state = after
            event = SpeechStarted if message.started else SpeechEnded
            yield event(self._offset + message.offset)

    def _final(self, result: FinalResult) -> Iterator[SessionEvent]:
        # In crosstalk a result may end before the one that was sent before it.
        self._reached = max(self._reached, self._offset + result.end)
        if result.text:
            utterance = self._utterance(result, result.language, result.words)
            self._count += 1
            for corrected in self._backfill.assign(utterance):
                yield Recognized(corrected, correction=True)
            yield Recognized(utterance)
        elif result.no_match:
            yield NoMatch(self._offset + result.offset, result.duration, result.no_match)
        # Without a text too: what was not understood was recognized all the same.
        yield Progress(self._reached)

    def _utterance(
        self,
        result: FinalResult | PartialResult,
        language: str = "",
        words: Iterable[Word] = (),
    ) -> Utterance:
        speaker, participant = self._speaker(result.label)
        return Utterance(
            id=self._id(result),
            text=result.text,
            offset=self._offset + result.offset,
            duration=result.duration,
            speaker=speaker,
            language=language or self._language,
            words=tuple(attrs.evolve(word, offset=self._offset + word.offset) for word in words),
            participant=participant,
        )

    def _speaker(self, label: str) -> tuple[int | None, str | None]:
        """Return the number of the speaker with a label, and the participant who it is."""
        return (self._numbers.number(label) if self._separate else None), None

    def _id(self, result: FinalResult | PartialResult) -> str:  # noqa: ARG002
        """Return the id of the present utterance: hypotheses share it with the final one."""
        name = f"{self._meeting_id}:{self._count}"
        return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
