"""The feeder, with a real spool and scripted recognizers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from double.recognition import SECOND, FakeRecognizer, RecognizerScript, audio, offsets
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Recognized, SessionEvent, SpeechEnded
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    StoreError,
    TimedOutError,
    UnavailableError,
)
from speech_adapters.speech_sdk import feeder as module
from speech_adapters.speech_sdk import throttle
from speech_adapters.speech_sdk.feeder import Feeder
from speech_adapters.speech_sdk.messages import (
    Completed,
    Failed,
    FinalResult,
    SpeechBoundary,
)
from speech_adapters.speech_sdk.normalizer import EventNormalizer
from speech_adapters.speech_sdk.options import DriverOptions

Make = Callable[..., tuple[Feeder, list[SessionEvent]]]
BLOCK = 2_000_000  # ticks of audio in one write


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until another thread has done its part."""
    for _ in range(2_000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it never came true")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that creates a feeder for seconds of audio, and its list of events."""

    def create(
        script: RecognizerScript,
        length: float = 2,
        *,
        pcm: PcmFormat | None = None,
        ended: bool = True,
        backlog: Callable[[], int] = lambda: 0,
        emit: Callable[[SessionEvent], None] | None = None,
        **options: float,
    ) -> tuple[Feeder, list[SessionEvent]]:
        pcm = pcm or PcmFormat()
        path = tmp_path / "audio.pcm"
        path.write_bytes(audio(0, length, pcm.channels))
        events: list[SessionEvent] = []
        feeder = Feeder(
            path,
            pcm,
            "average",
            # Without validation: tests need shorter times than a service does.
            DriverOptions().model_copy(update={"retry_seconds": 0.0, **options}),
            script.connect,
            EventNormalizer("m", "en-US"),
            emit or events.append,
            backlog,
        )
        feeder.grow(path.stat().st_size, ended=ended)
        return feeder, events

    return create


@contextmanager
def running(feeder: Feeder) -> Iterator[list[bool]]:
    """Run a feeder in a thread, and close it at the end of the block; yields its result."""
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(feeder.run()), daemon=True)
    thread.start()
    try:
        yield results
    finally:
        feeder.close()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("channels", [1, 2])
def test_all_audio_is_sent_in_order_as_one_channel(make: Make, channels: int) -> None:
    script = RecognizerScript()
    feeder, events = make(script, pcm=PcmFormat(16_000, channels))
    assert feeder.run()
    (recognizer,) = script.recognizers
    assert bytes(recognizer.audio) == audio(0, 2)
    assert offsets(events) == [n * BLOCK for n in range(10)]
    feeder.release()
    assert recognizer.stopped


def test_all_channels_are_sent_without_a_downmix(tmp_path: Path) -> None:
    pcm = PcmFormat(16_000, 3)
    path = tmp_path / "audio.pcm"
    path.write_bytes(audio(0, 1, 3))
    script = RecognizerScript()
    options = DriverOptions()
    normalizer = EventNormalizer("m", "en-US")
    feeder = Feeder(path, pcm, None, options, script.connect, normalizer, lambda _: None)
    feeder.grow(path.stat().st_size, ended=True)
    assert feeder.run()
    assert bytes(script.recognizers[0].audio) == audio(0, 1, 3)


def test_a_feeder_whose_work_is_not_wanted_any_more_is_closed(tmp_path: Path) -> None:
    """It is asked without its lock, and while the service is silent too."""
    path = tmp_path / "audio.pcm"
    path.write_bytes(audio(0, 1))
    script = RecognizerScript(written=lambda _: None, ended=lambda _: None)
    asked: list[int] = []

    def is_wanted(sent: int) -> bool:
        asked.append(sent)
        thread = threading.Thread(target=feeder.grow, args=(32_000,))
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), "the feeder keeps its lock"
        return sent < 32_000

    feeder = Feeder(
        path,
        PcmFormat(),
        None,
        DriverOptions(),
        script.connect,
        EventNormalizer("m", "en-US"),
        lambda _: None,
        is_wanted=is_wanted,
    )
    feeder.grow(32_000, ended=True)
    assert feeder.run() is False
    assert asked[0] == 0
    assert asked[-1] == 32_000
    assert script.recognizers[0].stopped


