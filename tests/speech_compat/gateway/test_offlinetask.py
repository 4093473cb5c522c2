"""The endpoint that the remote clients of the retired service call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest

from double.gateway import KEYS, client_of, completed, serving, settings_of
from double.heartbeat import LARGE, Heart, assert_no_gap
from double.recorder import Recorder
from speech_adapters import meetings
from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.transcript import Provenance, Transcript, Utterance
from speech_compat.gateway.app import create_app
from speech_compat.gateway.service import Gateway

PATH: Final = "/api/v1/offlinetask"
PROVENANCE: Final = Provenance("ours", "1")
SPOKEN: Final = (
    Utterance("a" * 32, "Good morning, Steve.", 15, 20, 0, participant="katie@example.com"),
    Utterance("b" * 32, 'Guten Tag, "K\u00e4the".', 40, 10, 1),
    Utterance("c" * 32, "\N{GRINNING FACE}", 60, 5),
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with serving(settings_of(tmp_path)) as address, client_of(address) as client:
        yield client


def test_a_completed_meeting_has_the_documented_body(client: httpx.Client, tmp_path: Path) -> None:
    completed(tmp_path, "alice/m", *SPOKEN)
    response = client.get(PATH, params={"id": "m"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert list(document) == ["id", "processingStatus", "transcriptions"]
    assert (document["id"], document["processingStatus"]) == ("m", 2)
    assert document["transcriptions"][0] == {
        "userId": "katie@example.com",
        "resultId": "a" * 32,
        "reason": "RecognizedSpeech",
        "text": "Good morning, Steve.",
        "durationInTicks": 20,
        "offsetInTicks": 15,
    }
    assert [item["userId"] for item in document["transcriptions"][1:]] == [
        "Guest_1",
        "Unidentified",
    ]
    assert [item["text"] for item in document["transcriptions"]] == [u.text for u in SPOKEN]


def test_a_meeting_without_speech_has_an_empty_list(client: httpx.Client, tmp_path: Path) -> None:
    completed(tmp_path, "alice/m")
    assert client.get(PATH, params={"id": "m"}).json() == {
        "id": "m",
        "processingStatus": 2,
        "transcriptions": [],
    }


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1_500])
def test_no_utterance_is_lost_between_the_pieces(
    client: httpx.Client, tmp_path: Path, count: int
) -> None:
    completed(tmp_path, "alice/m", *(Utterance(f"{n:032x}", f"{n}", n, 1, 0) for n in range(count)))
    found = client.get(PATH, params={"id": "m"}).json()["transcriptions"]
    assert [item["text"] for item in found] == [str(number) for number in range(count)]


class ServiceWithHalfACharacter(Recorder):
    """A backend whose service keeps meetings; half a character is in a transcript."""

    async def status(self, meeting_id: str) -> MeetingStatus:
        return MeetingStatus(meeting_id, JobState.COMPLETED)

    async def transcript(self, meeting_id: str) -> Transcript:
        return Transcript(meeting_id, (Utterance("a" * 32, "Hi\ud83d.", 0, 1),), 1, PROVENANCE)


def test_half_a_character_costs_no_transcript(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_backend(_: object, name: str, host: Any) -> Recorder:
        return ServiceWithHalfACharacter(host, name)

    monkeypatch.setattr(meetings, "create_backend", create_backend)
    document = client.get(PATH, params={"id": "of the service"}).json()
    assert document["id"] == "of the service"
    assert [item["text"] for item in document["transcriptions"]] == ["Hi\ud83d."]


@pytest.mark.parametrize(
    "path",
    [
        "/offlinetask",
        "/OfflineTask",
        "/api/v1/OfflineTask",
        "//offlinetask",
        "/api/v1//OfflineTask",
        "/speech/recognition/multiaudio/offlinetask",
        "/any/endpoint/OFFLINETASK",
    ],
)
def test_any_endpoint_and_any_case_is_accepted(
    client: httpx.Client, tmp_path: Path, path: str
) -> None:
    completed(tmp_path, "alice/m", *SPOKEN)
    # The whole address: httpx would read "//offlinetask" as a host.
    address = str(client.base_url).rstrip("/")
    found = client.get(f"{address}{path}?id=m")
    assert found.json()["processingStatus"] == 2


@pytest.mark.parametrize("path", ["/offlinetasks", "/myofflinetask", "/offlinetask/m", "/offline"])
def test_other_paths_are_unknown(client: httpx.Client, tmp_path: Path, path: str) -> None:
    completed(tmp_path, "alice/m", *SPOKEN)
    response = client.get(path, params={"id": "m"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "NotFound"


@pytest.mark.parametrize("query", ["", "?id=", "?ID=m", "?name=m"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_id_is_required(client: httpx.Client, method: str, query: str) -> None:
    response = client.request(method, PATH + query)
    assert response.status_code == 400
    assert '"id"' in response.json()["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_id_is_not_found(client: httpx.Client, method: str) -> None:
    response = client.request(method, PATH, params={"id": "unknown"})
    assert response.status_code == 404
    # A number here would be a state for the C# client, which checks no HTTP status.
    assert "processingStatus" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_other_methods_are_refused(client: httpx.Client, tmp_path: Path, method: str) -> None:
    completed(tmp_path, "alice/m", *SPOKEN)
    response = client.request(method, PATH, params={"id": "m"})
    assert response.status_code == 405
    assert {"GET", "DELETE"} <= set(response.headers["allow"].split(", "))
    assert client.get(PATH, params={"id": "m"}).json()["processingStatus"] == 2


def test_an_id_may_have_any_characters(client: httpx.Client, tmp_path: Path) -> None:
    meeting_id = "Q3 & Q4/2026?id=x#é\n"
    completed(tmp_path, f"alice/{meeting_id}", *SPOKEN)
    assert client.get(PATH, params={"id": meeting_id}).json()["id"] == meeting_id


def test_a_deletion_is_final_and_can_be_repeated(client: httpx.Client, tmp_path: Path) -> None:
    completed(tmp_path, "alice/m", *SPOKEN)
    deleted = {"id": "m", "processingStatus": 4, "transcriptions": []}
    for _ in range(2):
        response = client.delete(PATH, params={"id": "m"})
        assert (response.status_code, response.json()) == (200, deleted)
        assert client.get(PATH, params={"id": "m"}).json() == deleted


def test_without_a_key_nothing_is_answered(client: httpx.Client, tmp_path: Path) -> None:
    completed(tmp_path, "alice/m", *SPOKEN)
    for method in ("GET", "DELETE"):
        for key in ("", "wrong", KEYS["alice"] + "x"):
            response = client.request(
                method, PATH, params={"id": "m"}, headers={"Ocp-Apim-Subscription-Key": key}
            )
            assert response.status_code == 401
            assert "Good morning" not in response.text
    assert client.get(PATH, params={"id": "m"}).json()["processingStatus"] == 2


def test_a_large_transcript_does_not_block_the_event_loop(tmp_path: Path) -> None:
    text = "All work and no play makes a long meeting. " * 3
    count = LARGE // 300
    completed(
        tmp_path, "alice/m", *(Utterance(f"{n:032x}", text, n * 10, 5, n % 3) for n in range(count))
    )

    async def attempt() -> float:
        received = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            received.extend(message.get("body", b""))

        # Without a server: it would write to a socket, and the test would read from it.
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": "GET",
            "path": PATH,
            "query_string": b"id=m",
            "headers": [(b"ocp-apim-subscription-key", KEYS["alice"].encode())],
        }
        app = create_app(Gateway(settings_of(tmp_path)))
        async with app.router.lifespan_context(app):
            heart = Heart()
            async with heart.beating():
                await app(scope, receive, send)
        assert received.startswith(b'{"id":"m","processingStatus":2,"transcriptions":[{"userId"')
        assert received.count(b"userId") == count
        assert received.endswith(b"}]}")
        return heart.gap

    assert_no_gap(lambda: anyio.run(attempt))


def test_the_answer_is_json_whatever_was_stored(client: httpx.Client, tmp_path: Path) -> None:
    completed(tmp_path, 'alice/"}', Utterance("a" * 32, '"]}\\', 0, 1, participant='"'))
    found = json.loads(client.get(PATH, params={"id": '"}'}).content)
    assert (found["id"], found["transcriptions"][0]["userId"]) == ('"}', '"')
