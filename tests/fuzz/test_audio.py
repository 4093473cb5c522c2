"""Damaged compressed audio: it is decoded or refused with the project's error, and ends."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from double.encoded import FORMATS, encode, tone
from fuzz.cases import damaged, fuzz
from speech_adapters.audio import CompressedStream, open_audio
from speech_adapters.audio.containers import HEAD_BYTES, KINDS, has_late_index, recognize_kind
from speech_adapters.errors import AudioError

# More than any of the files has, however its lengths are damaged.
MOST_BYTES = 500_000_000
SAMPLES = {
    **{suffix: encode(tone(1), suffix) for suffix in FORMATS},
    "faststart": encode(tone(1), "m4a", options={"movflags": "faststart"}),
    "adpcm": encode(tone(1), "wav", codec="adpcm_ms"),
    "stereo": encode(tone(1, channels=2), "flac", 16_000, 2),
}
CUT = st.floats(0, 1)


def use_file(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "audio.bin")
        path.write_bytes(data)
        with suppress(AudioError), open_audio(path) as file:
            size = 0
            while block := file.read(10_000):
                assert len(block) % file.pcm.frame_bytes == 0
                size += len(block)
                assert size < MOST_BYTES
            assert file.missing >= 0
            assert all(note.endswith(".") for note in file.notes)


def use_stream(data: bytes, declared: str | None, size: int) -> None:
    parts = (data[start : start + size] for start in range(0, len(data), size))
    pieces = chain(parts, repeat(b""))
    stream = CompressedStream(lambda: next(pieces), declared)
    with suppress(AudioError):
        while block := stream.read():
            assert len(block) % stream.pcm.frame_bytes == 0


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_decoded_or_refused(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    @fuzz
    @given(damaged(SAMPLES[name]), CUT)
    def check(data: bytes, cut: float) -> None:
        use_file(data)
        use_file(data[: int(len(data) * cut)])

    check()
    assert capfd.readouterr() == ("", ""), "neither FFmpeg nor PyAV prints"


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_streams_are_decoded_or_refused(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kind = recognize_kind(SAMPLES[name])

    @fuzz
    @given(damaged(SAMPLES[name]), st.sampled_from([1, 100, 5_000]), st.booleans())
    def check(data: bytes, size: int, declared: bool) -> None:
        use_stream(data, kind if declared else None, size)

    check()
    assert capfd.readouterr() == ("", ""), "neither FFmpeg nor PyAV prints"


@fuzz
@given(st.binary(max_size=2_000), st.sampled_from([None, *KINDS]))
def test_any_bytes_are_decoded_or_refused(data: bytes, declared: str | None) -> None:
    use_stream(data, declared, 100)
    use_file(data)
    assert recognize_kind(data[:HEAD_BYTES]) in (None, *KINDS)
    assert has_late_index(data) in (True, False)
