"""The options of the gateway: the table ``gateway`` of the settings."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from speech_adapters.config import Options, Settings, UserPath, parse_options
from speech_adapters.errors import ConfigurationError

__all__ = [
    "DIGEST_PREFIX",
    "ENTRA_PREFIX",
    "GatewayOptions",
    "TokenOptions",
    "check_exposure",
    "gateway_options",
    "is_loopback",
]

# A key in the settings may be its digest, so that a leaked file contains no key.
DIGEST_PREFIX: Final = "sha256:"
# Owners that tokens name; the name of no key may look like one of them.
ENTRA_PREFIX: Final = "entra-"
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")
_TENANT: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# 16 characters of hexadecimal digits are 64 bits, too many to guess at the permitted rate.
_KEY_CHARACTERS: Final = 16


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | SecretStr) else value


# A single value may be written without the brackets of a list.
_Texts = Annotated[
    tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])
]
_Secrets = Annotated[
    tuple[SecretStr, ...],
    BeforeValidator(_listed, json_schema_input_type=SecretStr | tuple[SecretStr, ...]),
    Field(min_length=1),
]


class TokenOptions(Options):
    """Which tokens of Microsoft Entra, or of another issuer, are accepted.

    Attributes:
        tenant: the tenant's id; sets ``issuer`` and ``jwks_url`` to those of Entra.
        audience: accepted audiences (claim ``aud``).
        issuer: accepted issuers (claim ``iss``).
        jwks_url: the address of the issuer's public keys, https (http on loopback).
        roles: if not empty, the token needs one of these app roles (claim ``roles``).
    """

    tenant: str = ""
    audience: Annotated[_Texts, Field(min_length=1)]
    issuer: _Texts = ()
    jwks_url: str = ""
    roles: _Texts = ()

    @model_validator(mode="after")
    def _check(self) -> TokenOptions:
        # An alias such as "common" would accept the users of every tenant.
        if self.tenant and not _TENANT.fullmatch(self.tenant):
            raise ValueError("tenant must be the id of a tenant, like 00000000-0000-...")
        if not self.tenant and not (self.issuer and self.jwks_url):
            raise ValueError("set tenant, or both issuer and jwks_url")
        address = urlsplit(self.keys_address)
        local = address.scheme == "http" and is_loopback(address.hostname or "")
        if address.scheme != "https" and not local:
            raise ValueError("jwks_url must begin with https://")
        return self

    @property
    def issuers(self) -> tuple[str, ...]:
        """The accepted issuers: those of Entra's tokens of version 1 and 2 by default."""
        return self.issuer or (
            f"https://login.microsoftonline.com/{self.tenant}/v2.0",
            f"https://sts.windows.net/{self.tenant}/",
        )

    @property
    def keys_address(self) -> str:
        """The address of the issuer's public keys."""
        return self.jwks_url or (
            f"https://login.microsoftonline.com/{self.tenant}/discovery/v2.0/keys"
        )


