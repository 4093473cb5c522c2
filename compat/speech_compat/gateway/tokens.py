"""Tokens of Microsoft Entra, or of another issuer of JSON web tokens."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import anyio
import jwt

from speech_adapters import threads
from speech_adapters.azure.user_agent import user_agent
from speech_compat.gateway.errors import AccessDeniedError, LimitError
from speech_compat.gateway.options import ENTRA_PREFIX, TokenOptions

__all__ = ["IssuerKeys", "TokenVerifier"]

_logger = logging.getLogger("speech_compat.gateway")

# The only algorithm: a token must not choose "none", or HMAC with the public key as its secret.
_ALGORITHMS: Final = ("RS256",)
_REQUIRED: Final = ("aud", "exp", "iss")
# Clocks of two machines differ.
_LEEWAY_SECONDS: Final = 60
_LIFETIME_SECONDS: Final = 3_600.0
# Anyone can send tokens with made-up key ids, so they cause few requests to the issuer.
_PAUSE_SECONDS: Final = 60.0
_FETCH_SECONDS: Final = 10.0
_TOKEN_CHARACTERS: Final = 16_384


class IssuerKeys:
    """The public keys of an issuer, fetched when they are needed first and then hourly.

    Keys that were fetched before stay valid while the issuer cannot be reached.

    Args:
        url: the address of the key set (JWKS).
        clock: returns seconds.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        # Without its caches, which block other threads during a request.
        self._client = jwt.PyJWKClient(
            url,
            cache_jwk_set=False,
            headers={"User-Agent": user_agent()},
            timeout=_FETCH_SECONDS,
        )
        self._clock = clock
        self._lock = anyio.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        # Times of the last successful and of the last attempted request.
        self._fetched: float | None = None
        self._tried: float | None = None

    async def get(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key by its id; ``None`` if the issuer has none with that id.

        Raises:
            LimitError: the keys could not be fetched even once.
        """
        if key_id not in self._keys or self._is_older(self._fetched, _LIFETIME_SECONDS):
            async with self._lock:  # one request at a time; the others use its result
                if self._is_older(self._tried, _PAUSE_SECONDS):
                    await self.refresh()
        if self._fetched is None:
            raise LimitError("Tokens cannot be checked at present.", _PAUSE_SECONDS)
        return self._keys.get(key_id)

    async def refresh(self) -> str:
        """Fetch the keys; returns why this failed, or an empty text."""
        self._tried = self._clock()
        try:
            found = await threads.TRANSFER.run(self._client.get_signing_keys)
        except (jwt.PyJWTError, ValueError, OSError) as error:
            # Only the kind: the text may quote what the address answered.
            reason = type(error.__cause__ or error).__name__
            _logger.warning("The keys of the token issuer could not be fetched: %s.", reason)
            return reason
        self._keys = {key.key_id: key for key in found if key.key_id}
        self._fetched = self._clock()
        return ""

    def _is_older(self, moment: float | None, seconds: float) -> bool:
        return moment is None or self._clock() - moment >= seconds


class TokenVerifier:
    """Checks tokens and returns their owners.

    Args:
        options: which tokens are accepted.
        keys: the keys of their issuer.
    """

    def __init__(self, options: TokenOptions, keys: IssuerKeys | None = None) -> None:
        self._options = options
        self.keys = keys or IssuerKeys(options.keys_address)

    async def owner(self, token: str) -> str:
        """Return the owner that a token names, without personal data.

        Raises:
            AccessDeniedError: the token is not valid.
            LimitError: the keys of the issuer cannot be fetched.
        """
        if len(token) > _TOKEN_CHARACTERS:
            raise AccessDeniedError
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self.keys.get(key_id) if isinstance(key_id, str) else None
            if key is None:
                raise AccessDeniedError
            return self._owner(self._claims(token, key))
        except (jwt.PyJWTError, ValueError, TypeError):
            # Without a cause: its text may quote the token.
            raise AccessDeniedError from None

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=list(_ALGORITHMS),
            audience=list(self._options.audience),
            issuer=list(self._options.issuers),
            leeway=_LEEWAY_SECONDS,
            options={"require": list(_REQUIRED)},
        )
        return claims

    def _owner(self, claims: dict[str, Any]) -> str:
        if self._options.tenant and claims.get("tid") != self._options.tenant:
            raise AccessDeniedError
        roles = claims.get("roles", [])
        wanted = set(self._options.roles)
        if wanted and not (isinstance(roles, list) and wanted.intersection(map(str, roles))):
            raise AccessDeniedError
        # The object id is the same in the tokens of all applications; "sub" is not.
        subject = claims.get("oid") or claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise AccessDeniedError
        # Hashed: both are personal data, and the owner's name appears in logs and in the store.
        identity = f"{claims.get('tid') or claims['iss']}\n{subject}"
        return ENTRA_PREFIX + hashlib.sha256(identity.encode()).hexdigest()[:32]
