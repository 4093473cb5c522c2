"""The audio of a meeting as a WAV file, of which a player reads any range.

The store keeps samples without a header, of up to eight channels.  The file has a header and
one channel, the one that is recognized: no browser plays the channels of a microphone array as
what they are.  Both are made while the file is sent, so memory stays constant.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

import attrs
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from speech_adapters import threads
from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.audio.wav import wav_header

__all__ = ["WavAudio", "respond"]

_HEADER_BYTES: Final = 44
_SAMPLE_BYTES: Final = 2
_BLOCK_FRAMES: Final = 32_768
# The sizes in a header have 32 bits.  Players read a longer file to its end.
_LARGEST_DATA: Final = 2**32 - 1 - _HEADER_BYTES
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@attrs.frozen
class WavAudio:
    """Samples in a file, read as a WAV file of one channel.

    Attributes:
        path: the samples, 16-bit PCM.
        pcm: their format.
        stored: bytes of samples.
        downmix: how channels are mixed, see :func:`speech_adapters.audio.mix_down`.
    """

    path: Path
    pcm: PcmFormat
    stored: int
    downmix: str = "auto"

    @property
    def size(self) -> int:
        """Bytes of the WAV file."""
        return _HEADER_BYTES + self.pcm.mono_bytes(self.stored)

    async def read(self, first: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes of the WAV file from ``first`` to before ``end``.

        Ends early if the file was removed or became shorter.
        """
        header = wav_header(min(self.size - _HEADER_BYTES, _LARGEST_DATA), self.pcm.sample_rate)
        if first < _HEADER_BYTES:
            yield header[first:end]
        frame, skipped = divmod(max(first - _HEADER_BYTES, 0), _SAMPLE_BYTES)
        left = end - max(first, _HEADER_BYTES)
        if left <= 0:
            return
        with await threads.STORE.run(self._open, frame) as file:
            while left > 0 and (block := await threads.STORE.run(self._block, file)):
                part = block[skipped : skipped + left]
                # A range may begin in the middle of a sample.
                skipped = 0
                left -= len(part)
                yield part

    def _open(self, frame: int) -> BinaryIO:
        file = self.path.open("rb")
        file.seek(frame * self.pcm.frame_bytes)
        return file

    def _block(self, file: BinaryIO) -> bytes:
        data = file.read(_BLOCK_FRAMES * self.pcm.frame_bytes)
        whole = len(data) // self.pcm.frame_bytes * self.pcm.frame_bytes
        return mix_down(data[:whole], self.pcm.channels, self.downmix)


def respond(request: Request, audio: WavAudio) -> Response:
    """Return the response to a request for the audio or a range of it.

    Of several ranges in one request none is used: the response is the whole file, as RFC 9110,
    14.2 permits.
    """
    # The name of a recording's file belongs to this recording alone.
    etag = f'"{audio.path.stem}"'
    headers = {"accept-ranges": "bytes", "etag": etag, "cache-control": "no-store"}
    wanted = request.headers.get("range", "")
    if request.headers.get("if-range", etag) != etag:
        wanted = ""  # the client has a part of another recording
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or found.groups() == ("", ""):
        return _send(request, audio, 200, 0, audio.size, headers)
    first, end = _bounds(found[1], found[2], audio.size)
    if first >= end:
        return Response(
            status_code=416, headers={**headers, "content-range": f"bytes */{audio.size}"}
        )
    headers["content-range"] = f"bytes {first}-{end - 1}/{audio.size}"
    return _send(request, audio, 206, first, end, headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return start and end of a range; an empty one cannot be served."""
    if not first:  # the last bytes of the file
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _send(
    request: Request, audio: WavAudio, status: int, first: int, end: int, headers: dict[str, str]
) -> Response:
    headers = {**headers, "content-length": str(end - first)}
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type="audio/wav")
    return StreamingResponse(audio.read(first, end), status, headers, media_type="audio/wav")
