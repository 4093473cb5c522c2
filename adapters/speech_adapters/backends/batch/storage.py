"""Audio in Blob Storage, where the service can read it.

A chunk of a recording is uploaded as one mono WAV file in blocks.  Each block has the same
id and content in every attempt, so blocks that were sent before a crash are not sent again.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
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

__all__ = ["Storage", "file_blocks", "wav_blocks"]

T = TypeVar("T")
# The id of a block and its content, or None if it is uploaded already.
_Block = tuple[str, bytes | None]

_BLOCK_BYTES: Final = 4 * 1024 * 1024
_FORBIDDEN: Final = 403
_SAMPLE: Final = b"speech-compat doctor"
# Clocks differ, and a signature that starts in the future is refused.
_SKEW: Final = timedelta(minutes=15)


class Storage:
    """One container of one storage account.

    Creating it blocks.  The other calls are coroutines whose blocking parts run in the
    threads for transfers, one block at a time, so that many uploads share few threads.

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

    async def upload(
        self, name: str, audio: Path, chunk: Chunk, pcm: PcmFormat, downmix: str
    ) -> AsyncGenerator[float, None]:
        """Upload a chunk of a spool file, or a compressed file, as the blob ``name``.

        Yields the uploaded share, 0 to 1, after every block.  The caller may stop in
        between; then the blob does not exist yet, and a later call continues.

        Raises:
            AudioError: the spool file cannot be read.
        """
        blob = self._container.get_blob_client(name)
        staged = await self._run(self._prepare, blob)
        if chunk.suffix == "wav":
            blocks, count = wav_blocks(audio, chunk, pcm, downmix, staged), len(_starts(chunk))
        else:
            blocks, count = file_blocks(audio, staged), await self._run(_count_blocks, audio)
        sent: list[str] = []
        while block_id := await self._run(_send_next, blob, blocks):
            sent.append(block_id)
            yield len(sent) / count
        await self._run(blob.commit_block_list, [BlobBlock(block_id) for block_id in sent])

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

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        def call() -> T:
            with mask_library_logs(), _mapped_errors(self._options.storage_container):
                return function(*args)

        return await threads.TRANSFER.run(call)

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


def wav_blocks(
    audio: Path, chunk: Chunk, pcm: PcmFormat, downmix: str, staged: frozenset[str] = frozenset()
) -> Iterator[_Block]:
    """Yield id and content of each block of a mono WAV file.

    The content is ``None`` for blocks that are already uploaded (``staged``).
    """
    policy = chunk.downmix(downmix)
    with audio.open("rb") as file:
        for number, first in enumerate(_starts(chunk)):
            block_id = _block_id(number)
            if block_id in staged:
                yield block_id, None
                continue
            file.seek((chunk.start + first) * pcm.frame_bytes)
            frames = min(_BLOCK_BYTES // 2, chunk.frames - first)
            mono = mix_down(file.read(frames * pcm.frame_bytes), pcm.channels, policy)
            header = b"" if number else wav_header(chunk.frames * 2, pcm.sample_rate)
            yield block_id, header + mono


def file_blocks(path: Path, staged: frozenset[str] = frozenset()) -> Iterator[_Block]:
    """Yield id and content of each block of a file, as :func:`wav_blocks`."""
    with path.open("rb") as file:
        for number in range(_count_blocks(path)):
            block_id = _block_id(number)
            file.seek(number * _BLOCK_BYTES)
            yield block_id, None if block_id in staged else file.read(_BLOCK_BYTES)


def _count_blocks(path: Path) -> int:
    return max(-(-path.stat().st_size // _BLOCK_BYTES), 1)


def _block_id(number: int) -> str:
    # All ids of a blob must have the same length.
    return base64.b64encode(f"{number:08}".encode()).decode()


def _starts(chunk: Chunk) -> range:
    """Return the first frame of each block; an empty chunk has one block with the header."""
    return range(0, max(chunk.frames, 1), _BLOCK_BYTES // 2)


def _send_next(blob: Any, blocks: Iterator[_Block]) -> str:
    """Upload the next block, if it is missing; return its id, or an empty text at the end."""
    block_id, data = next(blocks, ("", None))
    if data is not None:
        blob.stage_block(block_id, data)
    return block_id


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
    except ServiceRequestError as error:
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
    return BackendError(f"{text} Check the storage options.")
