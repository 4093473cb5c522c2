"""Voice signatures by REST, as the documented programs request and use them."""

from __future__ import annotations

import json
import tempfile
import threading
import wave
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest

from double.gateway import client_of, serving, settings_of
from double.meetings import run
from double.recorder import Recorder
from double.voices import EnrollingBackend, signature
from speech_adapters import MeetingRequest, Mode
from speech_adapters import meetings as module
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee
from speech_adapters.enrollment import Enrollment
from speech_adapters.errors import AudioError, ConfigurationError
from speech_adapters.meetings import MeetingService
from speech_adapters.signatures import parse_signature, refusal
from speech_compat import transcription

BYTES: Final = "/api/v1/Signature/GenerateVoiceSignatureFromByteArray"
FORM: Final = "/api/v1/Signature/GenerateVoiceSignatureFromFormData"
WAV: Final = b"RIFF, as far as the double cares" * 10_000
Sender = Callable[[httpx.Client, bytes], httpx.Response]


class Voices(EnrollingBackend):
    """Keeps what it receives."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.received: list[bytes] = []
        self.at_a_time = self.most_at_a_time = 0

    async def enroll(self, files: Sequence[Path]) -> Enrollment:
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        try:
            await anyio.sleep(0.05)
            self.received += [file.read_bytes() for file in files]
            return await super().enroll(files)
        finally:
            self.at_a_time -= 1


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """Make every backend one that enrolls; returns those that were created."""
    created: list[Recorder] = []

    def create_backend(_: object, name: str, host: Any) -> Recorder:
        created.append(Recorder(host, name) if name == "ours" else Voices(host, name))
        return created[-1]

    monkeypatch.setattr(module, "create_backend", create_backend)
    return created


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of temporary folders."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


@pytest.fixture
def client(backend: list[Recorder], folders: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    with serving(settings_of(tmp_path / "state")) as address, client_of(address) as client:
        yield client


def by_bytes(client: httpx.Client, content: bytes = WAV) -> httpx.Response:
    # Neither the Python nor the C# program sends a content type.
    return client.post(BYTES, content=content)


def by_form(client: httpx.Client, content: bytes = WAV) -> httpx.Response:
    return client.post(FORM, files={"file": ("katie.wav", content, "audio/wav")})


def enrolling(backend: list[Recorder]) -> Voices:
    (found,) = backend
    assert isinstance(found, Voices)
    return found


@pytest.mark.parametrize("send", [by_bytes, by_form])
def test_the_answer_is_a_participants_signature(
    client: httpx.Client, backend: list[Recorder], folders: Path, send: Sender
) -> None:
    response = send(client, WAV)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["Status", "Message", "Signature", "Transcription"]
    assert (answer["Status"], answer["Message"]) == ("OK", "")
    text = json.dumps(answer["Signature"])
    assert parse_signature(text) == signature(4)
    transcription.Participant("katie@example.com", "en-us", text)
    assert enrolling(backend).received == [WAV]
    assert list(folders.iterdir()) == []


def test_a_program_that_keeps_the_documented_fields_only_can_use_it(client: httpx.Client) -> None:
    """The documented C# class has an int and two strings, and drops all other fields."""
    found = by_bytes(client).json()["Signature"]
    kept = {"Version": int(found["Version"]), "Tag": str(found["Tag"]), "Data": str(found["Data"])}
    assert kept == found
    assert parse_signature(json.dumps(kept, separators=(",", ":"))) == signature(4)


@pytest.mark.parametrize("send", [by_bytes, by_form])
def test_a_backend_without_identification_says_so(
    backend: list[Recorder], tmp_path: Path, folders: Path, send: Sender
) -> None:
    settings = settings_of(tmp_path / "state", backend="ours")
    with serving(settings) as address, client_of(address) as client:
        answer = send(client, WAV).json()
    assert answer["Status"] == "NotUsed"
    assert "no voice signatures" in answer["Message"]
    text = json.dumps(answer["Signature"])
    transcription.Participant("katie@example.com", "en-us", text)
    assert "placeholder" in refusal(text, "")
    assert list(folders.iterdir()) == []


def test_warnings_of_an_enrollment_are_in_the_answer(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def enroll(_: Voices, files: Sequence[Path]) -> Enrollment:
        return Enrollment(signature(4), (f"{files[0]} is distorted.", "It is short."))

    monkeypatch.setattr(Voices, "enroll", enroll)
    answer = by_bytes(client).json()
    assert answer["Message"] == "The recording is distorted. It is short."


@pytest.mark.parametrize("send", [by_bytes, by_form])
def test_an_unusable_recording_is_an_error_with_its_reason(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, folders: Path, send: Sender
) -> None:
    async def fail(_: Voices, files: Sequence[Path]) -> Enrollment:
        raise AudioError(f"{files[0]} is silent: check the microphone.")

    monkeypatch.setattr(Voices, "enroll", fail)
    response = send(client, b"")
    assert response.status_code == 400
    message = "The recording is silent: check the microphone."
    assert response.json()["error"]["message"] == message
    assert "Signature" not in response.json()
    assert list(folders.iterdir()) == []


def test_an_error_of_the_inside_stays_there(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, folders: Path
) -> None:
    async def fail(_: Voices, files: Sequence[Path]) -> Enrollment:
        raise ConfigurationError(f"The model /secret has no voice for {files[0]}.")

    monkeypatch.setattr(Voices, "enroll", fail)
    response = by_bytes(client)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert str(folders) not in response.text
    assert list(folders.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (400, {"files": {"voice": ("a.wav", WAV)}}),
        (400, {"files": [("file", ("a.wav", WAV)), ("file", ("b.wav", WAV))]}),
        (400, {"files": {"x": ("a.wav", WAV)}, "data": {"file": "a.wav"}}),
        (400, {"content": WAV, "headers": {"Content-Type": "multipart/form-data"}}),
        (400, {"content": WAV, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}),
        (415, {"content": WAV}),
        (415, {"data": {"file": "a.wav"}}),
    ],
)
def test_a_form_needs_one_file(
    client: httpx.Client, folders: Path, status: int, arguments: dict[str, Any]
) -> None:
    response = client.post(FORM, **arguments)
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert list(folders.iterdir()) == []


