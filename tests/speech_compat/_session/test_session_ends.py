"""How a session ends that is stopped, or whose program exits, while its audio still flows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import anyio.to_thread
import pytest

from double.sessions import ENDED, Log, Source, begun, ended, soon, started
from oracle.scripted import Played
from speech_adapters.contract import Mode
from speech_adapters.errors import AudioError
from speech_compat._session import active, backlog
from speech_compat._session import session as module
from speech_compat._session.state import State


@pytest.fixture
def source(played: Played) -> Iterator[Source]:
    source = Source()
    yield source
    source.released.set()


def test_a_live_meeting_that_does_not_drain_is_dropped(
    log: Log,
    source: Source,
    played: Played,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "_DRAIN_SECONDS", 0.1)
    session = started(log, source, Mode.LIVE)
    session.stop()
    assert ended(session)
    assert log.names == ["session_started", "session_stopped"]
    assert "not all audio was recognized within 0.1 s: the rest is lost" in caplog.text
    assert played.open_sessions == 0


def test_a_stored_meeting_that_stalls_is_dropped_and_can_be_fetched(
    log: Log,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(backlog, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(backlog, "_CHECK_SECONDS", 0.02)
    session = started(log, source, Mode.BOTH)
    session.stop()
    assert ended(session)
    assert log.names == ["session_started", "session_stopped"]
    assert "fetch the rest later by the meeting's id" in caplog.text


def test_the_time_to_drain_counts_from_the_stop(
    log: Log,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(backlog, "_CHECK_SECONDS", 0.01)
    session = started(log, source, Mode.BOTH)
    session.stop()
    threading.Timer(0.2, source.released.set).start()
    assert ended(session)
    assert "The transcription was stopped" not in caplog.text


def test_audio_that_fails_because_the_session_was_dropped_is_no_error(
    log: Log, source: Source, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(backlog, "_CHECK_SECONDS", 0.02)
    session = started(log, source, Mode.BOTH)
    source.failure = AudioError("The stream is closed.")
    close = session._connection._session.aclose  # type: ignore[union-attr]

    async def close_after_the_audio_failed() -> None:
        source.released.set()
        await anyio.to_thread.run_sync(session._audio.finished.wait, 1)
        await close()

    monkeypatch.setattr(session._connection._session, "aclose", close_after_the_audio_failed)
    session.stop()
    assert ended(session)
    assert log.names == ["session_started", "session_stopped"]


def test_stopping_again_stops_the_source_but_limits_the_time_once(
    log: Log,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "_DRAIN_SECONDS", 0.1)
    session = started(log, source, Mode.LIVE)
    for _ in range(3):
        session.stop()
    assert ended(session)
    assert source.stops == 3
    assert caplog.text.count("The transcription was stopped") == 1


def test_a_stop_before_the_source_is_open_reaches_it(
    log: Log, source: Source, played: Played
) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def open_slowly() -> Source:
        opening.set()
        go_on.wait(ENDED)
        return source

    session = begun(log, open_slowly, Mode.LIVE)
    assert opening.wait(ENDED)
    session.stop()
    assert source.stops == 0
    source.released.set()
    go_on.set()
    assert ended(session)
    assert source.stops == 1
    assert log.names == ["session_started", "session_stopped"]


def test_the_exit_of_the_program_closes_a_live_meeting(
    log: Log, source: Source, played: Played
) -> None:
    session = started(log, source, Mode.LIVE)
    session.end_with_program(soon())
    assert ended(session)
    assert source.stops == 1
    assert log.names == ["session_started", "session_stopped"]
    assert played.open_sessions == 0


@pytest.mark.parametrize(("growing", "stops"), [(True, 1), (False, 0)])
def test_the_exit_of_the_program_ends_streams_but_not_files(
    log: Log, source: Source, played: Played, growing: bool, stops: int
) -> None:
    source.growing = growing
    session = started(log, source, Mode.STORED)
    threading.Timer(0.05, source.released.set).start()
    session.end_with_program(time.monotonic() + ENDED)
    assert ended(session)
    assert source.stops == stops
    assert log.names == ["session_started", "canceled", "session_stopped"]
    assert log.error == ""


def test_the_exit_of_the_program_waits_for_the_disk_until_its_deadline_only(
    log: Log, source: Source, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.1)
    session = started(log, source, Mode.STORED)
    session.end_with_program(soon())
    assert session._state is State.DETACHED
    assert played.open_sessions == 0
    source.released.set()
    assert ended(session)
    assert log.error == "", "closing at the exit is no error"


def test_a_stop_during_the_exit_leaves_no_cancellation(
    log: Log, source: Source, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.1)
    session = started(log, source, Mode.STORED)
    session.end_with_program(soon())
    session.stop()
    assert session._state is State.ABORTED
    source.released.set()
    assert ended(session)
    assert log.names == ["session_started", "session_stopped"]


def test_the_exit_after_a_stop_closes_the_session(log: Log, source: Source, played: Played) -> None:
    session = started(log, source, Mode.BOTH)
    session.stop()
    session.end_with_program(soon())
    assert ended(session)
    assert log.names == ["session_started", "session_stopped"]


def test_a_stop_after_the_end_changes_nothing(log: Log, source: Source) -> None:
    session = started(log, source, Mode.LIVE)
    source.released.set()
    assert ended(session)
    session.stop()
    session.end_with_program(soon())
    assert session._state is State.ENDED
    assert log.names == ["session_started", "canceled", "session_stopped"]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (AudioError("The stream is broken."), "The stream is broken."),
        (ZeroDivisionError("x"), "Unexpected ZeroDivisionError: x."),
    ],
)
def test_audio_that_fails_ends_the_session_with_its_error(
    log: Log, source: Source, played: Played, failure: Exception, message: str
) -> None:
    session = started(log, source, Mode.LIVE)
    source.failure = failure
    source.released.set()
    assert ended(session)
    assert log.names == ["session_started", "canceled", "session_stopped"]
    assert log.error == message
    assert played.open_sessions == 0


@pytest.mark.parametrize(("mode", "error"), [(Mode.LIVE, ""), (Mode.BOTH, "The stream is broken.")])
def test_an_error_after_a_stop_matters_only_to_a_stored_meeting(
    log: Log, source: Source, mode: Mode, error: str
) -> None:
    session = started(log, source, mode)
    session.stop()
    source.failure = AudioError("The stream is broken.")
    source.released.set()
    assert ended(session)
    assert log.error == error
    assert log.names[-1] == "session_stopped"
    assert ("canceled" in log.names) is bool(error)


def test_a_source_that_cannot_be_opened_is_a_cancellation(log: Log, played: Played) -> None:
    def fail() -> Source:
        raise ZeroDivisionError("x")

    session = begun(log, fail, Mode.LIVE)
    assert ended(session)
    assert log.names == ["session_started", "canceled", "session_stopped"]
    assert log.error == "Unexpected ZeroDivisionError: x."


def test_defects_of_the_audio_are_logged(
    log: Log, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.notes = ("The file is truncated.",)
    session = started(log, source, Mode.LIVE)
    source.released.set()
    assert ended(session)
    assert "Meeting 'm': The file is truncated." in caplog.text


def test_what_is_known_at_the_end_of_the_audio_is_logged_once(
    log: Log, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.notes = ("The file has 2 audio tracks.",)
    session = started(log, source, Mode.LIVE)
    source.notes += ("The file is truncated.",)
    source.released.set()
    assert ended(session)
    assert caplog.text.count("The file has 2 audio tracks.") == 1
    assert caplog.text.count("The file is truncated.") == 1


def test_an_early_end_of_the_source_is_reported_after_the_results(
    log: Log, source: Source, played: Played
) -> None:
    session = started(log, source, Mode.LIVE)
    source.ending_error = AudioError("The device is gone.")
    source.released.set()
    assert ended(session)
    assert log.names == ["session_started", "canceled", "session_stopped"]
    assert log.error == "The device is gone."


def test_the_exit_of_the_program_ends_every_session(log: Log, source: Source) -> None:
    session = started(log, source, Mode.LIVE)
    active._end_all()
    assert ended(session)
    assert session not in active._active
