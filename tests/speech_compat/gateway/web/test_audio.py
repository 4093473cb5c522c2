from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from speech_adapters.audio import PcmFormat, mix_down
from speech_compat.gateway.web.audio import WavAudio, respond

# More than one block, and no whole number of them.
FRAMES = 100_001


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "0a1b.pcm"
    samples = np.random.default_rng(1).integers(-32768, 32767, FRAMES * 2, dtype="<i2")
    path.write_bytes(samples.tobytes())
    return path


def _audio(path: Path, channels: int = 1) -> WavAudio:
    return WavAudio(path, PcmFormat(16_000, channels), path.stat().st_size)


def _client(audio: WavAudio) -> TestClient:
    async def answer(request: Request) -> Response:
        return respond(request, audio)

    return TestClient(Starlette(routes=[Route("/", answer)]))


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_the_file_is_a_wav_file_of_the_channel_that_is_recognized(
    stored: Path, channels: int
) -> None:
    response = _client(_audio(stored, channels)).get("/")
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["accept-ranges"] == "bytes"
    data = stored.read_bytes()
    whole = len(data) // (2 * channels) * 2 * channels
    with wave.open(io.BytesIO(response.content)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, 16_000, 2)
        assert file.readframes(FRAMES * 2) == mix_down(data[:whole], channels, "auto")
    assert len(response.content) == int(response.headers["content-length"])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), channels=st.sampled_from([1, 2, 8]))
def test_every_range_is_a_part_of_the_whole(
    stored: Path, data: st.DataObject, channels: int
) -> None:
    audio = _audio(stored, channels)
    client = _client(audio)
    whole = client.get("/").content
    # Near the header, where off-by-one errors are, and anywhere.
    position = st.integers(0, 60) | st.integers(0, audio.size - 1)
    first, last = sorted((data.draw(position), data.draw(position)))
    response = client.get("/", headers={"range": f"bytes={first}-{last}"})
    assert (response.status_code, response.content) == (206, whole[first : last + 1])
    assert response.headers["content-range"] == f"bytes {first}-{last}/{audio.size}"


def test_open_ranges(stored: Path) -> None:
    client = _client(_audio(stored))
    whole = client.get("/").content
    for wanted, part in {"bytes=43-": whole[43:], "bytes=-7": whole[-7:], "bytes=-0": b""}.items():
        response = client.get("/", headers={"range": wanted})
        assert response.status_code == (206 if part else 416), wanted
        assert response.content == part
    all_of_it = client.get("/", headers={"range": f"bytes=-{len(whole) * 2}"})
    assert (all_of_it.status_code, all_of_it.content) == (206, whole)
    beyond = client.get("/", headers={"range": f"bytes=1-{len(whole) * 2}"})
    assert beyond.content == whole[1:]


@pytest.mark.parametrize("wanted", ["bytes=-", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", "5-2"])
def test_a_range_that_is_not_understood_is_ignored(stored: Path, wanted: str) -> None:
    response = _client(_audio(stored)).get("/", headers={"range": wanted})
    assert (response.status_code, len(response.content)) == (200, _audio(stored).size)


@pytest.mark.parametrize("wanted", ["bytes=9999999-", "bytes=7-3"])
def test_a_range_outside_the_file_is_refused_with_its_size(stored: Path, wanted: str) -> None:
    response = _client(_audio(stored)).get("/", headers={"range": wanted})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{_audio(stored).size}"


def test_a_part_of_another_recording_is_not_continued(stored: Path) -> None:
    client = _client(_audio(stored))
    etag = client.get("/").headers["etag"]
    same = client.get("/", headers={"range": "bytes=5-9", "if-range": etag})
    other = client.get("/", headers={"range": "bytes=5-9", "if-range": '"another"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_a_request_for_the_headers_reads_no_audio(tmp_path: Path) -> None:
    audio = WavAudio(tmp_path / "missing.pcm", PcmFormat(), 32_000)
    response = _client(audio).head("/")
    assert (response.status_code, response.headers["content-length"]) == (200, "32044")


def test_memory_is_constant(tmp_path: Path) -> None:
    path = tmp_path / "long.pcm"
    path.touch()
    size = 5 * 2**30
    with path.open("r+b") as file:
        file.truncate(size)  # takes no space on the disk
    audio = WavAudio(path, PcmFormat(), size)

    async def longest() -> int:
        # The header of a file that is too long for one, and the last blocks.
        blocks = [block async for block in audio.read(0, 200_000)]
        blocks += [block async for block in audio.read(audio.size - 3, audio.size)]
        assert sum(map(len, blocks)) == 200_003
        return max(map(len, blocks))

    import anyio

    assert anyio.run(longest) <= 65_536


def test_audio_that_became_shorter_ends_early(tmp_path: Path) -> None:
    import anyio

    path = tmp_path / "short.pcm"
    path.write_bytes(bytes(1001))
    audio = WavAudio(path, PcmFormat(), 32_000)

    async def read() -> bytes:
        return b"".join([block async for block in audio.read(44, audio.size)])

    assert anyio.run(read) == bytes(1000)
