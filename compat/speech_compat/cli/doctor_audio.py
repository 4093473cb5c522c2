"""What the command ``doctor`` finds in an audio file, whatever the backend is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from speech_adapters.audio import WavFile
from speech_adapters.audio.containers import KINDS
from speech_adapters.audio.files import AudioFile as OpenFile
from speech_adapters.audio.files import open_audio
from speech_adapters.diagnosis import AudioFile, Check, Finding, failed, failure, ok, warning
from speech_adapters.errors import AudioError, MissingExtraError
from speech_adapters.transcript import seconds

__all__ = ["examine"]

_BLOCK_FRAMES: Final = 65_536
# Silence at the beginning is usual, silence for so long is a microphone that was off.
_LISTENED_SECONDS: Final = 600.0
# Recognizers are trained with audio of 16 kHz.
_FULL_RATE: Final = 16_000
_SHORTEST_SECONDS: Final = 1.0


def examine(path: Path) -> tuple[Sequence[Check], AudioFile | None]:
    """Return the checks of a file, and its format if it can be read.  Blocks.

    Args:
        path: the file.
    """
    try:
        # A pipe would block, and its audio would be lost for its reader.
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
            raise AudioError(f"{path} is not a regular file.")
        with open_audio(path) as file:
            silent = _is_silent(file)
            audio = _described(file)
            kind, notes = _kind(file), file.notes
    except MissingExtraError as error:
        return (_check("audio.format", "Format", failure(error, "Install it.")),), None
    except (AudioError, OSError) as error:
        finding = _unreadable(path, error)
        return (_check("audio.format", "Format", finding),), None
    return (
        _check("audio.format", "Format", _format(audio, kind, notes)),
        _check("audio.content", "Content", _content(audio, silent=silent)),
    ), audio


def _check(name: str, title: str, finding: Finding) -> Check:
    async def run() -> Finding:
        return finding

    return Check(name, title, run)


def _described(file: OpenFile) -> AudioFile:
    pcm = file.pcm
    if isinstance(file, WavFile):
        size = file.path.stat().st_size if file.duration is None else pcm.size(file.duration)
    else:
        # Only its end shows the length and the damage of a compressed file.
        while file.read(_BLOCK_FRAMES):
            pass
        size = file.frames_read * pcm.frame_bytes
    length = seconds(pcm.ticks(size))
    return AudioFile(file.path, pcm, length, pcm.mono_bytes(size))


def _kind(file: OpenFile) -> str:
    return "WAV" if isinstance(file, WavFile) else KINDS[file.kind]


def _is_silent(file: OpenFile) -> bool:
    left = round(_LISTENED_SECONDS * file.pcm.sample_rate)
    while left > 0 and (block := file.read(_BLOCK_FRAMES)):
        if block.strip(b"\0"):
            return False
        left -= _BLOCK_FRAMES
    return True


def _unreadable(path: Path, error: Exception) -> Finding:
    cause = str(error).partition(": convert it")[0].rstrip(".")
    if not os.path.isfile(path):  # noqa: PTH113 - unlike Path.is_file it raises nothing
        return failed(f"{cause}.", "Check the name of the file.")
    target = path.with_suffix(".converted.wav")
    return failed(
        f"{cause}. No backend can use it.",
        f"Convert it: ffmpeg -i {shlex.quote(str(path))} -c:a pcm_s16le {shlex.quote(str(target))}",
    )


def _format(audio: AudioFile, kind: str, notes: tuple[str, ...]) -> Finding:
    pcm = audio.pcm
    channels = "1 channel" if pcm.channels == 1 else f"{pcm.channels} channels"
    text = f"{kind}, {pcm.sample_rate} Hz, {channels}, {_length(audio.seconds)}"
    if notes:
        return warning(
            f"{text}. {' '.join(notes)}", "Copy the file again, if the original is complete."
        )
    if pcm.sample_rate < _FULL_RATE:
        return warning(
            f"{text}. Below {_FULL_RATE} Hz, words are recognized less accurately.",
            "Record with 16000 Hz or more; converting this file does not help.",
        )
    return ok(text)


def _content(audio: AudioFile, *, silent: bool) -> Finding:
    if silent:
        return warning(
            "The file has no sound (all samples are zero).",
            "Check the microphone and the channel that was recorded.",
        )
    if audio.seconds < _SHORTEST_SECONDS:
        return warning(
            f"The file is only {audio.seconds:.2f} s long.", "Check that it is the right file."
        )
    return ok("there is sound")


def _length(length: float) -> str:
    minutes, rest = divmod(length, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest:.1f} s"
