from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from speech_compat.gateway.access import AccessControl
from speech_compat.gateway.errors import AccessDeniedError, LimitError
from speech_compat.gateway.options import GatewayOptions, TokenOptions
from speech_compat.gateway.tokens import IssuerKeys, TokenVerifier

TENANT = "6f3b1f0e-1111-2222-3333-444455556666"
ISSUER = f"https://sts.windows.net/{TENANT}/"
AUDIENCE = "https://cognitiveservices.azure.com"
KEYS = {name: rsa.generate_private_key(65_537, 2_048) for name in ("one", "two")}
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "tid": TENANT, "oid": "katie@example.com"}


class Issuer:
    """An issuer whose key set tests change."""

    def __init__(self) -> None:
        self.names = ["one"]
        self.requests = 0
        self.failing = False
        self.url = ""

    def answer(self) -> tuple[int, bytes]:
        self.requests += 1
        keys = [
            {**json.loads(RSAAlgorithm.to_jwk(KEYS[name].public_key())), "kid": name}
            for name in self.names
        ]
        return (500, b"broken") if self.failing else (200, json.dumps({"keys": keys}).encode())


@contextmanager
def _running(issuer: Issuer) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = issuer.answer()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with _running(issuer):
        yield issuer


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def options(issuer: Issuer, **more: Any) -> TokenOptions:
    table = {"tenant": TENANT, "audience": AUDIENCE, "jwks_url": issuer.url, **more}
    return TokenOptions.model_validate(table)


def token(key: str = "one", kid: str | None = None, **claims: Any) -> str:
    content = {**CLAIMS, "exp": int(time.time()) + 600, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, KEYS[key], "RS256", headers={"kid": kid or key})


def owner(issuer: Issuer, text: str, **more: Any) -> str:
    return anyio.run(TokenVerifier(options(issuer, **more)).owner, text)


def test_a_token_names_an_owner_without_personal_data(issuer: Issuer) -> None:
    found = owner(issuer, token())
    assert found.startswith("entra-")
    assert "katie" not in found
    # The same person in a token of version 2, and another one.
    version_2 = f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert owner(issuer, token(iss=version_2, sub="x", name="Katie")) == found
    assert owner(issuer, token(oid="steve")) != found


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://sts.windows.net/other/"},
        {"iss": None},
        {"aud": "api://other"},
        {"aud": None},
        {"exp": int(time.time()) - 300},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3_000},
        {"tid": "other"},
        {"tid": None},
        {"oid": None},
        {"oid": 5},
        {"oid": ""},
        {"key": "two", "kid": "one"},  # another key signed it
        {"key": "two", "kid": "two"},  # the issuer does not have it
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(issuer: Issuer, changed: dict[str, Any]) -> None:
    with pytest.raises(AccessDeniedError):
        owner(issuer, token(**changed))


def forged(algorithm: str) -> str:
    """Return a token that is signed with the public key, which everybody knows, as a secret."""
    content = {**CLAIMS, "exp": int(time.time()) + 600}
    if algorithm == "none":
        return jwt.encode(content, None, "none", headers={"kid": "one"})  # type: ignore[arg-type]
    secret = json.dumps(RSAAlgorithm.to_jwk(KEYS["one"].public_key()))
    return jwt.encode(content, secret, algorithm, headers={"kid": "one"})


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_another_algorithm_is_refused(issuer: Issuer, algorithm: str) -> None:
    with pytest.raises(AccessDeniedError):
        owner(issuer, forged(algorithm))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é.é.é", "\ud800", "x" * 100_000, "..", "{}"])
def test_other_texts_are_refused(issuer: Issuer, text: str) -> None:
    with pytest.raises(AccessDeniedError):
        owner(issuer, text)
    assert issuer.requests == 0


def test_a_changed_token_is_refused(issuer: Issuer) -> None:
    head, body, signature = token().split(".")
    other = token(oid="steve").split(".")[1]
    assert body != other
    with pytest.raises(AccessDeniedError):
        owner(issuer, f"{head}.{other}.{signature}")


def test_roles_are_required_if_they_are_configured(issuer: Issuer) -> None:
    owner(issuer, token(roles=["Other", "Transcribe"]), roles="Transcribe")
    for roles in (None, [], ["Other"], "Transcribe", [["Transcribe"]]):
        with pytest.raises(AccessDeniedError):
            owner(issuer, token(roles=roles), roles="Transcribe")


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer  {}", "aad#/subscriptions/x#{}"])
def test_a_request_may_carry_a_token_in_several_forms(issuer: Issuer, form: str) -> None:
    access = AccessControl(GatewayOptions(tokens=options(issuer)))

    async def authenticate(source: str) -> str:
        value = {"Authorization": form.format(token())}
        headers, query = (value, {}) if source == "header" else ({}, value)
        return (await access.authenticate(headers, query)).owner

    assert anyio.run(authenticate, "header") == anyio.run(authenticate, "query")


def test_a_key_decides_although_there_is_a_token(issuer: Issuer) -> None:
    parsed = GatewayOptions.model_validate(
        {"keys": {"alice": "the key"}, "tokens": options(issuer).model_dump()}
    )
    both = {"Authorization": token(), "Ocp-Apim-Subscription-Key": "the key"}
    assert anyio.run(AccessControl(parsed).authenticate, both, {}).owner == "alice"
    both["Ocp-Apim-Subscription-Key"] = "wrong"
    with pytest.raises(AccessDeniedError):
        anyio.run(AccessControl(parsed).authenticate, both, {})


def test_keys_are_fetched_once_and_hourly(issuer: Issuer) -> None:
    clock = Clock()
    keys = IssuerKeys(issuer.url, clock)

    async def fetch() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(keys.get, "one")

    anyio.run(fetch)
    assert issuer.requests == 1
    clock.now += 3_599
    anyio.run(keys.get, "one")
    assert issuer.requests == 1
    clock.now += 2
    anyio.run(keys.get, "one")
    assert issuer.requests == 2


def test_an_unknown_key_is_looked_up_at_most_once_a_minute(issuer: Issuer) -> None:
    clock = Clock()
    keys = IssuerKeys(issuer.url, clock)
    assert anyio.run(keys.get, "one") is not None
    issuer.names = ["two"]
    for number in range(20):
        assert anyio.run(keys.get, f"made up {number}") is None
    assert anyio.run(keys.get, "two") is None
    assert issuer.requests == 1
    clock.now += 61
    assert anyio.run(keys.get, "two") is not None
    assert anyio.run(keys.get, "one") is None
    assert issuer.requests == 2


def test_known_keys_survive_a_failure_of_the_issuer(issuer: Issuer) -> None:
    clock = Clock()
    keys = IssuerKeys(issuer.url, clock)
    anyio.run(keys.get, "one")
    issuer.failing = True
    clock.now += 7_200
    assert anyio.run(keys.get, "one") is not None
    assert issuer.requests == 2


def test_tokens_cannot_be_checked_without_keys(issuer: Issuer) -> None:
    issuer.failing = True
    with pytest.raises(LimitError, match="Tokens cannot be checked at present"):
        owner(issuer, token())
