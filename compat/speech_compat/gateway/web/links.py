"""Signed addresses: they permit the download of one file for a short time, without a key.

A browser sends no headers for the audio of a player, nor for a download that it writes to the
disk.  An access key in the address would end up in its history and in the logs of proxies.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

__all__ = ["LIFETIME_SECONDS", "Links"]

LIFETIME_SECONDS: Final = 600


class Links:
    """Signs addresses of files, and checks the signatures.

    Args:
        secret: the secret that signs; gateways with the same one accept each other's addresses.
        clock: returns the Unix time in seconds.
    """

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock

    def sign(self, owner: str, path: str, query: Mapping[str, str]) -> str:
        """Return the address of a file with a signature, relative to the page.

        Args:
            owner: the owner of the meeting.
            path: the path of the file, without a slash at its start.
            query: which file.
        """
        expires = str(int(self._clock()) + LIFETIME_SECONDS)
        signed = {**query, "owner": owner, "expires": expires}
        return f"{path}?{urlencode({**signed, 'signature': self._signature(path, signed)})}"

    def owner(self, path: str, query: Mapping[str, str]) -> str | None:
        """Return the owner that an address was signed for; ``None`` if it is not valid now."""
        signed = {name: value for name, value in query.items() if name != "signature"}
        expected = self._signature(path, signed).encode()
        if not hmac.compare_digest(expected, query.get("signature", "").encode()):
            return None
        # Only numbers are ever signed.
        return signed["owner"] if int(signed["expires"]) > self._clock() else None

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        # JSON keeps the fields apart: no two requests have the same text.
        text = json.dumps([path, sorted(query.items())])
        return hmac.new(self._secret, text.encode(), "sha256").hexdigest()
