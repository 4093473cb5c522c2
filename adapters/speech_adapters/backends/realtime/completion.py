"""From the journal of a recording to its transcript in the store."""

from __future__ import annotations

from pathlib import Path

import attrs
import msgspec

from speech_adapters import isolated, threads
from speech_adapters.backends.realtime.options import provenance
from speech_adapters.isolated import run_isolated
from speech_adapters.speech_sdk.journal import journal_path, read_journal
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.store.files import remove_completed
from speech_adapters.transcript import Transcript

__all__ = ["complete", "complete_async", "complete_isolated"]


@attrs.frozen
class _Task:
    """The argument of :func:`complete_isolated`."""

    state_dir: str
    recording_id: str
    emulated: tuple[str, ...]


def complete(store: Store, recording_id: str, emulated: tuple[str, ...]) -> bool:
    """Store the transcript of a recording that is recognized to its end, and remove its files.

    Args:
        store: the meeting store.
        recording_id: which recording.
        emulated: what was estimated, for the provenance.

    Returns:
        Whether it was stored; a recording that was deleted meanwhile stays deleted.

    Raises:
        StoreError: the journal cannot be read, or the transcript not be stored.
    """
    recording = store.get(recording_id)
    request = recording.request
    utterances = read_journal(journal_path(recording))
    # In crosstalk an utterance may come before one that started earlier.
    utterances.sort(key=lambda utterance: utterance.offset)
    transcript = Transcript(
        recording.meeting_id,
        tuple(utterances),
        request.audio.ticks(recording.audio_bytes or 0),
        attrs.evolve(provenance(), emulated=emulated, notes=recording.provenance_notes),
    )
    stored = store.complete(recording_id, transcript)
    if stored:
        remove_completed(recording)
    return stored


async def complete_async(
    store: AsyncStore, recording: Recording, emulated: tuple[str, ...]
) -> bool:
    """Do the same as :func:`complete`; the event loop is never blocked.

    Raises:
        StoreError: the journal cannot be read, or the transcript not be stored.
        BackendError: the child process for a large journal cannot be started, or it died.
    """
    if await threads.STORE.run(_size, journal_path(recording)) <= isolated.LARGE_BYTES:
        return await store.run(complete, recording.id, emulated)
    task = _Task(str(store.directory), recording.id, emulated)
    return bool(
        await run_isolated(
            complete_isolated, msgspec.json.encode(task).decode(), store.options.environment
        )
    )


def complete_isolated(argument: str) -> str:
    """Complete a recording in a child process; return an empty text if it was deleted."""
    task = msgspec.json.decode(argument, type=_Task)
    with Store.open(Path(task.state_dir)) as store:
        return "stored" if complete(store, task.recording_id, task.emulated) else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
