from __future__ import annotations

import struct

import pytest

from double.encoded import FORMATS, encode, tone
from speech_adapters.audio.containers import HEAD_BYTES, KINDS, has_late_index, recognize_kind

KIND_OF = {"m4a": "mov", "webm": "matroska", "wma": "asf"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_is_recognized_by_its_first_bytes(suffix: str) -> None:
    data = encode(tone(0.5), suffix)
    assert recognize_kind(data[:HEAD_BYTES]) == KIND_OF.get(suffix, suffix)
    assert recognize_kind(data[:HEAD_BYTES]) in KINDS


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", None),
        (b"RIFF", "wav"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\0\0\0\0AVI LIST", None),
        (b"#EXTM3U\nhttp://host/a.ts\n", None),
        (b"<html>", None),
        (b"\xff\xfb\x90\x00", "mp3"),
        (b"\xff\xf3\x90\x00", "mp3"),
        (b"\xff\xfb\xf0\x00", None),  # no bit rate
        (b"\xff\xfb\x9c\x00", None),  # no sample rate
        (b"\xff\xeb\x90\x00", None),  # no version
        (b"\xff\xf1\x60\x40", "aac"),
        (b"\xff\xe1\x60\x40", None),
        (b"\xff\xfe", None),  # a text in UTF-16
        (struct.pack(">I4s", 32, b"ftyp"), "mov"),
    ],
)
def test_what_begins_like_audio_is_recognized(head: bytes, kind: str | None) -> None:
    assert recognize_kind(head) == kind


def box(name: bytes, size: int = 16) -> bytes:
    return struct.pack(">I4s", size, name) + bytes(size - 8)


@pytest.mark.parametrize(
    ("head", "late"),
    [
        (box(b"ftyp") + box(b"moov") + box(b"mdat"), False),
        (box(b"ftyp") + box(b"free") + box(b"mdat"), True),
        (box(b"ftyp") + struct.pack(">I4sQ", 1, b"free", 24) + bytes(8) + box(b"mdat"), True),
        (box(b"ftyp") + struct.pack(">I4s", 0, b"mdat"), True),
        (box(b"ftyp") + struct.pack(">I4s", 0, b"free") + box(b"mdat"), False),
        (box(b"ftyp"), False),
        (b"", False),
    ],
)
def test_the_place_of_an_index_is_found(head: bytes, late: bool) -> None:
    assert has_late_index(head) is late


def test_the_index_of_a_recorded_file_is_late_unless_it_is_moved() -> None:
    assert has_late_index(encode(tone(0.5), "m4a")[:HEAD_BYTES])
    moved = encode(tone(0.5), "m4a", options={"movflags": "faststart"})
    assert not has_late_index(moved[:HEAD_BYTES])
