"""The process that recognizes a stored recording (started by :mod:`recording.workers`).

Its order comes on standard input, since it holds a key.  It goes on after what the journal
has, so whatever was heard before, by a program that died or by another worker, is not
heard again.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import attrs
from pydantic import BaseModel

from speech_adapters.azure.endpoint import default_credential
from speech_adapters.backends.realtime.feeder import Driver
from speech_adapters.backends.realtime.journal import Journal, journal_path, read_journal
from speech_adapters.backends.realtime.normalizer import Narrator
from speech_adapters.backends.realtime.options import NAME, Access, RealtimeOptions
from speech_adapters.backends.realtime.origin import origin
from speech_adapters.contract import Recognized, SessionEvent
from speech_adapters.errors import SpeechError
from speech_adapters.recording.workers import log_path, take
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Transcript

__all__ = ["MAX_ATTEMPTS", "Order", "finish", "main"]

MAX_ATTEMPTS: Final = 3
_REPORT_SECONDS: Final = 2.0


class Order(BaseModel):
    """What is to be done; the access is spelled out, so this is never logged.

    Attributes:
        state_dir: folder of the meeting store.
        recording: the recording's id in it.
        downmix: how its channels become one.
        options: of the backend, without its key.
        region, endpoint, key, token, resource_id: see :class:`Access`.
        default_credential: whether DefaultAzureCredential is used.
    """

    state_dir: Path
    recording: str
    downmix: str
    options: RealtimeOptions
    region: str = ""
    endpoint: str = ""
    key: str = ""
    token: str = ""
    resource_id: str = ""
    default_credential: bool = False

    def access(self) -> Access:
        """Give whom to connect to."""
        credential = default_credential(NAME) if self.default_credential else None
        token = (lambda: self.token) if self.token else None
        return Access(self.region, self.endpoint, self.key, credential, token, self.resource_id)


def main(text: str) -> int:
    """Do what the order in ``text`` says; gives the exit code."""
    order = Order.model_validate_json(text)
    with Store.open(order.state_dir) as store:
        take(store, order.recording, partial(_process, order, store))
    return 0


def _process(order: Order, store: Store, recording: Recording) -> None:
    if store.begin_attempt(recording.id) > MAX_ATTEMPTS:
        why = recording.details.get("trouble") or "the process that recognised it died"
        store.fail(
            recording.id,
            f"{MAX_ATTEMPTS} attempts came to no end: {why} Its audio and what was recognised are"
            " kept: resume the meeting to try again.",
        )
        return
    try:
        _recognise(order, store, recording)
    except SpeechError as error:
        if error.retryable:
            store.note(recording.id, trouble=str(error), step=f"to be tried again: {error}")
        else:
            store.fail(recording.id, str(error))


def _recognise(order: Order, store: Store, recording: Recording) -> None:
    from speech_adapters.backends.realtime.recognizer import connect  # loads the SDK

    request, access = recording.request, order.access()
    path = journal_path(recording)
    narrator = Narrator.of(request, order.options.backfill_seconds, read_journal(path))
    journal = Journal(path)
    meter = _Meter(store, recording, narrator)
    driver = Driver(
        recording.audio_path,
        request.audio,
        order.downmix,
        order.options,
        lambda told: connect(request, access, order.options.pace, told),
        narrator,
        lambda event: _note(event, journal, meter),
    )
    meter.driver = driver
    driver.grow(recording.audio_bytes or 0, ended=True)
    try:
        done = driver.run()
    finally:
        driver.release()
        journal.close()
    if done:
        finish(store, recording, narrator)


def _note(event: SessionEvent, journal: Journal, meter: _Meter) -> None:
    if isinstance(event, Recognized):
        journal.add(event.utterance)
    meter.look()


def finish(store: Store, recording: Recording, narrator: Narrator) -> bool:
    """Store the transcript of a recording that was recognised as a whole."""
    request = recording.request
    provenance = attrs.evolve(
        origin(), emulated=narrator.emulated, notes=request.notes + recording.notes
    )
    path = journal_path(recording)
    said = tuple(sorted(read_journal(path), key=lambda utterance: utterance.offset))
    length = request.audio.ticks(recording.audio_bytes or 0)
    stored = store.complete(
        recording.id, Transcript(recording.meeting_id, said, length, provenance)
    )
    if stored:
        with suppress(OSError):
            for file in (recording.audio_path, path, log_path(recording)):
                file.unlink(missing_ok=True)
    return stored


class _Meter:
    """Reports progress every few seconds, and notices a deletion."""

    def __init__(self, store: Store, recording: Recording, narrator: Narrator) -> None:
        self.driver: Driver | None = None
        self._store = store
        self._id = recording.id
        self._narrator = narrator
        self._length = recording.request.audio.ticks(recording.audio_bytes or 0)
        self._looked = 0.0

    def look(self) -> None:
        if time.monotonic() - self._looked < _REPORT_SECONDS:
            return
        self._looked = time.monotonic()
        if self._store.get(self._id).state.final and self.driver is not None:
            self.driver.close()
        self._store.report(self._id, self._narrator.reached / max(self._length, 1))


if __name__ == "__main__":
    try:
        code = main(sys.stdin.read())
    except BaseException:
        traceback.print_exc()
        code = 1
    # What is worth keeping is on disk; the SDK would take ten seconds to let go of a
    # service that does not answer.
    sys.stderr.flush()
    os._exit(code)
