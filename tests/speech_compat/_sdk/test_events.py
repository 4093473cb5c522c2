from __future__ import annotations

import logging

import pytest

from speech_compat import EventSignal, ResultFuture


def test_callbacks_are_called_in_order_and_as_often_as_connected() -> None:
    signal, got = EventSignal(None, None), list[str]()
    assert not signal.is_connected()
    signal.connect(lambda payload: got.append(f"a{payload}"))
    signal.connect(lambda payload: got.append(f"b{payload}"))
    assert signal.is_connected()
    signal.signal(1)
    assert got == ["a1", "b1"]
    signal.disconnect_all()
    signal.signal(2)
    assert got == ["a1", "b1"]
    assert not signal.is_connected()


def test_the_program_is_notified_of_every_change_of_the_connections() -> None:
    connected = list[bool]()
    signal = EventSignal(None, lambda changed: connected.append(changed.is_connected()))
    signal.connect(print)
    assert connected == [True]
    signal.connect(len)
    assert connected == [True, True]
    signal._disconnect(len)
    assert connected == [True, True, True]
    signal.disconnect_all()
    assert connected == [True, True, True, False]


def test_a_failing_callback_is_logged_and_the_others_are_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    signal, got = EventSignal(None, None), list[int]()
    signal.connect(lambda _: 1 / 0)
    signal.connect(got.append)
    with caplog.at_level(logging.ERROR, "speech_compat"):
        signal.signal(1)
    assert got == [1]
    assert "ZeroDivisionError" in caplog.text


def test_a_future_does_its_work_once_and_not_before_get() -> None:
    calls = list[int]()

    def work() -> str:
        calls.append(1)
        return "value"

    future = ResultFuture[str](None, lambda _: work(), None)
    assert calls == []
    assert (future.get(), future.get()) == ("value", "value")
    assert calls == [1]


def test_a_future_raises_the_same_error_each_time() -> None:
    def fail() -> None:
        raise RuntimeError("why")

    future = ResultFuture[None](None, lambda _: fail(), None)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="why"):
            future.get()


def test_a_future_passes_its_handle_and_wraps_the_value() -> None:
    assert ResultFuture("7", int, str).get() == "7"


def test_a_future_that_was_interrupted_can_be_repeated() -> None:
    interruptions = [KeyboardInterrupt()]

    def work() -> str:
        if interruptions:
            raise interruptions.pop()
        return "value"

    future = ResultFuture[str](None, lambda _: work(), None)
    with pytest.raises(KeyboardInterrupt):
        future.get()
    assert (future.get(), future.get()) == ("value", "value")