def test_the_next_recognizer_starts_after_the_last_result(make: Make) -> None:
    def written(recognizer: FakeRecognizer) -> None:
        if recognizer.received == 3 * BLOCK and len(script.recognizers) == 1:
            recognizer.send(Failed(UnavailableError("lost")))
        elif recognizer.received != 2 * BLOCK or len(script.recognizers) == 2:
            recognizer.result()

    script = RecognizerScript(written=written)
    feeder, events = make(script)
    assert feeder.run()
    first, second = script.recognizers
    assert first.received == 3 * BLOCK
    # Only the first block had a result: the next two are sent again.
    assert bytes(second.audio) == audio(0.2, 1.8)
    assert offsets(events) == [n * BLOCK for n in range(10)]


def test_late_messages_of_a_stopped_recognizer_are_ignored(make: Make) -> None:
    def written(recognizer: FakeRecognizer) -> None:
        first = script.recognizers[0]
        if recognizer is first:
            recognizer.send(Failed(UnavailableError("lost")))
        first.send(FinalResult("late", 0, SECOND))
        first.send(Completed())
        recognizer.result("timely")

    script = RecognizerScript(written=written)
    feeder, events = make(script, 0.4)
    assert feeder.run()
    assert {e.utterance.text for e in events if isinstance(e, Recognized)} == {"timely"}


def test_failures_without_progress_are_counted(make: Make) -> None:
    script = RecognizerScript(started=lambda r: r.send(Failed(UnavailableError("busy"))))
    feeder, _ = make(script, attempts=3)
    with pytest.raises(UnavailableError, match="busy"):
        feeder.run()
    assert len(script.recognizers) == 3


def test_progress_starts_the_count_again(make: Make) -> None:
    def written(recognizer: FakeRecognizer) -> None:
        recognizer.result()
        recognizer.send(Failed(UnavailableError("busy")))

    script = RecognizerScript(written=written)
    feeder, events = make(script, attempts=2)
    assert feeder.run()
    assert offsets(events) == [n * BLOCK for n in range(10)]
    assert len(script.recognizers) == 11, "the last one only completes"


def test_what_would_fail_again_is_not_retried(make: Make) -> None:
    script = RecognizerScript(started=lambda r: r.send(Failed(AuthenticationError("refused"))))
    feeder, _ = make(script)
    with pytest.raises(AuthenticationError):
        feeder.run()
    assert len(script.recognizers) == 1


def test_an_end_before_that_of_the_audio_is_an_error(make: Make) -> None:
    script = RecognizerScript(written=lambda r: r.send(Completed()))
    feeder, _ = make(script)
    with pytest.raises(BackendError, match="ended the transcription before the audio did"):
        feeder.run()


@pytest.mark.parametrize("error", [StoreError("the disk is full"), KeyError("a mistake")])
def test_an_error_of_the_consumer_ends_the_recognition(make: Make, error: Exception) -> None:
    """Messages come on threads of the SDK, which would drop it."""

    def send(recognizer: FakeRecognizer) -> None:
        thread = threading.Thread(target=recognizer.result)
        thread.start()
        thread.join()

    def emit(_: SessionEvent) -> None:
        raise error

    feeder, _ = make(RecognizerScript(written=send), emit=emit)
    with pytest.raises(type(error)) as caught:
        feeder.run()
    assert caught.value is error


def test_a_spool_that_shrank_is_an_error(make: Make) -> None:
    script = RecognizerScript()
    feeder, events = make(script, 1)
    feeder.grow(64_000, ended=True)
    with pytest.raises(StoreError, match="is shorter than it was"):
        feeder.run()
    assert len(offsets(events)) == 5, "what there was is recognized"


def test_speech_that_nothing_ended_ends_with_the_last_result(make: Make) -> None:
    def written(recognizer: FakeRecognizer) -> None:
        recognizer.send(SpeechBoundary(True, 0))
        recognizer.result()

    feeder, events = make(RecognizerScript(written=written))
    assert feeder.run()
    assert events[-1] == SpeechEnded(2 * SECOND)


