"""Chunks of a recording as FLAC files, which are about half as large as WAV.

A file is kept beside the recording until it is uploaded: its blocks are sent in any order, and a
process that continues the upload must send the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Final

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.audio.flac import encode_flac
from speech_adapters.backends.batch.chunks import Chunk, blob_name
from speech_adapters.errors import AudioError
from speech_adapters.recording.spool import private_opener
from speech_adapters.store import Recording

__all__ = ["encode_chunk", "flac_path", "remove_flac"]

# About 16 seconds of speech: some milliseconds of work.
_BLOCK_FRAMES: Final = 256 * 1024


def flac_path(recording: Recording, chunk: Chunk) -> Path:
    """Return where the file of a chunk is kept; it is removed with the recording."""
    return recording.audio_path.with_name(blob_name(recording.id, chunk, recording.request.audio))


def encode_chunk(recording: Recording, chunk: Chunk, downmix: str) -> Generator[float, None, None]:
    """Encode a chunk, unless its file is complete; yield the share that is done.  Blocks.

    The caller may close the iterator in between; then nothing is left.

    Raises:
        MissingExtraError: the package ``av`` is not installed.
        AudioError: FFmpeg cannot encode the audio, or the recording is too short.
        OSError: the recording cannot be read, or the file cannot be written.
    """
    target = flac_path(recording, chunk)
    if target.exists():
        return
    pcm = recording.request.audio
    part = target.with_suffix(".flac-part")
    try:
        with (
            recording.audio_path.open("rb") as source,
            open(part, "wb", opener=private_opener) as file,
        ):
            blocks = _mono_blocks(source, chunk, pcm, chunk.downmix(downmix))
            with closing(encode_flac(blocks, file, pcm.sample_rate)) as encoded:
                for done in encoded:
                    yield done / chunk.frames
            file.flush()
            # Blocks may be staged before the machine loses power.  Another file would be encoded
            # then, perhaps by another version, and the blob would be made of both.
            os.fsync(file.fileno())
        # Only a complete file has this name: the process may be killed meanwhile.
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_flac(recording: Recording, chunk: Chunk) -> None:
    """Remove the file of a chunk, where possible.  Blocks."""
    with suppress(OSError):
        flac_path(recording, chunk).unlink(missing_ok=True)


def _mono_blocks(source: BinaryIO, chunk: Chunk, pcm: PcmFormat, policy: str) -> Iterator[bytes]:
    """Yield the samples that the WAV file of the chunk would have."""
    source.seek(chunk.start * pcm.frame_bytes)
    for first in range(0, chunk.frames, _BLOCK_FRAMES):
        frames = min(_BLOCK_FRAMES, chunk.frames - first)
        data = source.read(frames * pcm.frame_bytes)
        if len(data) < frames * pcm.frame_bytes:
            raise AudioError("The audio of the recording is shorter than it was.")
        yield mix_down(data, pcm.channels, policy)
