"""The blobs of a container, listed page by page, for audio that the service reads itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote, urlsplit

import attrs

from speech_adapters.audio import AUDIO_SUFFIXES
from speech_adapters.errors import BackendError, ConfigurationError, UnavailableError
from speech_adapters.extras import missing_extra
from speech_adapters.masking import mask_library_logs, masked_repr

__all__ = ["Blob", "list_blobs"]

_PAGE: Final = 1000


@attrs.frozen
class Blob:
    """An audio file in a container.

    Attributes:
        source: its address without the signature.
        address: its address.
        stamp: the digest of its content if the account has it, or else its version there.
        size: bytes.
    """

    source: str
    address: str = attrs.field(repr=masked_repr)
    stamp: str
    size: int | None


def list_blobs(address: str) -> Iterator[Blob]:
    """Yield the audio files of a container, or of a folder in it, in the order of their names.

    Args:
        address: the address of the container, with a signature (SAS) that permits reading and
            listing; a folder in the container may follow.

    Raises:
        MissingExtraError: ``azure-storage-blob`` is not installed.
        ConfigurationError: the address is none of a container.
        UnavailableError: the account cannot be reached.
        BackendError: the account refuses the list.
    """
    try:
        from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError
        from azure.storage.blob import ContainerClient
    except ModuleNotFoundError as error:
        raise missing_extra("batch", "azure.storage.blob") from error
    container, folder, query = _split(address)
    what = f"The container {container} cannot be listed"
    try:
        with (
            mask_library_logs(),
            ContainerClient.from_container_url(f"{container}?{query}") as client,
        ):
            for found in client.list_blobs(folder or None, results_per_page=_PAGE):
                if PurePosixPath(found.name).suffix.lower() in AUDIO_SUFFIXES:
                    yield _blob(found, container, query)
    except ServiceRequestError as error:
        raise UnavailableError(
            f"{what}: the account cannot be reached ({type(error).__name__})."
        ) from None
    except HttpResponseError as error:  # its text quotes the address with the signature
        code = getattr(error, "error_code", None) or error.reason or "refused"
        raise BackendError(
            f"{what}: {getattr(code, 'value', code)} ({error.status_code}). Check that the"
            " signature is valid, and permits reading and listing (sp=rl)."
        ) from None
    except (AzureError, ValueError) as error:
        raise BackendError(f"{what}: {type(error).__name__}. Check the address.") from None


def _split(address: str) -> tuple[str, str, str]:
    """Return the address of the container, the folder in it, and the query."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    names = [name for name in parts.path.split("/") if name] if host else []
    # The emulator has the name of the account in the path, since its host has none.
    account = 1 if host == "localhost" or _is_number(host) else 0
    if len(names) <= account:
        raise ConfigurationError(
            "The address names no container: write it as"
            " https://ACCOUNT.blob.core.windows.net/CONTAINER?SIGNATURE."
        )
    container = "/".join(names[: account + 1])
    folder = "".join(f"{name}/" for name in names[account + 1 :])
    return f"{parts.scheme}://{parts.netloc}/{container}", folder, parts.query


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _blob(found: Any, container: str, query: str) -> Blob:
    source = f"{container}/{quote(found.name)}"
    digest = found.content_settings.content_md5
    stamp = f"md5 {bytes(digest).hex()}" if digest else f"version {source} {found.etag}"
    return Blob(source, f"{source}?{query}" if query else source, stamp, found.size)
