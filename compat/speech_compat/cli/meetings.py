"""The commands that manage stored meetings; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from speech_adapters import export, threads
from speech_adapters.contract import MeetingStatus
from speech_adapters.errors import MissingExtraError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_adapters.transcript import AnyTranscript, Provenance, StreamedTranscript
from speech_compat._session.mapping.results import remote_document, remote_item
from speech_compat.cli.output import format_status, report, write
from speech_compat.cli.service import with_service

__all__ = ["convert", "delete", "resume", "show"]


def show(meeting_id: str, format: str, output: Path | None) -> int:  # noqa: A002
    """Write a stored transcript, or the meeting's status while there is none."""

    async def work(meetings: MeetingService) -> int:
        try:
            status = await meetings.status(meeting_id)
        except MissingExtraError as error:
            # It can be shown where it stands, but not continued.
            found = await meetings.store.run(Store.newest, meeting_id)
            _report(meeting_id, f"it is not continued here. {error}")
            return _report_status(meeting_id, found.status())
        if not status.state.final:
            return _report_status(meeting_id, status)
        transcript = await meetings.stream(meeting_id)
        if status.reason:
            _report(meeting_id, status.reason)
        await threads.COMPUTE.run(write, export.write(transcript, format), output)
        return 0

    return with_service(work)


def _report_status(meeting_id: str, status: MeetingStatus) -> int:
    _report(meeting_id, f"{format_status(status)}: ask again later.")
    return 1


def resume(meeting_id: str) -> int:
    """Retry a meeting that has failed."""
    status = with_service(lambda meetings: meetings.resume(meeting_id))
    _report(meeting_id, f"{format_status(status)}.")
    return 0


def _report(meeting_id: str, text: str) -> None:
    report(f"meeting {meeting_id!r}: {text}")


def convert(result: Path, format: str, output: Path | None) -> int:  # noqa: A002
    """Convert a result file of batch or fast transcription."""
    from speech_adapters.azure.results import open_result

    origin = Provenance("azure", "batch or fast transcription")
    transcript = open_result(result, result.stem, origin)
    if format == "legacy":
        write(_legacy(transcript), output)
    else:
        write(export.write(transcript, format), output)
    return 0


def _legacy(transcript: AnyTranscript) -> Iterator[str]:
    """Yield the document of :func:`remote_document`, at constant memory."""
    empty = StreamedTranscript(transcript.meeting_id, (), 0, transcript.provenance).load()
    before, after = _indented(remote_document(empty)).rsplit("[]", 1)
    found = False
    for utterance in transcript.utterances:
        text = _indented(remote_item(utterance)).replace("\n", "\n    ")
        yield f"{',' if found else before + '['}\n    {text}"
        found = True
    yield (f"\n  ]{after}" if found else f"{before}[]{after}") + "\n"


def _indented(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


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
