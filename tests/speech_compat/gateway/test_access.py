from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from speech_compat.gateway.access import AccessControl, AccessDeniedError
from speech_compat.gateway.context import RequestContext, serving
from speech_compat.gateway.errors import LimitError
from speech_compat.gateway.limits import Limits
from speech_compat.gateway.options import GatewayOptions

HEADER = "Ocp-Apim-Subscription-Key"
OPTIONS = GatewayOptions.model_validate(
    {
        "keys": {
            "alice": "key of alice",
            "bob": ["old key of bob", "sha256:" + hashlib.sha256(b"new key of bob").hexdigest()],
        }
    }
)


def owner(headers: Mapping[str, str], query: Mapping[str, str] | None = None) -> str:
    return anyio.run(AccessControl(OPTIONS).authenticate, headers, query or {}).owner


@pytest.mark.parametrize(
    ("key", "expected"),
    [("key of alice", "alice"), ("old key of bob", "bob"), ("new key of bob", "bob")],
)
def test_a_key_names_its_owner(key: str, expected: str) -> None:
    assert owner({HEADER.lower(): key}) == expected
    assert owner({}, {HEADER: key}) == expected  # as the JavaScript SDK sends it


def test_the_header_precedes_the_query() -> None:
    assert owner({HEADER: "key of alice"}, {HEADER: "old key of bob"}) == "alice"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER: ""},
        {HEADER: "wrong"},
        {HEADER: "key of alice "},
        {HEADER: "schlüssel"},
        {HEADER: "\ud800"},
        # The digest in the settings is not a key.
        {HEADER: "sha256:" + hashlib.sha256(b"new key of bob").hexdigest()},
        {"Authorization": "Bearer key of alice"},
        {"Authorization": "key of alice"},
    ],
)
def test_other_credentials_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(AccessDeniedError):
        owner(headers)


def test_without_keys_every_request_is_refused() -> None:
    access = AccessControl(GatewayOptions())
    for headers in ({}, {HEADER: ""}, {HEADER: "x"}):
        with pytest.raises(AccessDeniedError):
            anyio.run(access.authenticate, headers, {})


def limited(**options: Any) -> tuple[AccessControl, Limits]:
    parsed = OPTIONS.model_copy(update=options)
    limits = Limits(parsed)
    return AccessControl(parsed, limits), limits


def attempt(access: AccessControl, key: str, address: str = "a", websocket: bool = False) -> str:
    """Authenticate within a request; returns its owner as the log has it."""
    request = RequestContext("id", address, websocket)
    with serving(request):
        anyio.run(access.authenticate, {HEADER: key}, {})
    return request.owner


def test_too_many_refused_credentials_of_an_address_are_limited() -> None:
    access, _ = limited(failures_per_minute=3)
    for _ in range(3):
        with pytest.raises(AccessDeniedError):
            attempt(access, "wrong")
    with pytest.raises(LimitError, match="Too many refused credentials"):
        attempt(access, "wrong")
    # A correct guess is not confirmed either.
    with pytest.raises(LimitError):
        attempt(access, "key of alice")
    assert attempt(access, "key of alice", "b") == "alice"


def test_valid_credentials_do_not_count_as_refused() -> None:
    access, _ = limited(failures_per_minute=1)
    assert [attempt(access, "key of alice") for _ in range(5)] == ["alice"] * 5


def test_the_requests_of_an_owner_are_limited() -> None:
    access, _ = limited(requests_per_minute=2, handshakes_per_minute=1)
    attempt(access, "key of alice")
    attempt(access, "key of alice")
    with pytest.raises(LimitError, match="Too many requests"):
        attempt(access, "key of alice")
    attempt(access, "old key of bob")
    attempt(access, "key of alice", websocket=True)
    with pytest.raises(LimitError, match="Too many connections per minute"):
        attempt(access, "key of alice", websocket=True)


def test_a_websocket_occupies_its_place_until_it_ends() -> None:
    access, _ = limited(connections_per_owner=1)
    with serving(RequestContext("id", "a", websocket=True)):
        anyio.run(access.authenticate, {HEADER: "key of alice"}, {})
        with pytest.raises(LimitError, match="at a time"):
            attempt(access, "key of alice", websocket=True)
        attempt(access, "key of alice")
    attempt(access, "key of alice", websocket=True)


def test_an_endpoint_that_authenticates_twice_is_one_request() -> None:
    access, _ = limited(requests_per_minute=1)
    with serving(RequestContext("id", "a", websocket=False)):
        anyio.run(access.authenticate, {HEADER: "key of alice"}, {})
        anyio.run(access.authenticate, {HEADER: "key of alice"}, {})
