"""From what recognisers say to the events of a session.

Offsets become offsets of the recording, labels numbers, and what is said twice is told
once.  The service knows a speaker only after it has heard some seconds of the voice: where
a new speaker appears right after utterances of nobody known, those are taken to be the
beginning of what the new one says, and are told again as corrections.  A speaker known
before would have been known then too, so nobody else is guessed.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, Self

import attrs

from speech_adapters.backends.realtime.messages import Final as FinalResult
from speech_adapters.backends.realtime.messages import Guess, SpeechEdge
from speech_adapters.contract import (
    Hypothesis,
    MeetingRequest,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.transcript import LabelStyle, Utterance, ticks

__all__ = ["BACKFILLED", "RECONNECTED", "Narrator"]

BACKFILLED: Final = (
    "The service did not know who spoke {} time(s): the new speaker right after it was taken."
)
RECONNECTED: Final = (
    "The connection had to be made anew {} time(s): speakers have new numbers from there on."
)
# How far back a result that comes again is recognised, and an unknown speaker made known.
_REMEMBERED: Final = 64


class Narrator:
    """Tells one recording, over one or more recognisers.

    Args:
        meeting_id: goes into the ids of utterances.
        language: of utterances where the service does not say.
        apart: whether speakers are told apart.
        backfill: ticks after an unknown speaker within which a new one must appear.
        known: what was told before, by another process.
    """

    def __init__(
        self,
        meeting_id: str,
        language: str,
        *,
        apart: bool = True,
        backfill: int = 0,
        known: Iterable[Utterance] = (),
    ) -> None:
        self._meeting_id = meeting_id
        self._language = language
        self._apart = apart
        self._backfill = backfill
        self._base = 0
        self._recent: deque[FinalResult] = deque(maxlen=_REMEMBERED)
        self._unknown: deque[Utterance] = deque(maxlen=_REMEMBERED)
        self._odd: dict[str, int] = {}
        self._heard: set[int] = set()
        self._first = 0
        self._next = 0
        self._begun = 0
        self._filled = 0
        self._reached = 0
        self._spoke = False
        self._count = 0
        for utterance in known:
            self._count += 1
            self._reached = max(self._reached, utterance.end)
            self._number_up(utterance.speaker)
            self._heard |= {utterance.speaker} if utterance.speaker is not None else set()

    @classmethod
    def of(
        cls, request: MeetingRequest, backfill_seconds: float, known: Iterable[Utterance] = ()
    ) -> Self:
        """Make the narrator of a request."""
        return cls(
            request.meeting_id,
            request.language,
            apart=request.differentiate_speakers,
            backfill=ticks(backfill_seconds),
            known=known,
        )

    @property
    def reached(self) -> int:
        """Ticks of the recording up to which everything was told."""
        return self._reached

    @property
    def emulated(self) -> tuple[str, ...]:
        """What was estimated."""
        filled = (BACKFILLED.format(self._filled),) if self._filled else ()
        return filled + ((RECONNECTED.format(self._begun - 1),) if self._begun > 1 else ())

    def begin(self, base: int) -> None:
        """Another recogniser begins, with the audio at ``base`` ticks.

        It counts speakers from the first again, and nothing says who is whom: they get
        numbers of their own.
        """
        self._base = base
        self._begun += 1
        self._first = self._next
        self._odd = {}
        self._recent.clear()

    def hear(self, said: FinalResult | Guess | SpeechEdge) -> Iterator[SessionEvent]:
        """Give the events of something said."""
        if isinstance(said, SpeechEdge):
            yield from self._edge(said)
        elif isinstance(said, Guess):
            if said.text:
                yield Hypothesis(self._utterance(said.text, said.offset, said.duration, said.label))
        elif said not in self._recent:
            self._recent.append(said)
            yield from self._final(said)

    def end(self) -> Iterator[SessionEvent]:
        """Give what comes after the last result."""
        if self._spoke:
            self._spoke = False
            yield SpeechEnded(self._reached)

    def _edge(self, said: SpeechEdge) -> Iterator[SessionEvent]:
        """Tell only what changes: a recogniser that begins says so again."""
        if said.started and not self._spoke:
            self._spoke = True
            yield SpeechStarted(self._base + said.offset)
        elif not said.started and self._spoke:
            self._spoke = False
            yield SpeechEnded(self._base + said.offset)

    def _final(self, said: FinalResult) -> Iterator[SessionEvent]:
        self._reached = max(self._reached, self._base + said.end)
        if said.text:
            utterance = self._utterance(said.text, said.offset, said.duration, said.label, said)
            self._count += 1
            yield from self._corrections(utterance)
            yield Recognized(utterance)
        yield Progress(self._reached)

    def _corrections(self, utterance: Utterance) -> Iterator[SessionEvent]:
        """Give unknown speakers of just before the one who goes on."""
        waiting, self._unknown = self._unknown, deque(maxlen=_REMEMBERED)
        if not self._apart or not self._backfill:
            return
        follows = bool(waiting) and utterance.offset - waiting[-1].end <= self._backfill
        if utterance.speaker is None:
            self._unknown.extend(waiting if follows else ())
            self._unknown.append(utterance)
        elif utterance.speaker not in self._heard:
            self._heard.add(utterance.speaker)
            for before in waiting if follows else ():
                self._filled += 1
                corrected = attrs.evolve(before, speaker=utterance.speaker)
                yield Recognized(corrected, correction=True)

    def _utterance(
        self, text: str, offset: int, duration: int, label: str, final: FinalResult | None = None
    ) -> Utterance:
        words = final.words if final is not None else ()
        return Utterance(
            id=self._id(),
            text=text,
            offset=self._base + offset,
            duration=duration,
            speaker=self._speaker(label) if self._apart else None,
            language=(final.language if final is not None else "") or self._language,
            words=tuple(attrs.evolve(word, offset=self._base + word.offset) for word in words),
        )

    def _id(self) -> str:
        """Give the id of the utterance that is being said: hypotheses share the final's."""
        name = f"{self._meeting_id}:{self._count}"
        return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()

    def _speaker(self, label: str) -> int | None:
        """Read a label; one of no known form is numbered by its first appearance."""
        style = LabelStyle.DIARIZATION
        if label in ("", style.label(None)):
            return None
        number = style.speaker(label)
        if number is None:
            number = self._odd.setdefault(label, self._next - self._first)
        self._number_up(self._first + number)
        return self._first + number

    def _number_up(self, speaker: int | None) -> None:
        if speaker is not None:
            self._next = max(self._next, speaker + 1)
