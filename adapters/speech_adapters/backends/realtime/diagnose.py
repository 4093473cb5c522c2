"""The checks of the realtime backend: the Speech SDK, the resource, the backend `final`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from speech_adapters import registry
from speech_adapters.azure.credentials import find_source
from speech_adapters.azure.diagnose import address_finding, contact_checks, credential_check
from speech_adapters.backends.realtime.options import (
    NAME,
    RealtimeOptions,
    access_of,
    realtime_options,
    resource_of,
)
from speech_adapters.config import Settings
from speech_adapters.diagnosis import (
    AUDIO,
    AudioFile,
    Check,
    Finding,
    Subject,
    failed,
    ok,
)
from speech_adapters.errors import ConfigurationError
from speech_adapters.speech_sdk.diagnose import package_checks, websocket_contact
from speech_adapters.speech_sdk.options import Access

__all__ = ["backend_checks"]

# docs/protocol/legacy-interface.md, 5.1
_HOST: Final = "wss://{}.stt.speech.microsoft.com/stt/speech/universal/v2"
# Regions of clouds whose hosts are not known to the project.
_OTHER_CLOUDS: Final = ("usgov", "china")


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend."""
    return tuple(_checks(subject))


def _checks(subject: Subject) -> Iterator[Check]:
    settings = subject.settings
    yield from package_checks(NAME)

    def access() -> Access:
        return access_of(realtime_options(settings), settings)

    async def endpoint() -> Finding:
        options = realtime_options(settings)
        region, address = resource_of(options, settings.service)
        # A credential may need a certain form of endpoint; without one, its own check fails.
        if find_source(options, settings.service) is not None:
            access()
        return address_finding(address) if address else ok(f"region {region}")

    async def final() -> Finding:
        return _final(realtime_options(settings))

    yield Check("endpoint", "Endpoint", endpoint)
    yield credential_check(NAME, lambda: realtime_options(settings), settings.service)
    yield Check("final", "Final backend", final)
    yield from contact_checks(websocket_contact(lambda: _address(settings), access))
    if subject.audio is not None:
        audio = subject.audio
        yield Check(AUDIO, "Audio file", lambda: _audio(audio, settings))


def _address(settings: Settings) -> str:
    region, address = resource_of(realtime_options(settings), settings.service)
    if not address and region.startswith(_OTHER_CLOUDS):
        raise ConfigurationError(
            f"The host of the region {region} is not known here, only to the Speech SDK. Set"
            " backends.realtime.endpoint to check the connection."
        )
    return address or _HOST.format(region)


def _final(options: RealtimeOptions) -> Finding:
    if options.final == NAME:
        return ok("stored meetings are transcribed by realtime itself")
    if options.final not in registry.backend_names():
        return failed(
            f"backends.realtime.final names {options.final!r}, which is no backend.",
            f"Set it to one of {', '.join(registry.backend_names())}.",
        )
    return ok(f"stored meetings are transcribed by {options.final}: see its own line")


async def _audio(audio: AudioFile, settings: Settings) -> Finding:
    pace = realtime_options(settings).pace
    mixed = f", {audio.pcm.channels} channels mixed down" if audio.pcm.channels > 1 else ""
    return ok(f"sent at {pace:g} times real time{mixed}, {audio.seconds / pace / 60:.1f} minutes")