class GatewayOptions(Options):
    """Options of the gateway.

    Attributes:
        host: the address to listen on.
        port: its port; 0 for any free one.
        reuse_port: whether several gateways on this machine listen on the same port; the
            kernel distributes the connections.
        keys: access keys by the name of their owner.  An owner sees only its own meetings.
            A key is a text or ``sha256:`` and its digest in hexadecimal digits; several keys
            of one owner are a list.
        tokens: which tokens are accepted; ``None`` for none.
        tls_certificate: PEM file of the certificate and its chain.
        tls_key: PEM file of its key, without a password; ``None`` if it is in the same file.
        behind_proxy: whether a proxy in front ends TLS.  Its ``X-Forwarded-For`` and
            ``X-Forwarded-Proto`` are believed.
        proxies: addresses or networks of that proxy.
        insecure: permits other addresses than loopback without TLS and keys.
        metrics_key: bearer token that ``/metrics`` needs; without one, only direct
            connections over loopback can read it.
        connections: connections at a time, idle ones included.
        connections_per_owner: websockets, and running meetings, of one owner at a time.
        requests_per_minute: HTTP requests of one owner.
        handshakes_per_minute: websockets that one owner opens.
        failures_per_minute: refused credentials of one IP address.
        message_bytes: size of a websocket message.
        header_bytes: size of the headers of a request.
        header_seconds: time in which the headers of a request must arrive.
        body_bytes: size of the body of a request.
        body_seconds: time in which a body must arrive, and in which a client must read what
            was sent.
        audio_hours: length of the audio of one meeting.
        idle_seconds: longest time without any message on a websocket.
        ping_seconds: pause between two pings of a websocket; a client that answers none of two
            is disconnected.
        reconnect_seconds: how long a meeting waits for a client that lost its connection.
        drain_seconds: how long running meetings may go on after SIGTERM.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    reuse_port: bool = False
    keys: dict[str, _Secrets] = Field(default_factory=dict)
    tokens: TokenOptions | None = None
    tls_certificate: UserPath | None = None
    tls_key: UserPath | None = None
    behind_proxy: bool = False
    proxies: _Texts = ("127.0.0.1", "::1")
    insecure: bool = False
    metrics_key: SecretStr = SecretStr("")
    connections: int = Field(default=1_000, ge=1)
    connections_per_owner: int = Field(default=500, ge=1)
    requests_per_minute: int = Field(default=1_200, ge=1)
    handshakes_per_minute: int = Field(default=1_200, ge=1)
    failures_per_minute: int = Field(default=120, ge=1)
    # Eight channels need 26 kB for each tenth of a second; attendees with voice signatures more.
    message_bytes: int = Field(default=1_048_576, ge=65_536)
    # A token of Entra has some kB, and the JavaScript SDK sends it twice.
    header_bytes: int = Field(default=32_768, ge=1_024)
    header_seconds: float = Field(default=10, gt=0)
    # The recording of a voice signature: two minutes of mono audio have 4 MB.
    body_bytes: int = Field(default=16_777_216, ge=1)
    body_seconds: float = Field(default=60, gt=0)
    audio_hours: float = Field(default=12, gt=0)
    idle_seconds: float = Field(default=600, gt=0)
    ping_seconds: float = Field(default=20, gt=0)
    reconnect_seconds: float = Field(default=30, ge=0)
    drain_seconds: float = Field(default=60, ge=0)

    @field_validator("keys")
    @classmethod
    def _check_keys(cls, keys: dict[str, tuple[SecretStr, ...]]) -> dict[str, Any]:
        for owner, secrets in keys.items():
            # The name begins the ids of stored meetings, and appears in logs.
            if not _OWNER.fullmatch(owner) or owner.startswith(ENTRA_PREFIX):
                raise ValueError(
                    f"the name of an owner has letters, digits, dots, hyphens and underscores, at"
                    f" most 64, and does not begin with {ENTRA_PREFIX!r}"
                )
            for secret in secrets:
                _check_key(owner, secret.get_secret_value())
        owners = dict[str, str]()
        for owner, secrets in keys.items():
            for secret in secrets:
                other = owners.setdefault(secret.get_secret_value(), owner)
                if other != owner:
                    raise ValueError(f"{other!r} and {owner!r} have the same key")
        return keys

    @model_validator(mode="after")
    def _check_tls(self) -> GatewayOptions:
        if self.tls_key is not None and self.tls_certificate is None:
            raise ValueError("tls_key needs tls_certificate")
        return self

    @property
    def tls(self) -> bool:
        """Whether the gateway itself ends TLS."""
        return self.tls_certificate is not None


def gateway_options(settings: Settings) -> GatewayOptions:
    """Return the options of the gateway from the settings.

    Raises:
        ConfigurationError: a name is unknown or a value is invalid.
    """
    return parse_options(
        GatewayOptions, "gateway", settings.gateway, "option in the table", "gateway"
    )


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(options: GatewayOptions) -> None:
    """Check that a gateway that other machines reach has keys and TLS.

    Raises:
        ConfigurationError: it has not, and ``insecure`` is not set; the message lists what is
            missing.
    """
    if is_loopback(options.host) or options.insecure:
        return
    missing = []
    if not options.keys and options.tokens is None:
        missing.append("access keys (gateway.keys) or tokens (gateway.tokens)")
    if not options.tls and not options.behind_proxy:
        missing.append("TLS (gateway.tls_certificate), or a proxy with it (gateway.behind_proxy)")
    if missing:
        raise ConfigurationError(
            f"The gateway does not listen on {options.host!r}, which other machines reach, without"
            f" {' and without '.join(missing)}. Set them, listen on 127.0.0.1, or permit it with"
            " --insecure."
        )
    for owner, secrets in options.keys.items():
        if any(_is_short(secret.get_secret_value()) for secret in secrets):
            raise ConfigurationError(
                f"A key of {owner!r} has less than {_KEY_CHARACTERS} characters, which could be"
                " guessed: set a longer one in gateway.keys."
            )


def _check_key(owner: str, key: str) -> None:
    if not key:
        raise ValueError(f"the key of {owner!r} is empty")
    if key.startswith(DIGEST_PREFIX) and not _DIGEST.fullmatch(key.removeprefix(DIGEST_PREFIX)):
        raise ValueError(
            f"the key of {owner!r} begins with {DIGEST_PREFIX!r}, but has not 64 hexadecimal digits"
        )
    if not key.isprintable() or not key.isascii() or key != key.strip():
        # Other characters cannot be sent in a header.
        raise ValueError(f"the key of {owner!r} has characters that a header cannot have")


def _is_short(key: str) -> bool:
    return len(key) < _KEY_CHARACTERS
