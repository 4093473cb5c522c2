"""Audio in Blob Storage, where the service can read it.

A chunk of a recording is uploaded as one mono WAV file in blocks, several at a time: a single
connection is limited by the distance of the account.  Each block has the same id and content in
every attempt, so blocks that were sent before a crash are not sent again, whichever they are.

::

    spool file ──▶ window of blocks in flight ──▶ pool of threads, one block each ──▶ blob
                   (no more than there are threads, so memory is limited)
"""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import anyio
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    generate_blob_sas,
)

from speech_adapters import threads
from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.audio.wav import wav_header
from speech_adapters.azure.user_agent import user_agent
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.errors import (
    AudioError,
    AuthenticationError,
    BackendError,
    ConfigurationError,
    UnavailableError,
)
from speech_adapters.masking import mask_library_logs, masked_cause

__all__ = ["BlockReader", "FileBlocks", "Storage", "WavBlocks"]

T = TypeVar("T")

_BLOCK_BYTES: Final = 4 * 1024 * 1024
_FORBIDDEN: Final = 403
# A timeout, too many requests, and errors of the service: a later call may succeed.
_PASSING: Final = (408, 429)
_SERVER_ERROR: Final = 500
_SAMPLE: Final = b"speech-compat doctor"
# Clocks differ, and a signature that starts in the future is refused.
_SKEW: Final = timedelta(minutes=15)


