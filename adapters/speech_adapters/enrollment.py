"""Enrollment: creating a voice signature from recordings of a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from speech_adapters import threads
from speech_adapters.errors import UnsupportedError
from speech_adapters.signatures import VoiceSignature, parse_signature

if TYPE_CHECKING:
    from speech_adapters.meetings import MeetingService

__all__ = ["Enroller", "Enrollment", "enroll"]


@attrs.frozen
class Enrollment:
    """A new signature, and what is wrong with the recordings that it was made from.

    Attributes:
        signature: the signature.
        warnings: reasons for which it may identify the person badly, one sentence each.
    """

    signature: VoiceSignature
    warnings: tuple[str, ...] = ()

    def dump(self) -> str:
        """Return it as JSON, which :meth:`load` reads."""
        return json.dumps({"signature": self.signature.dump(), "warnings": self.warnings})

    @classmethod
    def load(cls, text: str) -> Enrollment:
        """Read what :meth:`dump` returned."""
        data = json.loads(text)
        return cls(parse_signature(data["signature"]), tuple(data["warnings"]))


@runtime_checkable
class Enroller(Protocol):
    """A backend that creates the voice signatures that it uses."""

    async def enroll(self, files: Sequence[Path]) -> Enrollment:
        """Create the voice signature of the one person who speaks in some WAV files.

        Raises:
            AudioError: a file cannot be used, several people speak, or there is too little
                speech.
            ConfigurationError: an option is wrong, or a package is missing.
        """
        ...


async def enroll(meetings: MeetingService, files: Sequence[Path]) -> Enrollment:
    """Create a voice signature with the configured backend; nothing is stored.

    Raises:
        UnsupportedError: the backend uses no voice signatures.
        SpeechError: as :meth:`Enroller.enroll`.
    """
    backend = await threads.COMPUTE.run(meetings.backend)
    if not isinstance(backend, Enroller):
        raise UnsupportedError(
            f'Backend {backend.name!r} uses no voice signatures: set "backend" to "local".'
        )
    return await backend.enroll(files)
