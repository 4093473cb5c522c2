"""No endpoint leads to a meeting of another owner.

The cases are those of the application's route table: an endpoint without a case fails a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import anyio
import attrs
import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from double.gateway import client_of, completed, serving, settings_of
from double.victim import IDS, MEETING, SECRETS, WEBSOCKETS, Victim, shown
from double.voices import EnrollingBackend
from speech_adapters import meetings as module
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.transcript import Utterance
from speech_compat.gateway.app import create_app
from speech_compat.gateway.service import Gateway
from speech_compat.gateway.web import pages


@attrs.frozen
class Case:
    """What is sent to an endpoint: the id as the parameter ``id`` and in the path.

    Attributes:
        refused: the status of the answer with another owner's key.
        reached: that with the owner's key and the right id.
        shows: whether the owner's answer contains anything of the meeting.
        arguments: further arguments of the request.
    """

    refused: int
    reached: int = 200
    shows: bool = True
    arguments: Mapping[str, Any] = attrs.field(factory=dict)

    def send(self, client: httpx.Client, endpoint: str, meeting_id: str) -> httpx.Response:
        method, path = endpoint.split(" ", 1)
        filled = re.sub(r"\{[^}]*\}", quote(meeting_id, safe=""), path)
        return client.request(method, filled, params={"id": meeting_id}, **self.arguments)


_WAV: Final = {"content": b"RIFF"}
_FORM: Final = {"files": {"file": ("a.wav", b"RIFF")}}
# In this order: the deletions are the last.
CASES: Final[Mapping[str, Case]] = {
    "GET /api/v1/offlinetask": Case(404),
    "GET /web/v1/meetings": Case(200),
    "GET /web/v1/meeting": Case(404),
    "GET /web/v1/meeting/links": Case(404),
    "GET /web/v1/meeting/transcript": Case(404),
    "GET /web/v1/meeting/audio": Case(404),
    "POST /web/v1/meeting/retry": Case(404, shows=False),
    # They concern no stored meeting, so any owner may use them.
    "POST /api/v1/Signature/GenerateVoiceSignatureFromByteArray": Case(
        200, shows=False, arguments=_WAV
    ),
    "POST /api/v1/Signature/GenerateVoiceSignatureFromFormData": Case(
        200, shows=False, arguments=_FORM
    ),
    "DELETE /web/v1/meeting": Case(404, reached=204, shows=False),
    "DELETE /api/v1/offlinetask": Case(404),
}
# A request is not enough for them: test_isolation_websocket.py tries each.
OTHERS: Final = tuple(f"WEBSOCKET {path}" for path in WEBSOCKETS)


def endpoints(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            # A mounted application without routes has files or is opaque: one endpoint.
            yield from (
                endpoints(route.routes, prefix + route.path)
                if route.routes
                else [f"GET {prefix}{route.path}"]
            )
        elif isinstance(route, Route):
            for method in sorted(route.methods or ()):
                if method != "HEAD":
                    yield f"{method} {prefix}{route.path}"
        elif isinstance(route, WebSocketRoute):
            yield f"WEBSOCKET {prefix}{route.path}"
        else:
            raise AssertionError(f"{route!r} is of an unknown kind")


# They need no key, and show nothing of a meeting: probes, metrics and the files of the page.
PUBLIC: Final = ("GET /healthz", "GET /readyz", "GET /metrics", *endpoints(pages.routes()))


@pytest.fixture
def present(tmp_path: Path) -> list[str]:
    """Return the endpoints of the application."""

    async def listed() -> list[str]:
        async with Gateway(settings_of(tmp_path)) as gateway:
            return list(endpoints(create_app(gateway).routes))

    return anyio.run(listed)


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Victim]:
    def create_backend(_: object, name: str, host: Any) -> EnrollingBackend:
        return EnrollingBackend(host, name)

    monkeypatch.setattr(module, "create_backend", create_backend)
    with serving(settings_of(tmp_path)) as address:
        yield Victim(address, tmp_path)


def test_every_endpoint_has_a_case(present: list[str]) -> None:
    missing = set(present) - {*CASES, *OTHERS, *PUBLIC}
    assert not missing, "add a case with which another owner tries to reach a meeting"
    assert set(CASES) <= set(present), "a case is of an endpoint that does not exist any more"


def test_another_owner_reaches_nothing(victim: Victim) -> None:
    with client_of(victim.address, "bob") as bob:
        for endpoint, case in CASES.items():
            for meeting_id in IDS:
                response = case.send(bob, endpoint, meeting_id)
                assert response.status_code == case.refused, (endpoint, meeting_id)
                assert not shown(response.content), endpoint
            victim.assert_unchanged()


@pytest.mark.parametrize(
    "headers", [{}, {"Ocp-Apim-Subscription-Key": "wrong"}, {"Authorization": "Bearer wrong"}]
)
def test_without_a_valid_key_nothing_is_reached(victim: Victim, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=victim.address, headers=headers) as stranger:
        for endpoint, case in CASES.items():
            response = case.send(stranger, endpoint, MEETING)
            assert response.status_code == 401, endpoint
            assert not shown(response.content), endpoint
    victim.assert_unchanged()


def test_the_owner_reaches_the_meeting(victim: Victim) -> None:
    """Otherwise the cases would prove nothing."""
    with client_of(victim.address, "alice") as alice:
        for endpoint, case in CASES.items():
            response = case.send(alice, endpoint, MEETING)
            assert response.status_code == case.reached, endpoint
            assert bool(shown(response.content)) == case.shows, endpoint
    with pytest.raises(MeetingNotFoundError):
        victim.assert_unchanged()


def test_public_endpoints_show_nothing_of_a_meeting(victim: Victim, present: list[str]) -> None:
    with httpx.Client(base_url=victim.address) as stranger:
        for endpoint in set(PUBLIC) & set(present):
            assert not shown(stranger.get(endpoint.removeprefix("GET ")).content), endpoint


def test_two_owners_may_use_the_same_id(victim: Victim, tmp_path: Path) -> None:
    completed(tmp_path, f"bob/{MEETING}", Utterance("b" * 32, "Hello.", 0, 1))
    path = "/api/v1/offlinetask"
    with client_of(victim.address, "bob") as bob, client_of(victim.address, "alice") as alice:
        (item,) = bob.get(path, params={"id": MEETING}).json()["transcriptions"]
        assert item["text"] == "Hello."
        assert bob.delete(path, params={"id": MEETING}).status_code == 200
        (item,) = alice.get(path, params={"id": MEETING}).json()["transcriptions"]
        assert item["text"] == SECRETS[0]


def test_a_signed_address_is_of_one_file_of_one_owner(victim: Victim, tmp_path: Path) -> None:
    completed(tmp_path, "bob/own", Utterance("b" * 32, "Hello.", 0, 1), audio=bytes(2))
    with client_of(victim.address, "bob") as bob:
        links = bob.get("/web/v1/meeting/links", params={"id": "own"}).json()["files"]
    with httpx.Client(base_url=victim.address) as anyone:
        for link in links.values():
            assert anyone.get(link).status_code == 200
            signed = httpx.URL(link)
            for changed in (
                {"id": MEETING},
                {"id": MEETING, "owner": "alice"},
                {"id": f"../alice/{MEETING}"},
                {"owner": "alice"},
            ):
                response = anyone.get(signed.copy_merge_params(changed))
                assert response.status_code == 401
                assert not shown(response.content)
    victim.assert_unchanged()
