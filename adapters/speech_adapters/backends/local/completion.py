"""What a process does to a recording in the store when it transcribes it."""

from __future__ import annotations

import attrs

from speech_adapters.backends.local.channel import AbandonedError
from speech_adapters.contract import JobState
from speech_adapters.recording.workers import is_wanted
from speech_adapters.store import Store
from speech_adapters.store.files import remove_completed, remove_others
from speech_adapters.transcript import Transcript

__all__ = ["check_wanted", "clean_if_deleted", "complete"]


def check_wanted(store: Store, recording_id: str) -> None:
    """Raise AbandonedError if the meeting was deleted."""
    if not is_wanted(store, recording_id):
        raise AbandonedError


def complete(store: Store, recording_id: str, transcript: Transcript) -> None:
    """Store the transcript, and remove the files that are no longer needed."""
    recording = store.get(recording_id)
    notes = recording.provenance_notes
    noted = attrs.evolve(transcript, provenance=attrs.evolve(transcript.provenance, notes=notes))
    if store.complete(recording_id, noted):
        remove_completed(recording)


def clean_if_deleted(store: Store, recording_id: str) -> None:
    """Remove the log of a deleted recording, which the service leaves to the lock's holder."""
    recording = store.get(recording_id)
    # While a file is left, the cleanup stays due, and the service retries it.
    if recording.state is JobState.DELETED and remove_others(recording.audio_path):
        store.cleaned(recording_id)
