from __future__ import annotations

import threading
from typing import Any

import pytest

from speech_compat import PropertyId
from speech_compat.audio import (
    AudioConfig,
    PullAudioInputStream,
    PullAudioInputStreamCallback,
    PushAudioInputStream,
)

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "cannot construct AudioConfig with the given arguments"),
        ((False,), "cannot construct AudioConfig with the given arguments"),
        ((1,), 'use_default_microphone must be a bool, is "1"'),
        ((True, "f"), "default microphone can not be combined with any other options"),
        (
            (False, "f", PushAudioInputStream()),
            "only one of filename, stream, and device_name can be given",
        ),
        ((False, "f", None, "d"), "only one of filename, stream, and device_name can be given"),
    ],
)
def test_exactly_one_source(arguments: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        AudioConfig(*arguments)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    "arguments",
    [
        {"use_default_microphone": True},
        {"filename": "no-such-file.wav"},
        {"stream": PushAudioInputStream()},
        {"device_name": "hw:1"},
    ],
)
def test_a_source_is_not_checked_before_the_start(arguments: dict[str, Any]) -> None:
    AudioConfig(**arguments)


def test_what_is_written_is_read_in_order_and_in_blocks() -> None:
    stream = PushAudioInputStream()
    pieces = [bytes([n]) * 100 for n in range(100)]
    stream._attach()
    for piece in pieces:
        stream.write(piece)
    stream.close()
    taken = []
    while block := stream._read(1000):
        taken.append(block)
    assert b"".join(taken) == b"".join(pieces)
    assert {len(block) for block in taken} == {1000}


@pytest.mark.parametrize("buffer", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_any_buffer_can_be_written_and_is_copied(buffer: Any) -> None:
    stream = PushAudioInputStream()
    stream.write(buffer)
    if isinstance(buffer, bytearray):
        buffer[:] = b"zz"
    stream.close()
    assert stream._read(10) == b"ab"


@pytest.mark.parametrize("nonsense", [None, 3, "text"])
def test_what_is_no_buffer_is_refused(nonsense: Any) -> None:
    with pytest.raises(TypeError):
        PushAudioInputStream().write(nonsense)


def test_after_close_writing_is_ignored() -> None:
    stream = PushAudioInputStream()
    stream.close()
    stream.close()
    stream.write(b"late")
    assert stream._read(10) == b""


def test_a_reader_waits_for_the_writer() -> None:
    stream = PushAudioInputStream()
    stream._attach()
    taken: list[bytes] = []
    reader = threading.Thread(target=lambda: taken.append(stream._read(10)))
    reader.start()
    stream.write(b"late")
    reader.join(10)
    assert taken == [b"late"]


def test_a_writer_that_is_too_fast_waits_so_that_memory_stays_bounded() -> None:
    stream = PushAudioInputStream()
    stream._attach()
    written = threading.Event()

    def write() -> None:
        for _ in range(8):
            stream.write(bytes(MEGABYTE))
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert not written.wait(0.3)
    most = size = 0
    while size < 8 * MEGABYTE:
        most = max(most, stream._pending)
        size += len(stream._read(MEGABYTE))
    assert written.wait(10)
    writer.join(10)
    assert most <= 5 * MEGABYTE


def test_a_waiting_writer_is_set_free_when_the_reader_leaves() -> None:
    stream = PushAudioInputStream()
    stream._attach()

    def write() -> None:
        for _ in range(3):
            stream.write(bytes(3 * MEGABYTE))

    writer = threading.Thread(target=write)
    writer.start()
    stream._detach()
    writer.join(10)
    assert not writer.is_alive()
    assert stream._pending == 0


def test_before_a_reader_comes_everything_is_kept() -> None:
    stream = PushAudioInputStream()
    for _ in range(6):
        stream.write(bytes(MEGABYTE))
    assert stream._pending == 6 * MEGABYTE


def test_a_pull_stream_needs_its_callback() -> None:
    with pytest.raises(ValueError, match="Callback needs to be present"):
        PullAudioInputStream(None)  # type: ignore[arg-type]
    base = PullAudioInputStreamCallback()
    assert base.read(memoryview(bytearray(4))) == 0
    assert base.get_property(PropertyId.DataBuffer_UserId) == ""
    base.close()


def test_streams_can_be_printed() -> None:
    assert str(PushAudioInputStream()) == "PushAudioInputStream()"


class Reader:
    """Reads a stream once, in a thread; counts the notifications of waiting threads."""

    def __init__(self, stream: PushAudioInputStream, patience: float, enough: int) -> None:
        self.notified = 0
        self.blocks: list[bytes] = []
        self.waiting = threading.Event()
        wait, notify_all = stream._changed.wait, stream._changed.notify_all

        def noted(timeout: float | None = None) -> bool:
            self.waiting.set()
            return wait(timeout)

        def counted() -> None:
            self.notified += 1
            notify_all()

        stream._changed.wait = noted  # type: ignore[method-assign]
        stream._changed.notify_all = counted  # type: ignore[method-assign]
        self._thread = threading.Thread(
            target=lambda: self.blocks.append(stream._read(MEGABYTE, patience, enough))
        )
        self._thread.start()

    def result(self) -> bytes:
        self._thread.join(30)
        return self.blocks[0]


def read_once(stream: PushAudioInputStream, size: int) -> None:
    stream.write(bytes(size))
    stream._read(MEGABYTE)


def test_a_patient_reader_is_woken_once_for_several_small_chunks() -> None:
    stream = PushAudioInputStream()
    stream._attach()
    read_once(stream, 2)
    reader = Reader(stream, patience=3600.0, enough=8)
    reader.waiting.wait(30)
    for chunk in (b"ab", b"cd", b"ef"):
        stream.write(chunk)
    assert reader.notified == 0
    stream.write(b"gh")
    assert reader.notified > 0
    assert reader.result() == b"abcdefgh"


@pytest.mark.parametrize("end", ["close", "_end"])
def test_the_end_of_the_audio_ends_the_patience(end: str) -> None:
    stream = PushAudioInputStream()
    stream._attach()
    read_once(stream, 2)
    reader = Reader(stream, patience=3600.0, enough=8)
    reader.waiting.wait(30)
    stream.write(b"ab")
    getattr(stream, end)()
    assert reader.result() == b"ab"
    assert stream._read(MEGABYTE, 3600.0, 8) == b""


def test_patience_ends_after_its_time_and_counts_from_the_last_read() -> None:
    stream = PushAudioInputStream()
    stream._attach()
    read_once(stream, 2)
    stream.write(b"ab")
    stream._read_at -= 3600.0
    assert stream._read(MEGABYTE, 3600.0, 8) == b"ab"


def test_chunks_that_are_large_are_not_joined() -> None:
    stream = PushAudioInputStream()
    stream._attach()
    read_once(stream, 8)
    stream.write(b"ab")
    assert stream._read(MEGABYTE, 3600.0, 8) == b"ab"
