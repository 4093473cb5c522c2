"""One attempt to transcribe a recording of the store, which counts before the engine starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from speech_adapters.backends.local import stored
from speech_adapters.backends.local.completion import check_wanted, complete
from speech_adapters.backends.local.job import Processing, TranscriptionJob
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.pulse import ignore
from speech_adapters.errors import SpeechError
from speech_adapters.store import Recording, Store

__all__ = ["MAX_ATTEMPTS", "transcribe_recording"]

# An engine that dies this often on a recording will die again: the meeting fails.
MAX_ATTEMPTS: Final = 3


def transcribe_recording(
    store: Store,
    recording: Recording,
    engine: Callable[[], tuple[Processing, Models]],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Transcribe a recording and store the transcript, or the reason why that failed.

    Args:
        store: the store.
        recording: the recording, which is locked and in the state Processing.
        engine: returns how it is transcribed, and the models for that.
        check: called every two seconds and before the transcript is stored.  What it raises
            ends the attempt.

    Raises:
        AbandonedError: the meeting was deleted.
    """
    # Counted before the engine starts: one that crashes leaves no time to count.
    if store.begin_attempt(recording.id) > MAX_ATTEMPTS:
        store.fail(
            recording.id,
            f"The speech engine died {MAX_ATTEMPTS} times on this recording. Its audio is"
            f" kept in {recording.audio_path}: try another backend or model.",
        )
        return
    processing, models = engine()
    job = TranscriptionJob.create(
        recording.request,
        recording.audio_path,
        processing,
        store=store.directory,
        recording=recording.id,
    )
    size = recording.audio_bytes or 0

    def checkpoint(seconds: float) -> None:
        check()
        check_wanted(store, recording.id)
        share = seconds * job.pcm.bytes_per_second / max(size, 1)
        store.report(recording.id, progress=share)

    try:
        transcript = stored.transcribe(job, models, ignore, lambda _: size, checkpoint)
    except SpeechError as error:
        store.fail(recording.id, str(error))
    else:
        check()
        complete(store, recording.id, transcript)
