"""The one function that masks secrets in text that leaves the process or reaches the disk.

Texts for logs, exceptions and the meeting store may quote what a service or a library
wrote: signed addresses of audio, keys, tokens.  All of them pass through :func:`mask`.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["mask"]

_MASK: Final = "***"
# The query of an address is dropped as a whole: besides a signature it may name a meeting.
_QUERY: Final = re.compile(
    r"(?P<address>\b[a-z][a-z0-9+.-]*://[^\s?\"'<>]*)\?[^\s\"'<>]*|\?[^\s\"'<>?]*=[^\s\"'<>]*",
    re.IGNORECASE,
)
# User name and password before a host, as in the address of a proxy.
_USER: Final = re.compile(r"(?P<scheme>://)[^\s/@]+@")
_BEARER: Final = re.compile(r"(?P<name>\bBearer(?:\s+|%20))[^\s\"',;]+", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"(?P<name>(?:\bsig|\b(?:access_)?token|\bpassword|\bsecret|\bapi[-_]?key|\bkey(?==)"
    r"|\bAccountKey|\bSharedAccessSignature|\b(?:Ocp-Apim-)?Subscription-?Key|\bAuthorization)"
    r"[\"']?\s*[=:]\s*[\"']?)(?!Bearer\b)[^\s\"',;&]+",
    re.IGNORECASE,
)
# Secrets that are known by their form alone: a JSON web token with its two or three parts,
# the key of a Speech resource (84 characters) and of a storage account (64 bytes in base64).
# The older keys of 32 hexadecimal digits look like ids, which logs need: these are masked
# only behind a name.
_SHAPED: Final = re.compile(
    r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|\b[A-Za-z0-9]{84}\b|(?<![\w+/])[\w+/]{86}=="
)


def mask(text: str) -> str:
    """Return ``text`` without signatures, keys, tokens, passwords and queries of addresses.

    The query of an address is removed; every other secret is replaced by ``***``.
    """
    text = _QUERY.sub(lambda match: match["address"] or "", text)
    text = _USER.sub(rf"\g<scheme>{_MASK}@", text)
    text = _BEARER.sub(rf"\g<name>{_MASK}", text)
    text = _NAMED.sub(rf"\g<name>{_MASK}", text)
    return _SHAPED.sub(_MASK, text)
