from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local.reader import BlockReader
from speech_adapters.recording.spool import SpoolReader, SpoolWriter

MONO = PcmFormat(16_000, 1)
BLOCK = 3200


def read(
    path: Path, pcm: PcmFormat, wait: Callable[[int], int | None]
) -> tuple[list[bytes], BlockReader]:
    with SpoolReader(path) as spool:
        reader = BlockReader(spool, pcm, "auto", wait)
        return list(reader), reader


@pytest.mark.parametrize("size", [0, 2, BLOCK - 2, BLOCK, BLOCK + 2, 10 * BLOCK, 10 * BLOCK + 2])
def test_a_whole_file_comes_in_blocks_to_its_last_sample(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.pcm"
    path.write_bytes(bytes(range(256)) * 200)
    sound = path.read_bytes()[:size]
    blocks, reader = read(path, MONO, lambda _: size)
    assert b"".join(blocks)[:size] == sound
    assert reader.seconds == pytest.approx(len(b"".join(blocks)) / 32_000)
    if size <= len(path.read_bytes()):
        assert max(map(len, blocks), default=0) <= BLOCK


def test_a_file_that_grows_is_followed_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    pieces = [b"\x01\x00" * 500, b"\x02\x00" * 2000, b"\x03\x00" * 3]
    with SpoolWriter(path) as spool:
        waiting = iter(pieces)

        def wait(size: int) -> int | None:
            assert size == spool.size
            piece = next(waiting, None)
            if piece is None:
                return spool.size
            spool.write(piece)
            return None

        blocks, _ = read(path, MONO, wait)
    assert b"".join(blocks) == b"".join(pieces)


def test_channels_are_mixed_down_and_half_a_frame_at_the_end_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    path.write_bytes(b"\x02\x00\x04\x00" * 10 + b"\x01")
    blocks, _ = read(path, PcmFormat(16_000, 2), lambda _: 41)
    assert b"".join(blocks) == b"\x03\x00" * 10


def test_a_file_shorter_than_announced_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    path.write_bytes(b"\x01\x00" * 100)
    blocks, _ = read(path, MONO, lambda _: 100_000)
    assert b"".join(blocks) == b"\x01\x00" * 100


@pytest.mark.timeout(10)
@pytest.mark.parametrize("rate", [1, 9])
def test_a_stored_recording_of_a_few_samples_per_second_comes_to_its_end(
    tmp_path: Path, rate: int
) -> None:
    # An earlier version accepted such rates, and the store may still hold such recordings.
    path = tmp_path / "a.pcm"
    path.write_bytes(b"\x01\x02" * 100)
    blocks, reader = read(path, PcmFormat(rate, 1), lambda _: 200)
    assert b"".join(blocks) == path.read_bytes()
    assert reader.seconds == 100 / rate
