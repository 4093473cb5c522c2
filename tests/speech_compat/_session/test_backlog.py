"""The backlog: seconds that are not recognized."""

from __future__ import annotations

import threading
import time

import pytest

from speech_adapters.contract import Progress, Recognized, SpeechStarted
from speech_adapters.transcript import TICKS_PER_SECOND, Utterance
from speech_compat._session import backlog as module
from speech_compat._session.backlog import Backlog


def test_the_rest_is_what_was_pushed_and_not_recognized() -> None:
    backlog = Backlog()
    backlog.add(10.0)
    assert backlog.seconds == 10.0
    backlog.note(Progress(4 * TICKS_PER_SECOND))
    assert backlog.seconds == 6.0
    backlog.note(Recognized(Utterance("1", "text", 5 * TICKS_PER_SECOND, TICKS_PER_SECOND, None)))
    assert backlog.seconds == 4.0


def test_a_correction_of_earlier_audio_takes_nothing_back() -> None:
    backlog = Backlog()
    backlog.add(1.0)
    backlog.note(Progress(3 * TICKS_PER_SECOND))
    earlier = Utterance("1", "text", 0, TICKS_PER_SECOND, None)
    backlog.note(Recognized(earlier, correction=True))
    assert backlog.seconds == 0.0


def test_every_event_restarts_the_clock() -> None:
    backlog = Backlog()
    backlog.note(SpeechStarted(0))
    assert backlog.active_at > 0


def test_the_end_is_waited_for_as_long_as_events_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.01)
    backlog, done = Backlog(), threading.Event()
    backlog.restart_clock()
    assert not backlog.wait_while_active(done, time.monotonic()), "the deadline is over"
    backlog.active_at -= module.IDLE_SECONDS
    assert not backlog.wait_while_active(done), "nothing has come for long"
    backlog.restart_clock()
    threading.Timer(0.05, done.set).start()
    assert backlog.wait_while_active(done)
