"""Kinds of audio files, recognized by their first bytes: names of files are often wrong."""

from __future__ import annotations

from typing import Final

__all__ = ["HEAD_BYTES", "KINDS", "MEDIA_TYPES", "has_late_index", "recognize_kind"]

# Enough for all checks of this module.
HEAD_BYTES: Final = 4096
# FFmpeg's name of each kind that is supported, with its name for people.  Only these are
# opened: FFmpeg also knows playlists, which would make it read other files and addresses.
KINDS: Final = {
    "aac": "AAC",
    "aiff": "AIFF",
    "amr": "AMR",
    "asf": "WMA",
    "caf": "CAF",
    "flac": "FLAC",
    "g722": "G.722",
    "matroska": "WebM or Matroska",
    "mov": "MP4 or M4A",
    "mp3": "MP3",
    "ogg": "Ogg",
    "wav": "WAV",
}
MEDIA_TYPES: Final = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "amr": "audio/amr",
    "asf": "audio/x-ms-wma",
    "caf": "audio/x-caf",
    "flac": "audio/flac",
    "matroska": "audio/webm",
    "mov": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
}
_MAGIC: Final = {
    b"#!AMR": "amr",
    b"0&\xb2u\x8ef\xcf\x11": "asf",
    b"FORM": "aiff",
    b"ID3": "mp3",
    b"OggS": "ogg",
    b"RF64": "wav",
    b"RIFF": "wav",
    b"RIFX": "wav",
    b"\x1aE\xdf\xa3": "matroska",
    b"caff": "caf",
    b"fLaC": "flac",
}
# The first boxes of MP4 and QuickTime files.
_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}
# Of a RIFF file the kind follows its size: AVI and others are no audio.
_RIFF: Final = (b"RIFF", b"RIFX", b"RF64")


def recognize_kind(head: bytes) -> str | None:
    """Return the kind of a file, a key of :data:`KINDS`; ``None`` if it is unknown.

    Args:
        head: the first bytes, :data:`HEAD_BYTES` or the whole of a shorter file.
    """
    if head[:4] in _RIFF and head[8:12] not in (b"WAVE", b""):
        return None
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[4:8] in _BOXES:
        return "mov"
    return _recognize_frame(head)


def _recognize_frame(head: bytes) -> str | None:
    """Recognize a file that begins with a frame of MPEG audio: both kinds have no header."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return None
    # ADTS has two zeros where MPEG audio has the number of its layer.
    if head[1] & 0x06 == 0:
        return "aac" if head[1] & 0xF0 == 0xF0 else None  # noqa: PLR2004
    # All ones are no version, bit rate or sample rate.
    possible = head[1] & 0x18 != 0x08 and head[2] & 0xF0 != 0xF0 and head[2] & 0x0C != 0x0C  # noqa: PLR2004
    return "mp3" if possible else None


def has_late_index(head: bytes) -> bool:
    """Return whether the samples of an MP4 file come before its index.

    Without the index nothing can be decoded, so such a file can be read only as a whole.
    """
    position = 0
    while position + 8 <= len(head):
        size, name = int.from_bytes(head[position : position + 4], "big"), head[position + 4 :][:4]
        if name in (b"moov", b"mdat"):
            return name == b"mdat"
        if size == 1:  # the size follows, with 64 bits
            size = int.from_bytes(head[position + 8 : position + 16], "big")
        if size < 8:  # noqa: PLR2004 - to the end of the file, or damaged
            return False
        position += size
    return False
