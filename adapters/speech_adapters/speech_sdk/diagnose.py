"""Checks that the backends on the Speech SDK share: package, native library, websocket."""

from __future__ import annotations

import base64
import http.client
import secrets
import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from speech_adapters import threads
from speech_adapters.azure.diagnose import Contact, Reply, date_of
from speech_adapters.diagnosis import Check, library_check, package_check
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    SpeechError,
)
from speech_adapters.speech_sdk.options import Access
from speech_adapters.speech_sdk.sdk_probe import load_sdk

__all__ = ["package_checks", "websocket_contact"]

_PACKAGES: Final = {"azure.cognitiveservices.speech": "azure-cognitiveservices-speech"}
_TIMEOUT_SECONDS: Final = 30.0
_SWITCHING: Final = 101
_UNAUTHORIZED: Final = (401, 403)
_SECURE: Final = ("wss", "https")


def package_checks(extra: str, more: dict[str, str] | None = None) -> Iterator[Check]:
    """Yield the checks of the packages and of the SDK's native library.

    Args:
        extra: the extra that installs them.
        more: further packages, as for :func:`speech_adapters.diagnosis.package_check`.
    """
    yield package_check(extra, _PACKAGES | (more or {}))
    yield library_check(load_sdk, extra)


def websocket_contact(address_of: Callable[[], str], access_of: Callable[[], Access]) -> Contact:
    """Return the opening of a websocket, which is closed at once, before any message.

    Args:
        address_of: returns the address of the websocket, with its path.
        access_of: returns the credential.
    """

    async def send() -> Reply:
        return await threads.TRANSFER.run(_handshake, address_of(), access_of())

    return Contact(address_of, send)


def _handshake(address: str, access: Access) -> Reply:
    """Open a websocket as the SDK does (docs/protocol/speech-websocket.md, 2.1).

    The standard library is enough for that, and the extra has no other client.
    """
    parts = urlsplit(address)
    headers, unsigned = _headers(access)
    host = str(parts.hostname)
    with closing(_connect(host, parts.port, secure=parts.scheme in _SECURE)) as connection:
        target = f"{parts.path or '/'}?{parts.query or 'language=en-US'}"
        try:
            connection.request("GET", target, headers=headers)
        except ValueError:  # its text quotes the header, which is the credential
            raise ConfigurationError(
                "The address, the key or the token has characters that cannot be sent, such as"
                " line breaks. Copy it again."
            ) from None
        with connection.getresponse() as response:
            date = date_of(response.headers.get("date", ""))
            refusal = _refusal(host, response.status, response.reason)
            return Reply(response.status, date, refusal, unsigned)


def _connect(host: str, port: int | None, *, secure: bool) -> http.client.HTTPConnection:
    if not secure:
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)


def _headers(access: Access) -> tuple[dict[str, str], SpeechError | None]:
    """Return the headers, and why there is no credential among them if there is none."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "X-ConnectionId": uuid.uuid4().hex,
    }
    if access.key:
        return headers | {"Ocp-Apim-Subscription-Key": access.key}, None
    try:
        token = access.token_provider().token()
    except AuthenticationError as error:
        return headers, error
    return headers | {"Authorization": f"Bearer {token}"}, None


def _refusal(host: str, status: int, reason: str) -> SpeechError | None:
    if status == _SWITCHING:
        return None
    text = f"{host} refused the websocket ({status} {reason})."
    return AuthenticationError(text) if status in _UNAUTHORIZED else BackendError(text)