class Storage:
    """One container of one storage account.

    Creating it blocks.  The other calls are coroutines whose blocking parts run in the
    threads for transfers.  Blocks have threads of their own, which all uploads share.

    Args:
        options: account, container and signatures.
        credential: an azure-identity credential, or ``None`` with a connection string.

    Raises:
        ConfigurationError: the connection string or address cannot be used.
        AuthenticationError, UnavailableError, BackendError: from every call.
    """

    def __init__(self, options: BatchOptions, credential: Any) -> None:
        self._options = options
        secret = options.storage_connection_string.get_secret_value()
        try:
            self._service = (
                BlobServiceClient.from_connection_string(secret, user_agent=user_agent())
                if secret
                else BlobServiceClient(
                    options.storage_account_url, credential=credential, user_agent=user_agent()
                )
            )
        except ValueError:  # its text may quote the connection string, which has a key
            name = "storage_connection_string" if secret else "storage_account_url"
            raise ConfigurationError(
                f"backends.batch.{name} cannot be used: copy it again from the storage account."
            ) from None
        self._container = self._service.get_container_client(options.storage_container)
        # Not those for transfers: blocks on a slow line must not keep a sign-in waiting.  And no
        # executor of `concurrent.futures`: it starts nothing more while a program ends, when
        # its last meetings are uploaded.
        self._blocks = threads.Threads("upload", options.upload_connections)

    async def upload(
        self, name: str, audio: Path, chunk: Chunk, pcm: PcmFormat, downmix: str
    ) -> AsyncGenerator[float, None]:
        """Upload a chunk of a spool file, or a compressed file, as the blob ``name``.

        Yields the uploaded share, 0 to 1, after every block, in whatever order they end.  The
        caller may stop in between; then the blob does not exist yet, and a later call continues.

        Raises:
            AudioError: the spool file cannot be read.
        """
        blob = self._container.get_blob_client(name)
        staged = await self._run(self._prepare, blob)
        # Open until the end: a meeting that is deleted meanwhile has no file any more.
        kind = WavBlocks if chunk.suffix == "wav" else FileBlocks
        with await self._run(kind, audio, chunk, pcm, downmix) as reader:
            ids = reader.ids()
            missing = iter([number for number, found in enumerate(ids) if found not in staged])
            running: set[asyncio.Task[None]] = set()
            done = len(staged.intersection(ids))
            try:
                while running := self._fill(running, missing, blob, reader):
                    ended, running = await asyncio.wait(
                        running, return_when=asyncio.FIRST_COMPLETED
                    )
                    for block in ended:
                        block.result()
                        done += 1
                        yield done / len(ids)
            finally:
                # What has begun cannot be interrupted, and reads the file.  The errors follow from
                # the first one, which is raised.
                reader.stop()
                with anyio.CancelScope(shield=True):
                    await asyncio.gather(*running, return_exceptions=True)
        await self._run(blob.commit_block_list, [BlobBlock(block_id) for block_id in ids])

    async def address(self, name: str) -> str:
        """Return the address at which the service reads a blob."""
        blob = self._container.get_blob_client(name)
        if self._options.audio_access == "plain":
            return str(blob.url)
        return f"{blob.url}?{await self._run(self._signature, name)}"

    async def delete(self, name: str) -> None:
        """Delete a blob, and blocks of one that was never completed; a missing one is no error."""
        await self._run(_delete, self._container, name)

    async def try_out(self, name: str) -> None:
        """Write a small blob, read it as the service would, and delete it.

        The container is created if it is missing, as by an upload.
        """
        await self._run(self._try_out, name)

    async def aclose(self) -> None:
        """Close all connections.  Idempotent."""
        await threads.TRANSFER.run(self._service.close)

    def _fill(
        self,
        running: set[asyncio.Task[None]],
        missing: Iterator[int],
        blob: Any,
        reader: BlockReader,
    ) -> set[asyncio.Task[None]]:
        """Start blocks until as many are in flight as there are threads."""
        room = self._options.upload_connections - len(running)
        return running | {
            asyncio.create_task(self._blocks.run(self._call, reader.stage, number, blob))
            for number in islice(missing, room)
        }

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        return await threads.TRANSFER.run(self._call, function, *args)

    def _call(self, function: Callable[..., T], *args: Any) -> T:
        with mask_library_logs(), _mapped_errors(self._options.storage_container):
            return function(*args)

    def _prepare(self, blob: Any) -> frozenset[str]:
        """Create the container if it is missing; return the ids of the staged blocks."""
        with suppress(ResourceExistsError):
            self._container.create_container()
        try:
            _, blocks = blob.get_block_list("uncommitted")
        except ResourceNotFoundError:  # nothing was ever staged
            return frozenset()
        return frozenset(str(block.id) for block in blocks)

    def _try_out(self, name: str) -> None:
        with suppress(ResourceExistsError):
            self._container.create_container()
        blob = self._container.get_blob_client(name)
        blob.upload_blob(_SAMPLE)
        try:
            reader = blob
            if self._options.audio_access == "sas":
                reader = BlobClient.from_blob_url(f"{blob.url}?{self._signature(name)}")
            with reader:
                found = reader.download_blob().readall()
        finally:
            blob.delete_blob()
        if found != _SAMPLE:
            raise ValueError("the blob that was read is another one")

    def _signature(self, name: str) -> str:
        now = datetime.now(UTC)
        until = now + timedelta(hours=self._options.sas_hours)
        # With an account key the signature needs no request; an identity needs a key that
        # the service delegates to it.
        key = getattr(self._service.credential, "account_key", None)
        delegated = None if key else self._service.get_user_delegation_key(now - _SKEW, until)
        return generate_blob_sas(
            str(self._service.account_name),
            self._options.storage_container,
            name,
            account_key=key,
            user_delegation_key=delegated,
            permission=BlobSasPermissions(read=True),
            start=now - _SKEW,
            expiry=until,
        )


class BlockReader(ABC):
    """The blocks of a file that is uploaded.  Threads may share it; a context manager."""

    def __init__(self, audio: Path, chunk: Chunk, pcm: PcmFormat, downmix: str) -> None:
        self._file = audio.open("rb")
        self._chunk = chunk
        self._pcm = pcm
        self._policy = chunk.downmix(downmix)
        self._seeking = threading.Lock()
        # Set once no further block is wanted.
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @abstractmethod
    def count(self) -> int:
        """Return the number of blocks, at least one."""

    @abstractmethod
    def read(self, number: int) -> bytes:
        """Return the content of a block."""

    def ids(self) -> list[str]:
        """Return the id of each block."""
        return [_block_id(number) for number in range(self.count())]

    def stop(self) -> None:
        """Begin no block any more; those that have begun go on."""
        self._stopped = True

    def stage(self, number: int, blob: Any) -> None:
        """Upload a block, unless the upload was stopped."""
        if self._stopped:
            return
        blob.stage_block(_block_id(number), self.read(number))

    def _read(self, position: int, size: int) -> bytes:
        with self._seeking:
            self._file.seek(position)
            return self._file.read(size)