def test_no_event_follows_a_close(make: Make) -> None:
    def written(recognizer: FakeRecognizer) -> None:
        recognizer.result()
        feeder.close()
        recognizer.result()

    feeder, events = make(RecognizerScript(written=written))
    assert not feeder.run()
    assert offsets(events) == [0]
    assert not feeder.run(), "a closed feeder stays closed"


def test_a_close_ends_the_pause_before_the_next_attempt(make: Make) -> None:
    script = RecognizerScript(started=lambda r: r.send(Failed(UnavailableError("busy"))))
    feeder, _ = make(script, retry_seconds=3_600.0)
    with running(feeder) as results:
        wait_for(lambda: bool(script.recognizers) and script.recognizers[0].stopped)
    assert results == [False]


def test_no_audio_is_sent_while_events_pile_up(make: Make) -> None:
    unread = [0]

    def written(recognizer: FakeRecognizer) -> None:
        assert not unread[0]
        recognizer.result()
        if recognizer.received == 3 * BLOCK:
            unread[0] = 1_001

    script = RecognizerScript(written=written)
    feeder, events = make(script, backlog=lambda: unread[0])
    with running(feeder) as results:
        wait_for(lambda: len(offsets(events)) == 3)
        feeder.grow(64_000, ended=True)  # wakes the thread, which finds the backlog
        assert len(offsets(events)) == 3
        unread[0] = 0
        wait_for(lambda: bool(results))
    assert results == [True]


def test_a_service_that_owes_an_answer_too_long_is_given_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAKE_SECONDS", 0.001)
    feeder, _ = make(RecognizerScript(ended=lambda _: None), patience_seconds=0.01, attempts=1)
    with pytest.raises(TimedOutError, match="while it owed an answer"):
        feeder.run()


def test_a_backlog_does_not_count_as_silence_of_the_service(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAKE_SECONDS", 0.001)
    now, unread = [0.0], [0]

    def monotonic() -> float:
        now[0] += 10
        if now[0] > 10_000:
            script.recognizers[0].send(Completed())
        return now[0]

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    script = RecognizerScript(ended=lambda _: unread.__setitem__(0, 1_001))
    feeder, _ = make(script, backlog=lambda: unread[0], patience_seconds=60.0, attempts=1)
    assert feeder.run()


def test_audio_without_results_is_sent_in_real_time(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=lambda: now[0]))
    script = RecognizerScript(written=lambda _: None)
    feeder, _ = make(script, 60, ahead_seconds=5)
    with running(feeder):
        wait_for(lambda: bool(script.recognizers) and script.recognizers[0].received == 5 * SECOND)
        (recognizer,) = script.recognizers
        now[0] += 2
        wait_for(lambda: recognizer.received == 7 * SECOND)
        recognizer.result()
        wait_for(lambda: recognizer.received == 12 * SECOND)
        # The next throttle starts anew.
        now[0] += 1
        wait_for(lambda: recognizer.received == 13 * SECOND)
    assert recognizer.received == 13 * SECOND


def test_audio_that_is_still_recorded_is_sent_as_it_comes(make: Make, tmp_path: Path) -> None:
    script = RecognizerScript()
    feeder, events = make(script, 0.2, ended=False)
    path = tmp_path / "audio.pcm"
    with running(feeder) as results:
        wait_for(lambda: len(offsets(events)) == 1)
        with path.open("ab") as file:
            file.write(audio(0.2, 0.2))
        feeder.grow(path.stat().st_size)
        wait_for(lambda: len(offsets(events)) == 2)
        assert not results
        feeder.grow(path.stat().st_size, ended=True)
        wait_for(lambda: bool(results))
    assert bytes(script.recognizers[0].audio) == audio(0, 0.4)


def extend(feeder: Feeder, path: Path, start: float, seconds: float) -> None:
    """Record further audio, as a session does."""
    more = audio(start, seconds)
    with path.open("ab") as file:
        file.write(more)
    feeder.grow(path.stat().st_size, last=more)


