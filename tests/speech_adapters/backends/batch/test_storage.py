from __future__ import annotations

import base64
import io
import threading
import urllib.error
import urllib.request
import wave
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
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
from speech_adapters.backends.batch.storage import Storage, WavBlocks
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
    with WavBlocks(audio, Chunk(0, size // 2), MONO, "auto") as reader:
        ids = reader.ids()
        data = b"".join(reader.read(number) for number in range(len(ids)))
    assert len(set(ids)) == len(ids)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, size // 2)
        assert file.readframes(size) == audio.read_bytes()[: size // 2 * 2]


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
        if cut and len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(block_id)
        return real(self, block_id, data)

    monkeypatch.setattr(BlobClient, "stage_block", stage)
    cut, store = True, made(storage, upload_connections=1)
    with pytest.raises(KeyboardInterrupt):
        upload(store, "cut.wav", audio, 2500)
    cut = False
    assert upload(store, "cut.wav", audio, 2500) == [0.8, 1.0]
    assert len(sent) == len(set(sent)) == 5
    with urllib.request.urlopen(anyio.run(store.address, "cut.wav")) as found:
        data = found.read()
    assert data[44:] == audio.read_bytes()
    anyio.run(store.aclose)


@pytest.mark.usefixtures("blocks_of_1000")
def test_any_blocks_may_be_missing_after_a_crash(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several are in flight, so a later one may have arrived and an earlier one not."""
    audio = sound(tmp_path / "a.pcm", 5000)
    store = made(storage)
    real = BlobClient.stage_block
    failing = {"1", "3"}
    sent: list[str] = []

    def stage(self: BlobClient, block_id: str, data: bytes) -> Any:
        if base64.b64decode(block_id).decode()[-1] in failing:
            raise AzureError("lost")
        sent.append(block_id)
        return real(self, block_id, data)

    monkeypatch.setattr(BlobClient, "stage_block", stage)
    for _ in range(3):  # as often as it is tried, what has arrived is not sent again
        with pytest.raises(BackendError):
            upload(store, "holes.wav", audio, 2500)
    failing.clear()
    upload(store, "holes.wav", audio, 2500)
    assert len(sent) == len(set(sent)) == 5
    with urllib.request.urlopen(anyio.run(store.address, "holes.wav")) as found:
        assert found.read()[44:] == audio.read_bytes()
    anyio.run(store.aclose)


@pytest.mark.usefixtures("blocks_of_1000")
def test_a_limited_number_of_blocks_is_in_flight_for_all_uploads_together(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = sound(tmp_path / "a.pcm", 6000)
    store = made(storage, upload_connections=3)
    real = BlobClient.stage_block
    together = threading.Barrier(3)
    guard, flying = threading.Lock(), list[str]()
    most = 0

    def stage(self: BlobClient, block_id: str, data: bytes) -> Any:
        nonlocal most
        with guard:
            flying.append(block_id)
            most = max(most, len(flying))
        together.wait(60)  # fails if fewer than three are in flight
        try:
            return real(self, block_id, data)
        finally:
            with guard:
                flying.remove(block_id)

    async def one(name: str) -> None:
        async for _ in store.upload(name, audio, Chunk(0, 3000), MONO, "auto"):
            pass

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "left.wav")
            tasks.start_soon(one, "right.wav")

    monkeypatch.setattr(BlobClient, "stage_block", stage)
    anyio.run(both)
    assert most == 3
    anyio.run(store.aclose)


@pytest.mark.usefixtures("blocks_of_1000")
def test_a_canceled_upload_leaves_no_block_in_flight(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = sound(tmp_path / "a.pcm", 20_000)
    store = made(storage, upload_connections=4)
    real = BlobClient.stage_block
    begun, ended = list[str](), list[str]()
    started, may_end = threading.Event(), threading.Event()

    def stage(self: BlobClient, block_id: str, data: bytes) -> Any:
        begun.append(block_id)
        started.set()
        may_end.wait(60)
        real(self, block_id, data)
        ended.append(block_id)

    async def one() -> None:
        async for _ in store.upload("canceled.wav", audio, Chunk(0, 10_000), MONO, "auto"):
            pass

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            await anyio.to_thread.run_sync(started.wait, 60)
            tasks.cancel_scope.cancel()
            may_end.set()
        assert sorted(ended) == sorted(begun)
        assert len(begun) < 20

    monkeypatch.setattr(BlobClient, "stage_block", stage)
    anyio.run(work)
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
    with WavBlocks(audio, Chunk(10, 40, channel=1), PcmFormat(channels=2), "auto") as reader:
        assert len(reader.ids()) == 1
        data = reader.read(0)
    assert data[44:] == b"\x02\x00" * 40


def answer(status: int) -> HttpResponseError:
    """Return the library's error for an answer of the service."""
    error = HttpResponseError("https://a?sig=SECRET")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ServiceRequestError("no"), UnavailableError, "the account cannot be reached"),
        (ServiceResponseError("no"), UnavailableError, "the account cannot be reached"),
        *((answer(status), UnavailableError, "Nothing is lost") for status in (408, 429, 500, 503)),
        (answer(409), BackendError, "Check the storage options"),
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
