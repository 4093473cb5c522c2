"""The request of one recording, from the options of the command ``transcribe``."""

from __future__ import annotations

import argparse
from pathlib import Path

import attrs

from speech_adapters.audio import AudioFile
from speech_adapters.contract import Attendee, MeetingRequest, Mode
from speech_adapters.errors import VoiceSignatureError
from speech_adapters.signatures import parse_signature

__all__ = ["request_for"]


def request_for(
    options: argparse.Namespace, meeting_id: str, mode: Mode, file: AudioFile | None
) -> MeetingRequest:
    """Return the request for a file, or for audio at an address (``None``).

    Raises:
        VoiceSignatureError: a participant's file has no signature that can be used.
        OSError: it cannot be read.
    """
    request = MeetingRequest(
        meeting_id,
        mode=mode,
        language=options.language,
        immediate=False,
        max_speakers=options.speakers,
        attendees=tuple(_attendee(path) for path in options.participants),
    )
    return request if file is None else attrs.evolve(request, audio=file.pcm, notes=file.notes)


def _attendee(path: Path) -> Attendee:
    """Return the participant whose voice signature is in a file; its name is the id."""
    signature = path.read_text("utf-8", errors="replace")
    # A file that cannot be used would only lose the name, which is easy to miss.
    try:
        parse_signature(signature)
    except VoiceSignatureError as error:
        raise VoiceSignatureError(f"{path}: {error}", error.reason) from None
    return Attendee(path.stem, voice_signature=signature)
