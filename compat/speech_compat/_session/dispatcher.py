"""From the events of a backend's session to the events of the legacy interface."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Origin,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_compat._session.mapping.results import LabelRules, no_match_record, utterance_record
from speech_compat._session.records import EventRecord, ResultRecord
from speech_compat.enums import ResultReason

if TYPE_CHECKING:
    from speech_adapters.transcript import Utterance

__all__ = ["EventDispatcher", "Listener"]

_logger = logging.getLogger("speech_compat")


class Listener(Protocol):
    """Receives a session's events and emits them as legacy events."""

    def session(self, name: str, event: EventRecord) -> None:
        """Emit ``session_started`` or ``session_stopped``."""
        ...

    def speech(self, name: str, event: EventRecord) -> None:
        """Emit ``speech_start_detected`` or ``speech_end_detected``."""
        ...

    def result(self, name: str, event: EventRecord) -> None:
        """Emit ``transcribing``, ``transcribed`` or ``canceled``."""
        ...


class EventDispatcher:
    """Passes the events of one session to a listener; used in one thread only."""

    def __init__(self, rules: LabelRules, listener: Listener) -> None:
        # How speakers are labeled, and whether corrections are sent.
        self._rules = rules
        self._sends_corrections = rules.sends_corrections
        self._listener = listener
        # 32 hexadecimal digits, as in the real package; a new one for each start.
        self._session_id = uuid.uuid4().hex
        # Number of final results; the next one has it as the index in its utterance id.
        self._result_count = 0
        # time.monotonic() of the event whose callbacks run at present.
        self.busy_since: float | None = None
        # Index of each final result by utterance id, because its corrections repeat it.
        self._indexes: dict[str, int] = {}

    def omit_corrections(self) -> None:
        """Send no utterance a second time when its speaker turns out to be another one."""
        self._sends_corrections = False

    def session_started(self) -> None:
        """Emit ``session_started``."""
        with self._busy():
            self._listener.session("session_started", EventRecord(self._session_id))

    def session_stopped(self) -> None:
        """Emit ``session_stopped``."""
        with self._busy():
            self._listener.session("session_stopped", EventRecord(self._session_id))

    def canceled(self, record: ResultRecord) -> None:
        """Emit ``canceled``, at offset 0 as the real package does."""
        with self._busy():
            self._listener.result("canceled", EventRecord(self._session_id, 0, record))

    def dispatch(self, event: SessionEvent) -> None:
        """Emit the legacy event of a session event, if it has one."""
        with self._busy():
            self._dispatch(event)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self.busy_since = time.monotonic()
        try:
            yield
        finally:
            self.busy_since = None

    def _dispatch(self, event: SessionEvent) -> None:
        match event:
            case SpeechStarted(offset):
                start = EventRecord(self._session_id, offset)
                self._listener.speech("speech_start_detected", start)
            case SpeechEnded(offset):
                self._listener.speech("speech_end_detected", EventRecord(self._session_id, offset))
            case Hypothesis(utterance):
                self._result("transcribing", utterance, ResultReason.RecognizingSpeech)
            case Recognized(utterance, correction):
                if not correction or self._sends_corrections:
                    self._result("transcribed", utterance, ResultReason.RecognizedSpeech)
            case NoMatch():
                record = no_match_record(event, self._rules, uuid.uuid4().hex)
                self._listener.result(
                    "transcribed", EventRecord(self._session_id, event.offset, record)
                )
            case Origin(provenance):
                for sentence in provenance.emulated:
                    _logger.warning("%s", sentence)
            case _:
                pass

    def _result(self, name: str, utterance: Utterance, reason: ResultReason) -> None:
        index = self._indexes.get(utterance.id, self._result_count)
        record = utterance_record(utterance, self._rules, index, reason)
        if name == "transcribed" and utterance.id not in self._indexes:
            self._indexes[utterance.id] = index
            self._result_count += 1
        self._listener.result(name, EventRecord(self._session_id, record.offset, record))
