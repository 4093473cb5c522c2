"""Normalizes the messages of a recognizer for meetings, whose results have ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from speech_adapters.contract import MeetingRequest, Recognized, SessionEvent
from speech_adapters.speech_sdk.messages import FinalResult, PartialResult, SpeechBoundary
from speech_adapters.speech_sdk.normalizer import EventNormalizer
from speech_adapters.speech_sdk.speakers import MeetingSpeakers

__all__ = ["MeetingNormalizer"]


class MeetingNormalizer(EventNormalizer):
    """Makes events of messages; see :class:`.normalizer.EventNormalizer`.

    The ids are those of the service, by which utterances of a stored transcript are found.  A
    result that comes again with another speaker is a correction
    (docs/protocol/legacy-interface.md, 3.5).

    Args:
        meeting_id: part of the ids of utterances to which the service gave none.
        language: language of utterances for which the service names none.
        separate: whether speakers are separated.
    """

    def __init__(self, meeting_id: str, language: str, *, separate: bool = True) -> None:
        super().__init__(meeting_id, language, separate=separate)
        self._speakers = MeetingSpeakers(separate)
        # Of all final results: the service may correct each of them at any time.
        self._labels: dict[str, str] = {}

    @classmethod
    def of_meeting(cls, request: MeetingRequest) -> Self:
        """Create the normalizer for a request."""
        separate = request.differentiate_speakers
        return cls(request.meeting_id, request.language, separate=separate)

    def begin(self, offset: int) -> None:
        """Start with another recognizer, whose audio begins at ``offset`` ticks."""
        super().begin(offset)
        self._speakers.begin()

    def process(
        self, message: FinalResult | PartialResult | SpeechBoundary
    ) -> Iterator[SessionEvent]:
        """Yield the events of a message."""
        if not (isinstance(message, FinalResult) and message.id and message.text):
            yield from super().process(message)
            return
        known = self._labels.get(message.id)
        self._labels[message.id] = message.label
        if known is None:
            yield from super().process(message)
        elif known != message.label:
            utterance = self._utterance(message, message.language, message.words)
            yield Recognized(utterance, correction=True)

    def _speaker(self, label: str) -> tuple[int | None, str | None]:
        return self._speakers.resolve(label)

    def _id(self, result: FinalResult | PartialResult) -> str:
        return result.id or super()._id(result)
