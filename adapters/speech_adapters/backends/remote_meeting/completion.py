"""From the service's answer about a meeting to its transcript in the store."""

from __future__ import annotations

from pathlib import Path

import attrs
import msgspec

from speech_adapters import isolated, threads
from speech_adapters.backends.remote_meeting.answers import AnswerFile, read_transcript
from speech_adapters.backends.remote_meeting.options import provenance
from speech_adapters.isolated import run_isolated
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.store.files import remove_completed

__all__ = ["complete", "complete_isolated"]


@attrs.frozen
class _Task:
    """The argument of :func:`complete_isolated`."""

    state_dir: str
    recording_id: str
    answer: AnswerFile


async def complete(store: AsyncStore, recording: Recording, path: Path) -> None:
    """Store the transcript in an answer, then remove the audio, unless it is kept.

    Raises:
        BackendError: the answer has no transcript that can be read, or the child process for a
            large one died.
        StoreError: the transcript cannot be stored.
    """
    request = recording.request
    answer = AnswerFile(
        str(path),
        recording.meeting_id,
        attrs.evolve(provenance(), notes=recording.provenance_notes),
        request.differentiate_speakers,
        request.language,
        request.audio.ticks(recording.audio_bytes or 0),
    )
    if await _store(store, recording.id, answer):
        await threads.STORE.run(remove_completed, recording)


async def _store(store: AsyncStore, recording_id: str, answer: AnswerFile) -> bool:
    """Return whether the transcript was stored: a deleted recording stays deleted."""
    # Parsing a large answer would stall the event loop even from a thread (see isolated).
    if (await threads.COMPUTE.run(Path(answer.path).stat)).st_size > isolated.LARGE_BYTES:
        task = msgspec.json.encode(_Task(str(store.directory), recording_id, answer))
        return bool(await run_isolated(complete_isolated, task.decode(), store.options.environment))
    transcript = await threads.COMPUTE.run(read_transcript, answer)
    return await store.run(Store.complete, recording_id, transcript)


def complete_isolated(argument: str) -> str:
    """Store a transcript in a child process; return an empty text if the meeting was deleted."""
    task = msgspec.json.decode(argument, type=_Task)
    with Store.open(Path(task.state_dir)) as store:
        stored = store.complete(task.recording_id, read_transcript(task.answer))
    return "stored" if stored else ""
