"""Audio files of any kind that is supported."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from speech_adapters.audio.compressed import CompressedFile, unknown_kind
from speech_adapters.audio.containers import HEAD_BYTES, recognize_kind
from speech_adapters.audio.wav import UnknownEncodingError, WavFile

__all__ = ["AUDIO_SUFFIXES", "AudioFile", "open_audio"]

AudioFile = WavFile | CompressedFile

# How files of audio are called; those of video are opened when they are named themselves.
AUDIO_SUFFIXES: Final = frozenset({
    ".aac", ".aif", ".aiff", ".amr", ".caf", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg",
    ".opus", ".wav", ".wave", ".weba", ".webm", ".wma",
})  # fmt: skip
_WAV: Final = (".wav", ".wave")
# The only kinds whose data may have nothing at its start that could be recognized.
_BY_SUFFIX: Final = {".g722": "g722", ".mp3": "mp3", ".aac": "aac"}


def open_audio(path: Path | str) -> AudioFile:
    """Open an audio file; its kind is recognized by its content.

    Raises:
        MissingExtraError: the file is compressed, and the package ``av`` is not installed.
        AudioError: it cannot be used; the message contains the path.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return WavFile(path)  # it raises, and has the message
    kind = recognize_kind(head) or _BY_SUFFIX.get(path.suffix.lower())
    # What is called WAV and is none has its own message, as has an empty file.
    if kind == "wav" or not head or (kind is None and path.suffix.lower() in _WAV):
        try:
            return WavFile(path)
        except UnknownEncodingError:
            return CompressedFile(path, "wav")
    if kind is None:
        raise unknown_kind(str(path))
    return CompressedFile(path, kind)
