"""The checks of the fast backend: the service, and the length and size of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.azure.diagnose import (
    Contact,
    Reply,
    contact_checks,
    request_once,
    resource_checks,
)
from speech_adapters.azure.endpoint import address
from speech_adapters.backends.fast.options import NAME, FastOptions, fast_options
from speech_adapters.config import Settings
from speech_adapters.diagnosis import (
    AUDIO,
    AudioFile,
    Check,
    Finding,
    Subject,
    failed,
    ok,
    package_check,
    warning,
)
from speech_adapters.errors import ConfigurationError

__all__ = ["backend_checks"]

_EXTRA: Final = "batch"
_PACKAGES: Final = {"httpx": "httpx", "tenacity": "tenacity"}
# The smallest and the largest limits that were published
# (docs/protocol/batch-and-fast-rest.md, 3): hours, and millions of bytes.
_HOURS: Final = (2.0, 5.0)
_MEGABYTES: Final = (200.0, 500.0)
_ALTERNATIVE: Final = "Use the backend auto, which passes such recordings to batch, or batch."


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend."""
    return tuple(_checks(subject))


def _checks(subject: Subject) -> Iterator[Check]:
    settings = subject.settings
    yield package_check(_EXTRA, _PACKAGES)
    yield from resource_checks(FastOptions, NAME, settings)

    async def options() -> Finding:
        found = fast_options(settings)
        return ok(f"version {found.api_version}" + (", a custom model" if found.model else ""))

    yield Check("options", "Options", options)
    yield from contact_checks(_contact(settings), version=_version(settings))
    if subject.audio is not None:
        audio = subject.audio
        yield Check(AUDIO, "Audio file", lambda: _audio(audio))


def _version(settings: Settings) -> str:
    try:
        return fast_options(settings).api_version
    except ConfigurationError:  # the checks of the options report it
        return ""


def _contact(settings: Settings) -> Contact:
    async def send() -> Reply:
        options = fast_options(settings)
        # A transcription would cost something; the list of batch jobs of the same resource
        # does not, and needs the same version.
        return await request_once(
            address(options),
            "/transcriptions",
            {"api-version": options.api_version, "top": "1"},
            lambda: choose_credentials(NAME, options, settings.service),
        )

    return Contact(lambda: address(fast_options(settings)), send)


async def _audio(audio: AudioFile) -> Finding:
    hours, megabytes = audio.seconds / 3600, audio.mono_bytes / 1_000_000
    found = f"It has {hours:.1f} h and, as mono, {megabytes:.0f} MB"
    if hours > _HOURS[1] or megabytes > _MEGABYTES[1]:
        return failed(
            f"{found}; the service accepts at most {_HOURS[1]:g} h and {_MEGABYTES[1]:g} MB.",
            _ALTERNATIVE,
        )
    if hours > _HOURS[0] or megabytes > _MEGABYTES[0]:
        return warning(
            f"{found}; some published limits of the service are {_HOURS[0]:g} h and"
            f" {_MEGABYTES[0]:g} MB.",
            _ALTERNATIVE,
        )
    mixed = f", {audio.pcm.channels} channels mixed down" if audio.pcm.channels > 1 else ""
    return ok(f"sent whole; as mono WAV it has {megabytes:.1f} MB{mixed}")