class WavBlocks(BlockReader):
    """A chunk of a spool file as a mono WAV file; an empty one has one block with the header."""

    def count(self) -> int:
        """Return the number of blocks, at least one."""
        return max(-(-self._chunk.frames // (_BLOCK_BYTES // 2)), 1)

    def read(self, number: int) -> bytes:
        """Return the content of a block."""
        first = number * (_BLOCK_BYTES // 2)
        frames = min(_BLOCK_BYTES // 2, self._chunk.frames - first)
        size = self._pcm.frame_bytes
        data = self._read((self._chunk.start + first) * size, frames * size)
        mono = mix_down(data, self._pcm.channels, self._policy)
        header = b"" if number else wav_header(self._chunk.frames * 2, self._pcm.sample_rate)
        return header + mono


class FileBlocks(BlockReader):
    """A compressed file as it is."""

    def count(self) -> int:
        """Return the number of blocks, at least one."""
        return max(-(-os.fstat(self._file.fileno()).st_size // _BLOCK_BYTES), 1)

    def read(self, number: int) -> bytes:
        """Return the content of a block."""
        return self._read(number * _BLOCK_BYTES, _BLOCK_BYTES)


def _block_id(number: int) -> str:
    # All ids of a blob must have the same length.
    return base64.b64encode(f"{number:08}".encode()).decode()


def _delete(container: Any, name: str) -> None:
    try:
        container.delete_blob(name)
    except ResourceNotFoundError:
        # The account would keep the audio in blocks without a blob for a week.  Only a blob
        # can be deleted, so an empty one is made of them.
        blob = container.get_blob_client(name)
        with suppress(ResourceNotFoundError):
            _, blocks = blob.get_block_list("uncommitted")
            if blocks:
                blob.commit_block_list([])
                blob.delete_blob()


@contextmanager
def _mapped_errors(container: str) -> Iterator[None]:
    what = f"The audio cannot be put into the storage container {container!r}"
    try:
        yield
    except (ServiceRequestError, ServiceResponseError) as error:
        raise UnavailableError(
            f"{what}: the account cannot be reached ({type(error).__name__}). Nothing is lost:"
            " ask again later."
        ) from masked_cause(error)
    except (ClientAuthenticationError, HttpResponseError) as error:
        # Not chained: the text of the original error quotes addresses with signatures.
        raise _refusal(what, error) from None
    except (AzureError, ValueError) as error:
        raise BackendError(
            f"{what}: {type(error).__name__}. Check the storage options."
        ) from masked_cause(error)
    except OSError as error:
        raise AudioError(f"{what}: the recording cannot be read ({error.strerror}).") from error


def _refusal(what: str, error: HttpResponseError) -> BackendError:
    code = getattr(error, "error_code", None) or error.reason or "refused"
    code = getattr(code, "value", code)  # the service's own word, not the name in Python
    headers = getattr(error.response, "headers", {}) or {}
    request_id = headers.get("x-ms-request-id", "")
    details = f"{error.status_code}{f', request id {request_id}' if request_id else ''}"
    text = f"{what}: {code} ({details})."
    if isinstance(error, ClientAuthenticationError) or error.status_code == _FORBIDDEN:
        return AuthenticationError(f"{text} Check its key or the identity's roles.")
    if error.status_code in _PASSING or (error.status_code or 0) >= _SERVER_ERROR:
        return UnavailableError(f"{text} Nothing is lost: ask again later.")
    return BackendError(f"{text} Check the storage options.")
