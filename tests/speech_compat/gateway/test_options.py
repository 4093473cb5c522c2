from __future__ import annotations

import hashlib
from typing import Any

import pytest

from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError
from speech_compat.gateway.options import (
    GatewayOptions,
    check_exposure,
    gateway_options,
    is_loopback,
)

TENANT = "6f3b1f0e-1111-2222-3333-444455556666"
LONG = "0123456789abcdef"


def options(**table: Any) -> GatewayOptions:
    return gateway_options(load_settings({"gateway": table}))


def test_the_defaults_listen_on_loopback() -> None:
    found = options()
    assert (found.host, found.port, found.tls, found.keys) == ("127.0.0.1", 8080, False, {})
    check_exposure(found)


def test_a_key_and_a_list_of_keys_are_equal_forms() -> None:
    found = options(keys={"alice": "one", "bob": ["two", "three"]})
    assert {
        owner: [secret.get_secret_value() for secret in secrets]
        for owner, secrets in found.keys.items()
    } == {"alice": ["one"], "bob": ["two", "three"]}
    assert "two" not in repr(found)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"prot": 1}, "prot: there is no such name"),
        ({"port": 70_000}, "port: Input should be less than or equal to 65535"),
        ({"keys": {"": "k"}}, "keys: the name of an owner has letters"),
        ({"keys": {"a/b": "k"}}, "keys: the name of an owner has letters"),
        ({"keys": {".": "k"}}, "keys: the name of an owner has letters"),
        ({"keys": {"entra-1": "k"}}, "does not begin with 'entra-'"),
        ({"keys": {"x" * 65: "k"}}, "keys: the name of an owner has letters"),
        ({"keys": {"alice": ""}}, "keys: the key of 'alice' is empty"),
        ({"keys": {"alice": []}}, "keys.alice: "),
        ({"keys": {"alice": "sha256:12"}}, "has not 64 hexadecimal digits"),
        ({"keys": {"alice": "a\nb"}}, "characters that a header cannot have"),
        ({"keys": {"alice": "ключ"}}, "characters that a header cannot have"),
        ({"keys": {"alice": " key"}}, "characters that a header cannot have"),
        ({"keys": {"alice": "same", "bob": "same"}}, "'alice' and 'bob' have the same key"),
        ({"tls_key": "x.pem"}, "tls_key needs tls_certificate"),
        ({"tokens": {"tenant": TENANT}}, "tokens.audience: Field required"),
        ({"tokens": {"tenant": "common", "audience": "a"}}, "tenant must be the id of a tenant"),
        ({"tokens": {"audience": "a"}}, "set tenant, or both issuer and jwks_url"),
        ({"tokens": {"audience": "a", "issuer": "i"}}, "set tenant, or both issuer and jwks_url"),
        (
            {"tokens": {"audience": "a", "issuer": "i", "jwks_url": "http://keys.example/"}},
            "jwks_url must begin with https://",
        ),
        (
            {"tokens": {"audience": "a", "issuer": "i", "jwks_url": "file:///etc/passwd"}},
            "jwks_url must begin with https://",
        ),
        ({"header_seconds": 0}, "header_seconds: Input should be greater than 0"),
    ],
)
def test_a_wrong_option_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        options(**table)
    assert str(raised.value).startswith("Wrong option in the table 'gateway': ")
    assert message in str(raised.value)


def test_no_message_quotes_a_key() -> None:
    with pytest.raises(ConfigurationError) as raised:
        options(keys={"alice": ["sesame sesame\n"]})
    assert "sesame" not in str(raised.value)


def test_the_digest_of_a_key_is_accepted() -> None:
    digest = "sha256:" + hashlib.sha256(b"key").hexdigest()
    assert options(keys={"alice": digest}).keys["alice"][0].get_secret_value() == digest


def test_a_tenant_sets_issuers_and_keys() -> None:
    tokens = options(tokens={"tenant": TENANT, "audience": "api://speech"}).tokens
    assert tokens is not None
    assert tokens.issuers == (
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        f"https://sts.windows.net/{TENANT}/",
    )
    assert tokens.keys_address == (
        f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"
    )
    assert tokens.audience == ("api://speech",)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_recognized(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("table", "missing"),
    [
        ({}, ["access keys (gateway.keys)", "TLS (gateway.tls_certificate)"]),
        ({"keys": {"alice": LONG}}, ["TLS (gateway.tls_certificate)"]),
        ({"behind_proxy": True}, ["access keys (gateway.keys)"]),
        ({"keys": {"alice": "short"}, "behind_proxy": True}, ["less than 16 characters"]),
    ],
)
def test_other_addresses_need_keys_and_tls(table: dict[str, Any], missing: list[str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_exposure(options(host="0.0.0.0", **table))
    assert [text for text in missing if text not in str(raised.value)] == []


@pytest.mark.parametrize(
    "table",
    [
        {"insecure": True},
        {"keys": {"alice": LONG}, "behind_proxy": True},
        {"keys": {"alice": LONG}, "tls_certificate": "c.pem"},
        {"tokens": {"tenant": TENANT, "audience": "a"}, "tls_certificate": "c.pem"},
    ],
)
def test_other_addresses_are_permitted_with_keys_and_tls_or_a_flag(table: dict[str, Any]) -> None:
    check_exposure(options(host="0.0.0.0", **table))