@pytest.mark.parametrize("path", [BYTES, FORM])
def test_a_key_is_needed(client: httpx.Client, backend: list[Recorder], path: str) -> None:
    response = client.post(path, content=WAV, headers={"Ocp-Apim-Subscription-Key": "wrong"})
    assert response.status_code == 401
    assert backend == []


@pytest.mark.parametrize("path", [BYTES, FORM])
def test_only_post_is_allowed(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 405


@pytest.mark.parametrize("prefix", ["", "/API/V1", "/speech/recognition/multiaudio/"])
def test_any_endpoint_is_accepted(client: httpx.Client, prefix: str) -> None:
    path = f"{prefix}/signature/generatevoicesignaturefrombytearray"
    address = str(client.base_url).rstrip("/") + path
    assert client.post(address, content=WAV).json()["Status"] == "OK"


def test_owners_occupy_few_processes(client: httpx.Client, backend: list[Recorder]) -> None:
    address = str(client.base_url)
    with (
        ThreadPoolExecutor(12) as pool,
        client_of(address, "bob") as bob,
        client_of(address, "carol") as carol,
    ):
        alone = list(pool.map(by_bytes, [client] * 4))
        assert enrolling(backend).most_at_a_time == 1
        together = list(pool.map(by_bytes, [client, bob, carol] * 4))
    assert enrolling(backend).most_at_a_time == 2
    assert {response.json()["Status"] for response in alone + together} == {"OK"}


def test_one_recording_of_an_owner_is_received_at_a_time(
    client: httpx.Client, backend: list[Recorder]
) -> None:
    arriving = threading.Event()
    release = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"the first"
        arriving.set()
        release.wait(30)

    with ThreadPoolExecutor(2) as pool, client_of(str(client.base_url), "bob") as bob:
        first = pool.submit(client.post, BYTES, content=slowly())
        assert arriving.wait(30)
        # Another owner is not kept waiting.
        assert by_bytes(bob, b"of bob").status_code == 200
        second = pool.submit(by_bytes, client, b"the second")
        with pytest.raises(TimeoutError):
            second.result(timeout=0.5)
        release.set()
        assert (first.result().status_code, second.result().status_code) == (200, 200)
    assert enrolling(backend).received == [b"of bob", b"the first", b"the second"]


@pytest.mark.parametrize("send", [by_bytes, by_form])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_is_limited(
    backend: list[Recorder], tmp_path: Path, folders: Path, send: Sender, declared: bool
) -> None:
    def undeclared(request: httpx.Request) -> None:
        """Send the body in pieces, without its length."""
        content = request.read()
        del request.headers["Content-Length"]
        request.headers["Transfer-Encoding"] = "chunked"
        request.stream = Pieces(content)

    settings = settings_of(tmp_path / "state", **{"gateway.body_bytes": str(len(WAV) // 2)})
    with serving(settings) as address, client_of(address) as client:
        if not declared:
            client.event_hooks["request"].append(undeclared)
        response = send(client, WAV)
        assert response.status_code == 413
        assert send(client, b"small").json()["Status"] == "OK"
    assert len(enrolling(backend).received) == 1
    assert list(folders.iterdir()) == []


class Pieces(httpx.SyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), 10_000):
            yield self._content[start : start + 10_000]


@pytest.mark.engine
def test_a_speaker_is_named_by_a_signature_of_the_gateway(
    shipped_recordings: Path, tmp_path: Path
) -> None:
    """The voice of a recording is recognized in a meeting with the same recording."""
    recording = shipped_recordings / "beckett.wav"
    settings = settings_of(tmp_path)
    with serving(settings) as address, client_of(address) as client:
        answer = by_bytes(client, recording.read_bytes()).json()
        assert answer["Status"] == "OK", answer
        katie = Attendee("katie@example.com", "en-US", json.dumps(answer["Signature"]))

        async def record(meetings: MeetingService) -> None:
            with wave.open(str(recording)) as file:
                pcm = PcmFormat(file.getframerate(), file.getnchannels())
                audio = file.readframes(file.getnframes())
            request = MeetingRequest(
                "alice/m", audio=pcm, mode=Mode.STORED, attendees=(katie,), language="en-US"
            )
            async with await meetings.open_session(request) as session:
                await session.push(audio)
                await session.finish()
            with anyio.fail_after(200):
                while not (await meetings.status("alice/m")).state.final:
                    await anyio.sleep(0.2)

        run(settings, record)
        items = client.get("/api/v1/offlinetask?id=m").json()["transcriptions"]
    assert items
    assert {item["userId"] for item in items} == {"katie@example.com"}
