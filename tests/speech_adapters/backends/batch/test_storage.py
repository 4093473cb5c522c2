from __future__ import annotations

import io
import urllib.error
import urllib.request
import wave
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    UserDelegationKey,
)

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch import storage as module
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.storage import Storage, wav_blocks
from speech_adapters.errors import (
    AudioError,
    AuthenticationError,
    BackendError,
    ConfigurationError,
    SpeechError,
    UnavailableError,
)

MONO = PcmFormat(16_000, 1)


@pytest.fixture
def blocks_of_1000(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1000)


def sound(path: Path, size: int) -> Path:
    path.write_bytes(bytes(n % 251 for n in range(size)))
    return path


@pytest.mark.usefixtures("blocks_of_1000")
@pytest.mark.parametrize("size", [2, 998, 1000, 1002, 2000, 5001])
def test_the_blocks_are_one_wav_of_whole_frames(tmp_path: Path, size: int) -> None:
    audio = sound(tmp_path / "a.pcm", size)
    found = list(wav_blocks(audio, Chunk(0, size // 2), MONO, "auto"))
    assert len({block_id for block_id, _ in found}) == len(found)
    data = b"".join(data or b"" for _, data in found)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, size // 2)
        assert file.readframes(size) == audio.read_bytes()[: size // 2 * 2]


@pytest.mark.usefixtures("blocks_of_1000")
def test_uploaded_blocks_are_not_read_again(tmp_path: Path) -> None:
    audio = sound(tmp_path / "a.pcm", 5000)
    whole = dict(wav_blocks(audio, Chunk(0, 2500), MONO, "auto"))
    there = frozenset(list(whole)[1:3])
    again = dict(wav_blocks(audio, Chunk(0, 2500), MONO, "auto", there))
    assert {name for name, data in again.items() if data is None} == there
    assert all(data == whole[name] for name, data in again.items() if data is not None)


def upload(store: Storage, name: str, audio: Path, frames: int) -> list[float]:
    async def work() -> list[float]:
        chunk = Chunk(0, frames)
        return [share async for share in store.upload(name, audio, chunk, MONO, "auto")]

    return anyio.run(work)


def made(storage: str, **options: Any) -> Storage:
    return Storage(
        BatchOptions.model_validate({"storage_connection_string": storage, **options}), None
    )


@pytest.mark.usefixtures("blocks_of_1000")
def test_an_upload_continues_where_it_was_cut_off(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = sound(tmp_path / "a.pcm", 5000)
    sent: list[str] = []
    real = BlobClient.stage_block

    def stage(self: BlobClient, block_id: str, data: bytes) -> Any:
        if len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(block_id)
        return real(self, block_id, data)

    store = made(storage)
    with monkeypatch.context() as patch:
        patch.setattr(BlobClient, "stage_block", stage)
        with pytest.raises(KeyboardInterrupt):
            upload(store, "cut.wav", audio, 2500)
    more: list[str] = []

    def go_on(self: BlobClient, block_id: str, data: bytes) -> Any:
        more.append(block_id)
        return real(self, block_id, data)

    with monkeypatch.context() as patch:
        patch.setattr(BlobClient, "stage_block", go_on)
        upload(store, "cut.wav", audio, 2500)
    assert len(more) == 2
    assert not set(more) & set(sent)
    with urllib.request.urlopen(anyio.run(store.address, "cut.wav")) as found:
        data = found.read()
    assert data[44:] == audio.read_bytes()
    anyio.run(store.aclose)


def test_the_signed_address_is_for_reading_only_and_the_plain_one_is_refused(
    storage: str, tmp_path: Path
) -> None:
    store = made(storage)
    upload(store, "a.wav", sound(tmp_path / "a.pcm", 100), 50)
    signed = anyio.run(store.address, "a.wav")
    assert "sp=r&" in signed
    unsigned = made(storage, audio_access="plain")
    plain = anyio.run(unsigned.address, "a.wav")
    assert "?" not in plain
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(plain)
    anyio.run(store.delete, "a.wav")
    anyio.run(store.delete, "a.wav")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(signed)
    anyio.run(store.aclose)


def test_the_share_that_is_uploaded_is_yielded(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1000)
    store = made(storage)
    audio = sound(tmp_path / "a.pcm", 4000)
    assert upload(store, "shares.wav", audio, 2000) == [0.25, 0.5, 0.75, 1.0]
    anyio.run(store.aclose)


def test_an_abandoned_upload_leaves_no_blob(storage: str, tmp_path: Path) -> None:
    store = made(storage)
    audio = sound(tmp_path / "a.pcm", 4000)

    async def work() -> None:
        shares = store.upload("abandoned.wav", audio, Chunk(0, 2000), MONO, "auto")
        await anext(shares)
        await shares.aclose()

    anyio.run(work)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(anyio.run(store.address, "abandoned.wav"))
    anyio.run(store.aclose)


def test_an_empty_chunk_is_a_wav_without_samples(storage: str, tmp_path: Path) -> None:
    store = made(storage)
    upload(store, "empty.wav", sound(tmp_path / "a.pcm", 0), 0)
    with urllib.request.urlopen(anyio.run(store.address, "empty.wav")) as found:
        assert len(found.read()) == 44
    anyio.run(store.aclose)


def test_a_single_channel_is_sent_without_the_others(tmp_path: Path) -> None:
    audio = tmp_path / "a.pcm"
    audio.write_bytes(b"\x01\x00\x02\x00" * 50)
    ((_, data),) = wav_blocks(audio, Chunk(10, 40, channel=1), PcmFormat(channels=2), "auto")
    assert data is not None
    assert data[44:] == b"\x02\x00" * 40


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ServiceRequestError("no"), UnavailableError, "the account cannot be reached"),
        (ClientAuthenticationError("no"), AuthenticationError, "Check its key or the identity"),
        (HttpResponseError("https://a?sig=SECRET"), BackendError, "Check the storage options"),
        (AzureError("https://a?sig=SECRET"), BackendError, r"AzureError\. Check the storage opt"),
        (ValueError("SECRET"), BackendError, r"ValueError\. Check the storage options"),
        (FileNotFoundError(2, "No such file"), AudioError, r"cannot be read \(No such file\)"),
    ],
)
def test_errors_of_the_library_become_errors_of_the_tree(
    storage: str,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[SpeechError],
    text: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    store = made(storage)
    monkeypatch.setattr(ContainerClient, "delete_blob", fail)
    with pytest.raises(kind, match=f"storage container 'speech-compat': .*{text}") as caught:
        anyio.run(store.delete, "a.wav")
    assert "SECRET" not in str(caught.value)
    anyio.run(store.aclose)


def test_a_connection_string_that_is_none_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="storage_connection_string cannot be used"):
        made("nonsense")


def test_an_identity_signs_with_a_delegated_key(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator delegates no keys; the key that the service would return is given."""
    key: Any = cast(Any, UserDelegationKey)()
    key.signed_oid = key.signed_tid = "00000000-0000-0000-0000-000000000000"
    key.signed_start = key.signed_expiry = "2026-01-01T00:00:00Z"
    key.signed_service, key.signed_version, key.value = "b", "2023-11-03", "AAAA"
    asked = []

    def delegate(service: BlobServiceClient, start: datetime, expiry: datetime) -> Any:
        asked.append(expiry - start)
        return key

    monkeypatch.setattr(BlobServiceClient, "get_user_delegation_key", delegate)
    options = BatchOptions.model_validate(
        {"storage_account_url": "https://a.blob.core.windows.net"}
    )
    store = Storage(options, Identity())
    address = anyio.run(store.address, "a.wav")
    assert "skoid=00000000" in address
    assert "sp=r&" in address
    assert asked == [timedelta(hours=48, minutes=15)]
    anyio.run(store.aclose)


class Identity:
    """Stands for an azure-identity credential; no token is requested."""

    def get_token(self, *scopes: str, **more: Any) -> Any:
        raise AssertionError("no request is expected")
