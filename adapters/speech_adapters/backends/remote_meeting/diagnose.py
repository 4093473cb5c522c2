"""The checks of the remote_meeting backend: the Speech SDK, and both addresses of the service."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.azure.diagnose import (
    Contact,
    Reply,
    address_finding,
    contact_checks,
    credential_check,
    request_once,
)
from speech_adapters.backends.remote_meeting.options import (
    NAME,
    Addresses,
    access_of,
    addresses_of,
    remote_meeting_options,
)
from speech_adapters.config import Settings
from speech_adapters.diagnosis import AUDIO, AudioFile, Check, Finding, Subject, ok
from speech_adapters.speech_sdk.diagnose import package_checks, websocket_contact
from speech_adapters.speech_sdk.options import Access

__all__ = ["backend_checks"]

_PACKAGES: Final = {"httpx": "httpx", "tenacity": "tenacity"}
_NOT_FOUND: Final = (404, 410)


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend."""
    return tuple(_checks(subject))


def _checks(subject: Subject) -> Iterator[Check]:
    settings = subject.settings
    yield from package_checks(NAME, _PACKAGES)

    def addresses() -> Addresses:
        return addresses_of(remote_meeting_options(settings), settings)

    def access() -> Access:
        return access_of(remote_meeting_options(settings), addresses(), settings)

    async def endpoint() -> Finding:
        return address_finding(addresses().websocket)

    async def rest_endpoint() -> Finding:
        return address_finding(addresses().rest)

    yield Check("endpoint", "Websocket address", endpoint)
    yield Check("rest_endpoint", "REST address", rest_endpoint)
    yield credential_check(NAME, lambda: remote_meeting_options(settings), settings.service)
    websocket = websocket_contact(lambda: addresses().websocket, access)
    yield from contact_checks(websocket, service="websocket")
    yield from contact_checks(_rest_contact(settings))
    if subject.audio is not None:
        audio = subject.audio
        yield Check(AUDIO, "Audio file", lambda: _audio(audio))


def _rest_contact(settings: Settings) -> Contact:
    """Return a question about a meeting that does not exist."""

    def rest() -> str:
        return addresses_of(remote_meeting_options(settings), settings).rest

    async def send() -> Reply:
        options = remote_meeting_options(settings)
        reply = await request_once(
            rest(),
            "/offlinetask",
            {"id": f"speech-compat-doctor-{uuid.uuid4().hex}"},
            lambda: choose_credentials(NAME, options, settings.service),
        )
        return attrs.evolve(reply, refusal=None) if reply.status in _NOT_FOUND else reply

    return Contact(rest, send)


async def _audio(audio: AudioFile) -> Finding:
    channels = f"{audio.pcm.channels} channels" if audio.pcm.channels > 1 else "one channel"
    return ok(f"sent with {channels} and {audio.pcm.sample_rate} Hz, as it is")
