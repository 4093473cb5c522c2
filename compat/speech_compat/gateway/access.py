"""Who sends a request: from the credential of a request to the owner of meetings."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import attrs

from speech_compat.gateway.context import RequestContext, current_request
from speech_compat.gateway.errors import AccessDeniedError
from speech_compat.gateway.limits import Limits
from speech_compat.gateway.options import DIGEST_PREFIX, GatewayOptions
from speech_compat.gateway.tokens import TokenVerifier

__all__ = ["AccessControl", "AccessDeniedError", "Caller"]

_KEY_HEADER: Final = "ocp-apim-subscription-key"
_TOKEN_HEADER: Final = "authorization"  # noqa: S105 - the name of the header
_BEARER: Final = "bearer "


@attrs.frozen
class Caller:
    """The sender of a request.

    Attributes:
        owner: letters, digits, dots, hyphens and underscores; the owner of its meetings.
    """

    owner: str


class AccessControl:
    """Checks credentials, and the limits of their owners.

    Args:
        options: the options of the gateway.
        limits: its limits; by default limits of its own.

    Attributes:
        tokens: checks tokens; ``None`` if none are accepted.
    """

    def __init__(self, options: GatewayOptions, limits: Limits | None = None) -> None:
        self._digests = [
            (_digest_of(secret.get_secret_value()), owner)
            for owner, secrets in options.keys.items()
            for secret in secrets
        ]
        self.tokens = None if options.tokens is None else TokenVerifier(options.tokens)
        self._limits = limits or Limits(options)

    async def authenticate(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Caller:
        """Return the sender of a request.

        A key, if there is one, decides; otherwise the token does.  A websocket is counted as
        a connection of its owner from then on.

        The JavaScript SDK repeats its credential in the query of websockets
        (docs/protocol/speech-websocket.md, 1).  The legacy remote clients send a token without
        the word ``Bearer`` (docs/protocol/legacy-interface.md, 2.5).

        Args:
            headers: the headers, with names in any case.
            query: the parameters of the address; names in any case.

        Raises:
            AccessDeniedError: there is no valid credential.
            LimitError: too many requests of this owner, or too many refused ones of this
                address.
        """
        request = current_request()
        if request is not None:
            # Before any check: what an attacker guesses must not be answered at full speed.
            self._limits.failures.check(request.address)
        found = {
            name.lower(): value for source in (query, headers) for name, value in source.items()
        }
        try:
            owner = await self._owner(found.get(_KEY_HEADER, ""), found.get(_TOKEN_HEADER, ""))
        except AccessDeniedError:
            if request is not None:
                self._limits.failures.take(request.address)
            raise
        if request is not None:
            self._admit(request, owner)
        return Caller(owner)

    def admit(self, owner: str) -> Caller:
        """Return the sender of a request whose signed address names its owner.

        Raises:
            AccessDeniedError: the owner has no key any more.
            LimitError: too many requests of this owner.
        """
        # The owners of tokens are known to their issuer only.
        if self.tokens is None and owner not in {known for _, known in self._digests}:
            raise AccessDeniedError
        request = current_request()
        if request is not None:
            self._admit(request, owner)
        return Caller(owner)

    async def _owner(self, key: str, authorization: str) -> str:
        if key:
            return self._owner_of_key(key)
        if authorization and self.tokens is not None:
            return await self.tokens.owner(_token_of(authorization))
        raise AccessDeniedError

    def _owner_of_key(self, key: str) -> str:
        given = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        # All of them, so that the time depends neither on the key nor on its place.
        matching = [owner for digest, owner in self._digests if hmac.compare_digest(digest, given)]
        if not matching:
            raise AccessDeniedError
        return matching[0]

    def _admit(self, request: RequestContext, owner: str) -> None:
        if request.owner:
            return  # an endpoint that asks twice sends one request
        request.owner = owner
        if request.websocket:
            self._limits.handshakes.take(owner)
            request.at_end.append(self._limits.enter(owner))
        else:
            self._limits.requests.take(owner)


def _digest_of(key: str) -> bytes:
    if key.startswith(DIGEST_PREFIX):
        return bytes.fromhex(key.removeprefix(DIGEST_PREFIX))
    return hashlib.sha256(key.encode()).digest()


def _token_of(authorization: str) -> str:
    value = authorization.strip()
    if value.lower().startswith(_BEARER):
        value = value[len(_BEARER) :].strip()
    # The Speech SDK passes on the form "aad#RESOURCE_ID#TOKEN" as it is
    # (docs/protocol/speech-websocket.md, 1).
    return value.rpartition("#")[2]
