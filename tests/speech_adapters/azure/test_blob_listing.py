"""Lists of containers, and addresses that are none of a container."""

from __future__ import annotations

import hashlib
import uuid

import pytest
from azure.storage.blob import (
    BlobServiceClient,
    ContentSettings,
)

from double.containers import sign
from speech_adapters.azure.blob_listing import _split, list_blobs
from speech_adapters.errors import BackendError, ConfigurationError, UnavailableError


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("https://a.blob.core.windows.net/c?sig=1", ("c", "")),
        ("https://a.blob.core.windows.net/c/?sig=1", ("c", "")),
        ("https://a.blob.core.windows.net/c/x/y/?sig=1", ("c", "x/y/")),
        ("http://127.0.0.1:1/account/c/x?sig=1", ("account/c", "x/")),
        ("http://localhost:1/account/c?sig=1", ("account/c", "")),
    ],
)
def test_an_address_has_a_container_and_perhaps_a_folder(
    address: str, parts: tuple[str, str]
) -> None:
    container, folder, query = _split(address)
    host = "/".join(address.split("/")[:3])
    assert (container.removeprefix(f"{host}/"), folder, query) == (*parts, "sig=1")


@pytest.mark.parametrize("address", ["https://host", "https://host/?sig=1", "https://[/c"])
def test_an_address_without_a_container_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="names no container"):
        list(list_blobs(address))


def test_blobs_have_a_stamp_of_their_content(storage: str) -> None:
    with BlobServiceClient.from_connection_string(storage) as service:
        container = service.create_container(f"list-{uuid.uuid4().hex}")
        digest = bytearray(hashlib.md5(b"same").digest())
        for name in ("a.wav", "b c.wav"):
            container.upload_blob(
                name, b"same", content_settings=ContentSettings(content_md5=digest)
            )
        container.upload_blob("notes.txt", b"text")
        signature = sign(service, container.container_name)
        first, second = list_blobs(f"{container.url}?{signature}")
        assert first.stamp == second.stamp == f"md5 {digest.hex()}"
        assert second.source == f"{container.url}/b%20c.wav"
        assert second.address == f"{second.source}?{signature}"
        assert first.size == 4
        assert "sig=" not in repr(first)
        with pytest.raises(BackendError, match=r"cannot be listed: .*\(403\)") as caught:
            list(list_blobs(f"{container.url}?{signature.replace('sp=rl', 'sp=r')}"))
        assert "sig=" not in str(caught.value)


def test_an_account_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # The library would repeat the request for a minute.
    policy = "azure.storage.blob._shared.policies.StorageRetryPolicy.increment"
    monkeypatch.setattr(policy, lambda *_, **__: False)
    with pytest.raises(UnavailableError, match="the account cannot be reached"):
        list(list_blobs("http://127.0.0.1:9/account/c?sig=1"))
