"""The checks of the auto backend: those of fast and batch, and which of them gets a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from speech_adapters import registry
from speech_adapters.backends.auto.options import auto_options
from speech_adapters.config import Settings
from speech_adapters.diagnosis import AUDIO, AudioFile, Check, Finding, Subject, ok

__all__ = ["backend_checks"]

_PARTS: Final = ("fast", "batch")
_MEGABYTE: Final = 1_000_000


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend and of both that it uses."""
    return tuple(_checks(subject))


def _checks(subject: Subject) -> Iterator[Check]:
    settings = subject.settings

    async def options() -> Finding:
        found = auto_options(settings)
        return ok(
            f"up to {found.fast_minutes:g} minutes and {found.fast_megabytes:g} MB with fast,"
            " longer ones with batch"
        )

    yield Check("options", "Options", options)
    found: dict[str, Check] = {}
    for name in _PARTS:
        for check in registry.backend_checks(name, subject):
            found[f"{name}.{check.id}"] = attrs.evolve(
                check, id=f"{name}.{check.id}", title=f"{check.title} ({name})"
            )
    yield from (check for key, check in found.items() if not key.endswith(f".{AUDIO}"))
    if subject.audio is not None:
        audio = subject.audio
        yield Check(AUDIO, "Audio file", lambda: _audio(audio, settings, found))


async def _audio(audio: AudioFile, settings: Settings, parts: dict[str, Check]) -> Finding:
    options = auto_options(settings)
    fits = (
        audio.seconds <= options.fast_minutes * 60
        and audio.mono_bytes <= options.fast_megabytes * _MEGABYTE
    )
    # batch alone can split channels.
    splits = settings.backends.get("batch", {}).get("channels", "mix") != "mix"
    name = "fast" if fits and not (splits and audio.pcm.channels > 1) else "batch"
    finding = await parts[f"{name}.{AUDIO}"].run()
    return attrs.evolve(finding, text=f"goes to {name}: {finding.text}")
