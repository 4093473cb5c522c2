"""Who sends a request: from the credential of a request to the owner of meetings."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import attrs

from speech_compat.gateway.options import GatewayOptions

__all__ = ["AccessControl", "AccessDeniedError", "Caller"]

_KEY_HEADER = "ocp-apim-subscription-key"


class AccessDeniedError(Exception):
    """The request has no valid credential."""


@attrs.frozen
class Caller:
    """The sender of a request.

    Attributes:
        owner: letters, digits, dots, hyphens and underscores; the owner of its meetings.
    """

    owner: str


class AccessControl:
    """Checks credentials.

    Args:
        options: the options of the gateway.
    """

    def __init__(self, options: GatewayOptions) -> None:
        self._options = options

    async def authenticate(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Caller:
        """Return the sender of a request.

        The JavaScript SDK repeats its credential in the query of websockets
        (docs/protocol/speech-websocket.md, 1).

        Args:
            headers: the headers, with names in any case.
            query: the parameters of the address; names in any case.

        Raises:
            AccessDeniedError: there is no valid credential.
        """
        found = {
            name.lower(): value for source in (query, headers) for name, value in source.items()
        }
        key = found.get(_KEY_HEADER, "").encode()
        for owner, secret in self._options.keys.items():
            if hmac.compare_digest(secret.get_secret_value().encode(), key):
                return Caller(owner)
        raise AccessDeniedError