def test_while_the_service_keeps_up_audio_is_sent_by_the_thread_that_records_it(
    make: Make, tmp_path: Path
) -> None:
    senders: list[threading.Thread] = []
    script = RecognizerScript(written=lambda _: senders.append(threading.current_thread()))
    feeder, _ = make(script, 0.2, ended=False)
    with running(feeder) as results:
        wait_for(lambda: feeder._position == feeder._size)
        for number in range(1, 4):
            extend(feeder, tmp_path / "audio.pcm", 0.2 * number, 0.2)
            # At once: nothing is waited for.
            assert senders[1:] == [threading.current_thread()] * number
        feeder.grow(feeder._size, ended=True)
        wait_for(lambda: bool(results))
    assert bytes(script.recognizers[0].audio) == audio(0, 0.8)


def test_audio_beyond_the_throttle_waits_for_the_feeder(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=lambda: now[0]))
    script = RecognizerScript(written=lambda _: None)
    feeder, _ = make(script, 5, ended=False, ahead_seconds=5)
    with running(feeder):
        wait_for(lambda: feeder._position == feeder._size)
        extend(feeder, tmp_path / "audio.pcm", 5, 1)
        assert script.recognizers[0].received == 5 * SECOND
        now[0] += 2
        wait_for(lambda: script.recognizers[0].received == 6 * SECOND)
    assert bytes(script.recognizers[0].audio) == audio(0, 6)


def test_audio_that_could_not_be_sent_at_once_goes_to_the_next_recognizer(
    make: Make, tmp_path: Path
) -> None:
    def written(recognizer: FakeRecognizer) -> None:
        if len(script.recognizers) == 1 and recognizer.received > SECOND:
            raise UnavailableError("the connection is gone")
        recognizer.result()

    script = RecognizerScript(written=written)
    feeder, events = make(script, 1, ended=False)
    with running(feeder) as results:
        wait_for(lambda: feeder._position == feeder._size)
        extend(feeder, tmp_path / "audio.pcm", 1, 0.2)
        feeder.grow(feeder._size, ended=True)
        wait_for(lambda: bool(results))
    assert bytes(script.recognizers[1].audio) == audio(1, 0.2)
    assert offsets(events) == [n * BLOCK for n in range(6)]


def test_the_next_recognizer_may_begin_while_audio_is_sent_to_the_last_one(
    make: Make, tmp_path: Path
) -> None:
    def written(recognizer: FakeRecognizer) -> None:
        if len(script.recognizers) == 1 and recognizer.received > SECOND:
            recognizer.send(Failed(UnavailableError("gone")))
            wait_for(lambda: feeder._recognizers == 2)
        else:
            recognizer.result()

    script = RecognizerScript(written=written)
    feeder, events = make(script, 1, ended=False)
    with running(feeder) as results:
        wait_for(lambda: feeder._position == feeder._size)
        extend(feeder, tmp_path / "audio.pcm", 1, 0.2)
        feeder.grow(feeder._size, ended=True)
        wait_for(lambda: bool(results))
    assert bytes(script.recognizers[1].audio) == audio(1, 0.2)
    assert offsets(events) == [n * BLOCK for n in range(6)]


def test_no_audio_is_lost_or_sent_twice_while_connections_fail(make: Make, tmp_path: Path) -> None:
    """The thread that records and the feeder's own send in turns."""
    writes = [0]

    def written(recognizer: FakeRecognizer) -> None:
        writes[0] += 1
        recognizer.result()
        if writes[0] % 7 == 0:
            recognizer.send(Failed(UnavailableError("gone")))

    script = RecognizerScript(written=written)
    feeder, events = make(script, 0.1, ended=False)
    with running(feeder) as results:
        for number in range(1, 300):
            extend(feeder, tmp_path / "audio.pcm", 0.1 * number, 0.1)
            threading.Event().wait(0.001 * (number % 3))
        feeder.grow(feeder._size, ended=True)
        wait_for(lambda: bool(results))
    found = [event.utterance for event in events if isinstance(event, Recognized)]
    assert [each.end for each in found[:-1]] == [each.offset for each in found[1:]]
    assert (found[0].offset, found[-1].end) == (0, 30 * SECOND)
    assert len(script.recognizers) > 5
