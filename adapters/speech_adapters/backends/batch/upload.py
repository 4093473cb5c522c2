"""Recordings on their way into Blob Storage: cutting, encoding, uploading, signing, deleting."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from pathlib import Path
from typing import Final

import anyio
import attrs

from speech_adapters import threads
from speech_adapters.backends.batch.chunks import (
    LARGEST_BYTES,
    LONGEST_SECONDS,
    Chunk,
    blob_name,
    cut,
)
from speech_adapters.backends.batch.flac import encode_chunk, flac_path, remove_flac
from speech_adapters.backends.batch.options import BatchOptions, need_storage
from speech_adapters.backends.batch.progress import BatchProgress, BatchStage, save_progress
from speech_adapters.backends.batch.storage import Storage
from speech_adapters.contract import JobState, MeetingRequest
from speech_adapters.errors import AudioError
from speech_adapters.recording.original import find_original, original_path
from speech_adapters.store import AsyncStore, Recording, Store

__all__ = ["Uploader", "blob_names", "diarizes", "splits_channels"]

_REPORT_SECONDS: Final = 2.0
_logger = logging.getLogger("speech_adapters")


class Uploader:
    """Brings recordings into the container and removes them.

    Args:
        store: the meeting store.
        storage: the container, or ``None`` if the options name no account.
        options: the backend's options.
        downmix: how several channels become one.

    Raises:
        ConfigurationError: from every call, if there is no storage account.
        SpeechError: from every call, see :class:`Storage`.
    """

    def __init__(
        self, store: AsyncStore, storage: Storage | None, options: BatchOptions, downmix: str
    ) -> None:
        self._store = store
        self._account = storage
        self._options = options
        self._downmix = downmix

    async def upload(self, recording: Recording, progress: BatchProgress) -> BatchProgress | None:
        """Upload what is missing of a recording.

        Returns:
            The progress in the stage UPLOADED, or ``None`` if the meeting was deleted in
            the meantime.
        """
        if not progress.chunks:
            chunks = await threads.COMPUTE.run(self._cut, recording)
            progress = attrs.evolve(progress, chunks=chunks)
            # Stored before the first upload: a later process must not cut elsewhere, and a
            # deletion has to find the blobs by these chunks.
            if not await self._store.run(save_progress, recording.id, progress):
                return None
        while (number := progress.uploaded_chunks) < len(progress.chunks):
            encoded = await self._encode(recording, progress)
            if encoded is None or not await self._upload_chunk(recording, encoded):
                return None
            progress = attrs.evolve(encoded, uploaded_chunks=number + 1)
            if not await self._store.run(save_progress, recording.id, progress):
                return None
            if (sent := progress.sent_chunks[number]).encoded:
                await threads.TRANSFER.run(remove_flac, recording, sent)
        return attrs.evolve(progress, stage=BatchStage.UPLOADED)

    async def addresses(self, recording: Recording, progress: BatchProgress) -> tuple[str, ...]:
        """Return the addresses at which the service reads the pending blobs, in their order."""
        names = blob_names(recording, progress)
        if progress.pending:
            names = tuple(names[index] for index in progress.pending)
        return tuple([await self._storage.address(name) for name in names])

    async def delete(self, recording: Recording, progress: BatchProgress) -> None:
        """Delete the blobs of a recording; missing ones are no error."""
        # Of a file that was refused too.
        names = dict.fromkeys(
            blob_name(recording.id, chunk, recording.request.audio)
            for chunk in (*progress.sent_chunks, *progress.chunks)
        )
        for name in names:
            await self._storage.delete(name)

    @property
    def _storage(self) -> Storage:
        need_storage(self._options)  # they may have changed since the recording
        assert self._account is not None, "it is created if the options name an account"
        return self._account

    def _cut(self, recording: Recording) -> tuple[Chunk, ...]:
        request = recording.request
        pcm = request.audio
        longest = LARGEST_BYTES // 2
        if diarizes(request, self._options):
            longest = min(longest, LONGEST_SECONDS * pcm.sample_rate)
        try:
            chunks = cut(
                recording.audio_path,
                (recording.audio_bytes or 0) // pcm.frame_bytes,
                pcm,
                longest=longest,
                policy=self._downmix,
                by_channel=splits_channels(request, self._options),
            )
        except OSError as error:  # the meeting may have been deleted just now
            raise AudioError(
                f"The audio {recording.audio_path} cannot be read: {error.strerror}."
            ) from error
        original = find_original(recording)
        # It is mono, and smaller than the recording, so only the length may be too much.
        if original is not None and len(chunks) == 1:
            return (attrs.evolve(chunks[0], suffix=original.suffix),)
        return tuple(chunk.as_flac() for chunk in chunks) if self._options.flac else chunks

    async def _encode(self, recording: Recording, progress: BatchProgress) -> BatchProgress | None:
        """Encode the next chunk if it is to be; ``None`` if the meeting was deleted meanwhile.

        One that cannot be encoded, because the disk is full for example, is sent as WAV.
        """
        number = progress.uploaded_chunks
        chunk = progress.sent_chunks[number]
        if not chunk.encoded:
            return progress
        shares = _in_threads(encode_chunk(recording, chunk, self._downmix))
        try:
            return progress if await self._follow(recording, progress, shares, "encoding") else None
        except (OSError, AudioError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
        chunks = (*progress.chunks[:number], chunk.as_wav(), *progress.chunks[number + 1 :])
        progress = attrs.evolve(progress, chunks=chunks)
        # Before the upload: a deletion has to find the blob.
        if not await self._store.run(save_progress, recording.id, progress):
            return None
        _logger.warning("Meeting %r is sent as WAV, not FLAC: %s", recording.meeting_id, reason)
        return progress

    async def _upload_chunk(self, recording: Recording, progress: BatchProgress) -> bool:
        """Upload the next chunk block by block; return whether to continue."""
        chunk, pcm = progress.sent_chunks[progress.uploaded_chunks], recording.request.audio
        name, path = blob_name(recording.id, chunk, pcm), _file_of(recording, chunk)
        shares = self._storage.upload(name, path, chunk, pcm, self._downmix)
        return await self._follow(recording, progress, shares, "uploading")

    async def _follow(
        self,
        recording: Recording,
        progress: BatchProgress,
        shares: AsyncGenerator[float, None],
        doing: str,
    ) -> bool:
        """Store the shares of the next chunk as the step; return whether to continue."""
        reported = 0.0
        async with aclosing(shares):
            async for share in shares:
                # Each report waits for the disk, and a block may take only milliseconds.
                if time.monotonic() - reported < _REPORT_SECONDS:
                    continue
                reported = time.monotonic()
                total = (progress.uploaded_chunks + share) / len(progress.chunks)
                if not await self._store.run(_report, recording.id, f"{doing}, {total:.0%}"):
                    return False
        return True


def blob_names(recording: Recording, progress: BatchProgress) -> tuple[str, ...]:
    """Return the names of a recording's blobs; none if its audio is at other addresses."""
    pcm = recording.request.audio
    return tuple(blob_name(recording.id, chunk, pcm) for chunk in progress.sent_chunks)


def splits_channels(request: MeetingRequest, options: BatchOptions) -> bool:
    """Return whether each channel of a meeting is transcribed separately."""
    several = request.audio.channels > 1 and request.differentiate_speakers
    return several and options.channels != "mix"


def diarizes(request: MeetingRequest, options: BatchOptions) -> bool:
    """Return whether the service distinguishes speakers; not if each channel is a speaker."""
    by_channel = splits_channels(request, options) and options.channels == "speakers"
    return request.differentiate_speakers and not by_channel


def _file_of(recording: Recording, chunk: Chunk) -> Path:
    if chunk.suffix == "wav":
        return recording.audio_path
    return flac_path(recording, chunk) if chunk.encoded else original_path(recording)


async def _in_threads(shares: Generator[float, None, None]) -> AsyncGenerator[float, None]:
    """Yield what a blocking generator yields; it is closed in the end."""
    try:
        while (share := await threads.COMPUTE.run(next, shares, None)) is not None:
            yield share
    finally:
        with anyio.CancelScope(shield=True):
            await threads.COMPUTE.run(shares.close)


def _report(store: Store, recording_id: str, step: str) -> bool:
    store.report(recording_id, step=step)
    return store.get(recording_id).state is JobState.PROCESSING
