"""Every request to a service names this project and its version."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import anyio
import attrs
import pytest
from pydantic import SecretStr

from speech_adapters.azure import user_agent as module
from speech_adapters.azure.credentials import default_credential
from speech_adapters.azure.http import ServiceClient
from speech_adapters.azure.user_agent import user_agent
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.storage import Storage
from speech_adapters.contract import MeetingRequest
from speech_adapters.speech_sdk.options import Access
from speech_adapters.speech_sdk.sdk_config import speech_config
from speech_compat.gateway.errors import LimitError
from speech_compat.gateway.tokens import IssuerKeys
from speech_compat.testing.loopback import LoopbackService, Script

OURS: Final = f"speech-compat/{version('speech-compat')}"
TOKEN: Final = {"access_token": "t", "expires_on": "99999999999", "token_type": "Bearer"}


@attrs.define
class Server:
    """Answers every request with JSON; keeps the header User-Agent of each."""

    url: str
    agents: list[str] = attrs.field(factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            found.agents.append(self.headers["User-Agent"])
            body = json.dumps({**TOKEN, "keys": []}).encode()
            self.send_response(202 if self.command == "DELETE" else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        found = Server(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield found
        http.shutdown()
        thread.join()


async def _request(url: str) -> None:
    client = ServiceClient(url, None)
    await client.document("GET", "/")
    await client.aclose()


def test_requests_of_rest_backends(server: Server) -> None:
    anyio.run(_request, server.url)
    assert server.agents == [OURS]


def test_requests_to_the_storage_account(server: Server) -> None:
    account = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
    options = BatchOptions(
        storage_connection_string=SecretStr(f"{account}BlobEndpoint={server.url}/a")
    )
    anyio.run(Storage(options, None).delete, "name")
    assert server.agents
    assert {agent.split()[0] for agent in server.agents} == {OURS}


def test_requests_for_a_token(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", server.url)
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    with default_credential("batch") as credential:
        credential.get_token("scope/.default")
    assert {agent.split()[0] for agent in server.agents} == {OURS}


def test_requests_for_the_keys_of_an_issuer(server: Server) -> None:
    # The key set of the server is empty.
    with pytest.raises(LimitError):
        anyio.run(IssuerKeys(server.url).get, "id")
    assert set(server.agents) == {OURS}


def test_the_websocket_of_the_speech_sdk() -> None:
    import azure.cognitiveservices.speech as sdk

    service = LoopbackService(Script())
    with service.running() as url:
        config = speech_config(MeetingRequest("m"), Access(endpoint=url, key="k"), "", 1.0)
        stream = sdk.audio.PushAudioInputStream()
        audio = sdk.audio.AudioConfig(stream=stream)
        recognizer = sdk.transcription.ConversationTranscriber(config, audio)
        connected = threading.Event()
        connection = sdk.Connection.from_recognizer(recognizer)
        connection.connected.connect(lambda _: connected.set())
        recognizer.start_transcribing_async().get()
        assert connected.wait(60)
        stream.close()
        recognizer.stop_transcribing_async().get()
    sdk_version = version("azure-cognitiveservices-speech")
    assert {each.user_agent for each in service.connections} == {
        f"{OURS} SpeechSDK-Python/{sdk_version}"
    }


def test_a_copied_package_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(module, "version", missing)
    assert user_agent.__wrapped__() == "speech-compat"
