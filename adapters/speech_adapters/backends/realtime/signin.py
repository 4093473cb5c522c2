"""The token that is valid now."""

from __future__ import annotations

import time
from typing import Any, Final

from speech_adapters.backends.realtime.options import Access

__all__ = ["SignIn"]

_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_EARLY_SECONDS: Final = 300.0


class SignIn:
    """Asks a credential or the program for a token, in time before the last one expires."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._held = ""
        self._renew_at = 0.0

    def token(self) -> str:
        """Give the token; empty where there is a key.

        Raises whatever the credential raises.
        """
        if self._access.token is not None:
            return str(self._access.token())
        if self._access.credential is not None and time.time() >= self._renew_at:
            self._renew(self._access.credential)
        return self._held

    def _renew(self, credential: Any) -> None:
        found = credential.get_token(_SCOPE)
        # With a region the service wants to know the resource too.
        resource = "" if self._access.endpoint else f"aad#{self._access.resource_id}#"
        self._held = f"{resource}{found.token}"
        life = found.expires_on - time.time()
        self._renew_at = time.time() + max(life - _EARLY_SECONDS, life / 2)
