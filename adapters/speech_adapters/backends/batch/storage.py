"""Audio in Blob Storage, where the service can read it.

A recording goes up as one mono WAV, in blocks of the same size at the same places each
time: what was sent before a crash is not sent again.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

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
    BlobSasPermissions,
    BlobServiceClient,
    generate_blob_sas,
)

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.audio.wav import wav_header
from speech_adapters.backends.batch.chunks import Part
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.errors import AuthenticationError, BackendError, UnavailableError

__all__ = ["Storage", "wav_blocks"]

_BLOCK_BYTES: Final = 4 * 1024 * 1024
_FORBIDDEN: Final = 403
# Clocks differ; a signature that begins in the future is refused.
_SKEW: Final = timedelta(minutes=15)


class Storage:
    """One container of one storage account; blocking, so to be used in worker threads.

    Raises:
        ConfigurationError: the connection string or address cannot be used.
        AuthenticationError, UnavailableError, BackendError: from every call.
    """

    def __init__(self, options: BatchOptions, credential: Any) -> None:
        self._options = options
        with _errors(options.storage_container):
            secret = options.storage_connection_string.get_secret_value()
            self._service = (
                BlobServiceClient.from_connection_string(secret)
                if secret
                else BlobServiceClient(options.storage_account_url, credential=credential)
            )
            self._container = self._service.get_container_client(options.storage_container)

    def upload(
        self,
        name: str,
        audio: Path,
        part: Part,
        pcm: PcmFormat,
        downmix: str,
        told: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Send a part of a spool file as the blob ``name``, in mono.

        ``told`` is called with the share that is there, 0 to 1, after every block.
        """
        with _errors(self._options.storage_container):
            with suppress(ResourceExistsError):
                self._container.create_container()
            blob = self._container.get_blob_client(name)
            there = _uncommitted(blob)
            ids = []
            count = len(_places(part))
            for block_id, data in wav_blocks(audio, part, pcm, downmix, there):
                ids.append(block_id)
                if data is not None:
                    blob.stage_block(block_id, data)
                told(len(ids) / count)
            blob.commit_block_list([BlobBlock(block_id) for block_id in ids])

    def address(self, name: str) -> str:
        """Give the address at which the service reads a blob."""
        blob = self._container.get_blob_client(name)
        if self._options.audio_access == "plain":
            return str(blob.url)
        with _errors(self._options.storage_container):
            return f"{blob.url}?{self._signature(name)}"

    def delete(self, name: str) -> None:
        """Delete a blob; one that is not there is no error."""
        with _errors(self._options.storage_container), suppress(ResourceNotFoundError):
            self._container.delete_blob(name)

    def close(self) -> None:
        """Close all connections.  Idempotent."""
        self._service.close()

    def _signature(self, name: str) -> str:
        now = datetime.now(UTC)
        until = now + timedelta(hours=self._options.sas_hours)
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
    audio: Path, part: Part, pcm: PcmFormat, downmix: str, there: frozenset[str] = frozenset()
) -> Iterator[tuple[str, bytes | None]]:
    """Give id and content of each block of a mono WAV; ``None`` for one that is there.

    Every block holds the same part of the recording each time.
    """
    policy = part.downmix(downmix)
    with audio.open("rb") as file:
        for number, first in enumerate(_places(part)):
            block_id = base64.b64encode(f"{number:08}".encode()).decode()
            if block_id in there:
                yield block_id, None
                continue
            file.seek((part.start + first) * pcm.frame_bytes)
            frames = min(_BLOCK_BYTES // 2, part.frames - first)
            mono = mix_down(file.read(frames * pcm.frame_bytes), pcm.channels, policy)
            header = b"" if number else wav_header(part.frames * 2, pcm.sample_rate)
            yield block_id, header + mono


def _places(part: Part) -> range:
    """Give the first frame of each block."""
    return range(0, max(part.frames, 1), _BLOCK_BYTES // 2)


def _uncommitted(blob: Any) -> frozenset[str]:
    try:
        _, blocks = blob.get_block_list("uncommitted")
    except ResourceNotFoundError:
        return frozenset()
    return frozenset(str(block.id) for block in blocks)


@contextmanager
def _errors(container: str) -> Iterator[None]:
    what = f"The audio cannot be put into the storage container {container!r}"
    try:
        yield
    except ServiceRequestError as error:
        raise UnavailableError(
            f"{what}: the account cannot be reached ({type(error).__name__}). Nothing is lost:"
            " ask again later."
        ) from error
    except (ClientAuthenticationError, HttpResponseError) as error:
        raise _refusal(what, error) from None
    except (AzureError, ValueError) as error:
        raise BackendError(f"{what}: {type(error).__name__}. Check the storage options.") from error


def _refusal(what: str, error: HttpResponseError) -> BackendError:
    code = getattr(error, "error_code", None) or error.reason or "refused"
    headers = getattr(error.response, "headers", {}) or {}
    found = headers.get("x-ms-request-id", "")
    text = f"{what}: {code} ({error.status_code}{f', request id {found}' if found else ''})."
    if isinstance(error, ClientAuthenticationError) or error.status_code == _FORBIDDEN:
        return AuthenticationError(f"{text} Check its key or the identity's roles.")
    return BackendError(f"{text} Check the storage options.")
