from __future__ import annotations

import io
import urllib.error
import urllib.request
import wave
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch import storage as module
from speech_adapters.backends.batch.chunks import Part
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.storage import Storage, wav_blocks

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
    found = list(wav_blocks(audio, Part(0, size // 2), MONO, "auto"))
    assert len({block_id for block_id, _ in found}) == len(found)
    data = b"".join(data or b"" for _, data in found)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, size // 2)
        assert file.readframes(size) == audio.read_bytes()[: size // 2 * 2]


@pytest.mark.usefixtures("blocks_of_1000")
def test_blocks_that_are_there_are_not_read_again(tmp_path: Path) -> None:
    audio = sound(tmp_path / "a.pcm", 5000)
    whole = dict(wav_blocks(audio, Part(0, 2500), MONO, "auto"))
    there = frozenset(list(whole)[1:3])
    again = dict(wav_blocks(audio, Part(0, 2500), MONO, "auto", there))
    assert {name for name, data in again.items() if data is None} == there
    assert all(data == whole[name] for name, data in again.items() if data is not None)


def made(storage: str, **options: Any) -> Storage:
    return Storage(
        BatchOptions.model_validate({"storage_connection_string": storage, **options}), None
    )


@pytest.mark.usefixtures("blocks_of_1000")
def test_an_upload_goes_on_where_it_was_cut_off(
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
            store.upload("cut.wav", audio, Part(0, 2500), MONO, "auto")
    more: list[str] = []

    def go_on(self: BlobClient, block_id: str, data: bytes) -> Any:
        more.append(block_id)
        return real(self, block_id, data)

    with monkeypatch.context() as patch:
        patch.setattr(BlobClient, "stage_block", go_on)
        store.upload("cut.wav", audio, Part(0, 2500), MONO, "auto")
    assert len(more) == 2
    assert not set(more) & set(sent)
    with urllib.request.urlopen(store.address("cut.wav")) as found:
        data = found.read()
    assert data[44:] == audio.read_bytes()
    store.close()


def test_the_signed_address_is_for_reading_only_and_the_plain_one_for_nobody(
    storage: str, tmp_path: Path
) -> None:
    store = made(storage)
    store.upload("a.wav", sound(tmp_path / "a.pcm", 100), Part(0, 50), MONO, "auto")
    signed = store.address("a.wav")
    assert "sp=r&" in signed
    plain = made(storage, audio_access="plain").address("a.wav")
    assert "?" not in plain
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(plain)
    store.delete("a.wav")
    store.delete("a.wav")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(signed)
    store.close()
