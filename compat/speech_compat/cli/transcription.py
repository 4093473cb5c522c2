"""The transcription of one recording, in the way that the backend allows."""

from __future__ import annotations

import argparse
from typing import Final

import attrs

from speech_adapters.audio import AudioFile, open_audio
from speech_adapters.errors import AudioError
from speech_adapters.meetings import MeetingService
from speech_adapters.transcript import Transcript
from speech_compat.cli.display import Display
from speech_compat.cli.live import transcribe_live
from speech_compat.cli.sources import Source
from speech_compat.cli.stored import transcribe_stored

__all__ = ["Result", "transcribe_source"]

# Exit code: transcribed, but the file was truncated.
_TRUNCATED: Final = 3


@attrs.frozen
class Result:
    """A transcript, and what the user has to be informed of.

    Attributes:
        transcript: the transcript.
        notes: faults of the recording, one sentence each.
        code: the exit code.
    """

    transcript: Transcript
    notes: tuple[str, ...] = ()
    code: int = 0


async def transcribe_source(
    meetings: MeetingService, source: Source, options: argparse.Namespace, display: Display
) -> Result:
    """Transcribe a recording.

    Raises:
        SpeechError: there is no transcript.  What is kept of the recording was reported.
    """
    if source.problem:
        raise AudioError(source.problem)
    if source.address is not None:
        return Result(await transcribe_stored(meetings, source, None, options, display))
    with _open(source) as file:
        if meetings.backend().capabilities.live:
            transcript = await transcribe_live(meetings, source, file, options, display)
        else:
            transcript = await transcribe_stored(meetings, source, file, options, display)
        # After the transcription: truncation is known only at the end of the file.
        return Result(transcript, file.notes, _TRUNCATED if file.truncated else 0)


def _open(source: Source) -> AudioFile:
    assert source.path is not None
    try:
        file = open_audio(source.path)
    except AudioError as error:
        # The message names the file, which is a temporary one for standard input.
        raise AudioError(str(error).replace(str(source.path), source.label)) from error
    if file.duration == 0:
        file.close()
        raise AudioError(
            f"{source.label} has no audio (0 seconds): there is nothing to transcribe."
        )
    return file
