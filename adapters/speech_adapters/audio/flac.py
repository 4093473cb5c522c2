"""PCM as a FLAC file, encoded by FFmpeg: the package ``av``, extra ``audio``.

FLAC is lossless: the decoded samples are the same.  All calls block.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, BinaryIO

from speech_adapters.audio.compressed import EXTRA
from speech_adapters.errors import AudioError
from speech_adapters.extras import missing_extra

if TYPE_CHECKING:
    from av import AudioFrame

__all__ = ["encode_flac"]


def encode_flac(
    blocks: Iterable[bytes], target: BinaryIO, sample_rate: int
) -> Generator[int, None, None]:
    """Encode mono 16-bit PCM block by block; yield the samples that are done after each.

    Args:
        blocks: whole samples; none is empty, and there is at least one.
        target: a seekable file, because the header, with the length, is completed at the end.
        sample_rate: samples per second.

    Raises:
        MissingExtraError: the package ``av`` is not installed.
        AudioError: FFmpeg cannot encode the audio.
        OSError: the target cannot be written, or ``blocks`` raised it.
    """
    try:
        import av
        from av.error import FFmpegError
    except ModuleNotFoundError as error:
        raise missing_extra(EXTRA, "av") from error
    done = 0
    try:
        with av.open(target, "w", format="flac") as container:
            stream = container.add_stream("flac", rate=sample_rate, layout="mono")
            for block in blocks:
                frame = _fill(av.AudioFrame("s16", "mono", len(block) // 2), block)
                frame.sample_rate, frame.pts = sample_rate, done
                container.mux(stream.encode(frame))
                done += frame.samples
                yield done
            container.mux(stream.encode(None))
    except FFmpegError as error:
        raise AudioError(f"The audio cannot be encoded as FLAC: {error.strerror}.") from error


def _fill(frame: AudioFrame, block: bytes) -> AudioFrame:
    """Fill a frame without numpy; its buffer may be longer than its samples."""
    plane = frame.planes[0]
    plane.update(block.ljust(plane.buffer_size, b"\0"))
    return frame
