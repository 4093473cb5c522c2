"""What the pages are made of: the capabilities of each backend, and every gap."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from double.voices import RETIRED
from speech_adapters import Attendee, Capabilities, Gap, MeetingRequest, Mode, PcmFormat, gaps
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService
from speech_adapters.request import SETTINGS
from speech_compat._session.mapping.requests import UNIDENTIFIED

__all__ = ["EVERYTHING", "all_capabilities", "all_gaps", "details", "lost"]

_HERE: Final = Path(__file__).resolve().parent
# Asks for everything; the numbers and names are those of the examples in docs/warnings.md.
EVERYTHING: Final = MeetingRequest(
    "m",
    audio=PcmFormat(channels=8),
    mode=Mode.BOTH,
    language="de-DE",
    max_speakers=36,
    attendees=(Attendee("a", voice_signature=RETIRED),),
    phrases=("x",),
    word_timestamps=True,
    addresses=("https://example.com/a.wav",),
    languages=(("de-DE", ""), ("en-US", "")),
    settings=dict.fromkeys(SETTINGS, "x"),
)
_NOTHING: Final = Capabilities(
    live=False,
    stored=False,
    diarization=False,
    languages=frozenset({"en"}),
    most_speakers=35,
)
# What the backends need to be created; nothing connects.
_SETTINGS: Final = {
    "service.endpoint": "https://example.cognitiveservices.azure.com",
    "service.key": "any",
    "backends.batch.storage_connection_string": "UseDevelopmentStorage=true",
    "backends.remote_meeting.endpoint": "https://gateway.example",
    "backends.shadow.primary": "local",
    "backends.shadow.second": "batch",
}


def details(name: str) -> dict[str, dict[str, str]]:
    """Return the content of a TOML file of this folder."""
    found: dict[str, dict[str, str]] = tomllib.loads((_HERE / name).read_text("utf-8"))
    return found


def all_capabilities() -> dict[str, Capabilities]:
    """Return the capabilities of the backends with their default options, in the order of the page.

    Raises:
        MissingExtraError: the packages of a backend are not installed.
    """

    async def work(folder: str) -> dict[str, Capabilities]:
        async with MeetingService(load_settings({**_SETTINGS, "state_dir": folder})) as meetings:
            return {name: meetings.backend(name).capabilities for name in details("backends.toml")}

    with TemporaryDirectory() as folder:
        return anyio.run(work, folder)


def all_gaps() -> dict[str, Gap]:
    """Return every gap by its code, in the order of the codes."""
    found = {gap.code: gap for gap in (*gaps(EVERYTHING, _NOTHING), UNIDENTIFIED)}
    return dict(sorted(found.items()))


def lost(capabilities: Mapping[str, Capabilities], code: str) -> list[str]:
    """Return the names of the backends with which something is lost."""
    return [
        name
        for name, claimed in capabilities.items()
        if code in {gap.code for gap in gaps(EVERYTHING, claimed)}
    ]
