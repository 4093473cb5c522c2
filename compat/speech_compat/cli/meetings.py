"""The commands that manage stored meetings; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import json
from pathlib import Path

from speech_adapters.contract import MeetingStatus
from speech_adapters.errors import MissingExtraError, SpeechError
from speech_adapters.export import render
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript
from speech_compat._session.mapping.results import remote_document
from speech_compat.cli.output import format_status, report, write
from speech_compat.cli.service import with_service

__all__ = ["convert", "delete", "resume", "show"]


def show(meeting_id: str, format: str, output: Path | None) -> int:  # noqa: A002
    """Write a stored transcript, or the meeting's status while there is none."""

    async def work(meetings: MeetingService) -> tuple[MeetingStatus, Transcript | None]:
        try:
            status = await meetings.status(meeting_id)
        except MissingExtraError as error:
            # It can be shown where it stands, but not continued.
            found = await meetings.store.run(Store.newest, meeting_id)
            _report(meeting_id, f"it is not continued here. {error}")
            return found.status(), None
        return status, await meetings.transcript(meeting_id) if status.state.final else None

    status, transcript = with_service(work)
    if transcript is None:
        _report(meeting_id, f"{format_status(status)}: ask again later.")
        return 1
    if status.reason:
        _report(meeting_id, status.reason)
    write(render(transcript, format), output)
    return 0


def resume(meeting_id: str) -> int:
    """Retry a meeting that has failed."""
    status = with_service(lambda meetings: meetings.resume(meeting_id))
    _report(meeting_id, f"{format_status(status)}.")
    return 0


def _report(meeting_id: str, text: str) -> None:
    report(f"meeting {meeting_id!r}: {text}")


def convert(result: Path, format: str, output: Path | None) -> int:  # noqa: A002
    """Convert a result file of batch or fast transcription."""
    from speech_adapters.azure.results import read_result

    origin = Provenance("azure", "batch or fast transcription")
    transcript = read_result(result, result.stem, origin)
    if format == "legacy":
        write(json.dumps(remote_document(transcript), ensure_ascii=False, indent=2) + "\n", output)
    else:
        write(render(transcript, format), output)
    return 0


def delete(meeting_ids: list[str]) -> int:
    """Delete meetings; continue after one that cannot be deleted, and report it."""

    async def work(meetings: MeetingService) -> int:
        code = 0
        for meeting_id in meeting_ids:
            try:
                await meetings.delete(meeting_id)
            except SpeechError as error:
                report(str(error))
                code = 1
        return code

    return with_service(work)
