"""The process that runs the engine: ``python -P -m speech_adapters.backends.local.worker JOB``.

It reads a recording's audio from its file.  For a live meeting it follows the file
while it grows and says events on its standard output (see :mod:`.wire`); for a
stored one it puts the transcript into the store.  A crash of the engine ends this
process only, and a stored meeting does not need the program that recorded it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from speech_adapters.backends.local.job import Job
from speech_adapters.backends.local.options import origin
from speech_adapters.backends.local.protocol import Done, Failed, Idle, Said, encode
from speech_adapters.backends.local.reader import Feed
from speech_adapters.backends.local.utterances import Conversation
from speech_adapters.contract import Progress, SessionEvent, SpeechEnded
from speech_adapters.errors import BackendError, SpeechError
from speech_adapters.recording.session import CUT_SHORT
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.recording.workers import hold_patiently, log_path, take
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Transcript, ticks

if TYPE_CHECKING:
    from speech_adapters.backends.local.engine import Engine

__all__ = ["MAX_ATTEMPTS", "main"]

MAX_ATTEMPTS: Final = 3
_REPORT_SECONDS: Final = 2.0

_Say = Callable[[Said], None]
_Checkpoint = Callable[[float], None]


class _AbandonedError(Exception):
    """The meeting was deleted meanwhile, or nobody listens any more."""


def main(arguments: list[str]) -> int:
    """Do the job in ``arguments``; gives the exit code."""
    job = Job.load(arguments[0])
    with suppress(_AbandonedError):
        return _live(job) if job.live else _stored(job)
    return 0


def _live(job: Job) -> int:
    voice = _Voice(job)
    try:
        if job.store is None:
            _transcribe(job, voice.say, voice.wait_for_more, _nothing)
        else:
            _both(job, voice)
    except SpeechError as error:
        voice.say(Failed(str(error)))
        return 1
    voice.say(Done())
    return 0


def _both(job: Job, voice: _Voice) -> None:
    assert job.store is not None
    with Store.open(job.store) as store, hold_patiently(store, job.recording) or nullcontext():
        store.begin_attempt(job.recording)
        transcript = _transcribe(job, voice.say, voice.wait_for_more, _nothing)
        if voice.orphaned:
            store.close_audio(job.recording, voice.size, (CUT_SHORT,))
        _finish(store, store.get(job.recording), transcript)


def _stored(job: Job) -> int:
    assert job.store is not None
    with Store.open(job.store) as store:
        take(store, job.recording, partial(_process, job, store))
    return 0


def _process(job: Job, store: Store, recording: Recording) -> None:
    if store.begin_attempt(recording.id) > MAX_ATTEMPTS:
        store.fail(
            recording.id,
            f"The speech engine died {MAX_ATTEMPTS} times on this recording. Its audio is kept"
            f" in {recording.audio_path}: try another backend or model.",
        )
        return
    size = recording.audio_bytes or 0

    def checkpoint(seconds: float) -> None:
        if store.get(recording.id).state.final:
            raise _AbandonedError
        store.report(recording.id, seconds * job.pcm.bytes_per_second / max(size, 1))

    try:
        transcript = _transcribe(job, _nothing, lambda _: size, checkpoint)
    except SpeechError as error:
        store.fail(recording.id, str(error))
    else:
        _finish(store, recording, transcript)


def _finish(store: Store, recording: Recording, transcript: Transcript) -> None:
    notes = recording.request.notes + recording.notes
    noted = attrs.evolve(transcript, provenance=attrs.evolve(transcript.provenance, notes=notes))
    if store.complete(recording.id, noted):
        with suppress(OSError):  # a file that is open cannot be removed everywhere
            recording.audio_path.unlink(missing_ok=True)
            log_path(recording).unlink(missing_ok=True)


def _transcribe(
    job: Job, say: _Say, wait: Callable[[int], int | None], checkpoint: _Checkpoint
) -> Transcript:
    conversation = Conversation(job.language, job.diarize)
    pulse = _Pulse(say, checkpoint)
    with (
        SpoolReader(job.audio) as spool,
        _engine(job) as engine,
    ):
        if job.live and job.store is None:
            _hide(job)
        feed = Feed(spool, job.pcm, job.downmix, wait)
        for block in feed:
            _say_all(say, conversation.take(engine.feed(block), feed.seconds))
            pulse.beat(feed.seconds)
        _say_all(say, conversation.take(engine.finish(), feed.seconds))
    _say_all(say, conversation.end())
    spoken = conversation.utterances
    if spoken:
        say(SpeechEnded(max(utterance.end for utterance in spoken)))
    return Transcript(job.meeting_id, spoken, ticks(feed.seconds), origin())


def _engine(job: Job) -> Engine:
    try:
        from speech_adapters.backends.local.engine import Engine
    except (ImportError, OSError) as error:  # its native library lacks something
        raise BackendError(f"The speech engine cannot be loaded: {error}.") from error
    return Engine(job.options, job.pcm.sample_rate, job.diarize)


def _say_all(say: _Say, events: Iterator[SessionEvent]) -> None:
    for event in events:
        say(event)


def _hide(job: Job) -> None:
    """Take the temporary audio off the disk's index while it is open, where that works."""
    with suppress(OSError):
        job.audio.unlink()


def _nothing(_: object) -> None:
    """Say nothing, or check nothing."""


class _Pulse:
    """Says progress every second of audio, and looks up every two seconds of work."""

    def __init__(self, say: _Say, checkpoint: _Checkpoint) -> None:
        self._say = say
        self._checkpoint = checkpoint
        self._said = 0.0
        self._looked = time.monotonic()

    def beat(self, seconds: float) -> None:
        if seconds - self._said >= 1.0:
            self._said = seconds
            self._say(Progress(ticks(seconds)))
        if time.monotonic() - self._looked >= _REPORT_SECONDS:
            self._looked = time.monotonic()
            self._checkpoint(seconds)


class _Voice:
    """Standard input and output, shared with the session."""

    def __init__(self, job: Job) -> None:
        self._audio = job.audio
        self._needs_listener = job.store is None
        self._deaf = False
        self.orphaned = False
        self.size = 0

    def say(self, said: Said) -> None:
        """Say it; with nobody listening go on only where the store wants the result."""
        if self._deaf:
            return
        try:
            sys.stdout.write(encode(said))
            sys.stdout.flush()
        except OSError:
            self._deaf = True
            if self._needs_listener:
                raise _AbandonedError from None

    def wait_for_more(self, size: int) -> int | None:
        """Wait until there is more than ``size`` bytes; gives the whole size once known."""
        self.say(Idle(size))
        word, _, rest = sys.stdin.readline().partition(" ")
        if word == "end":
            self.size = int(rest)
            return self.size
        if not word:
            if self._needs_listener:
                raise _AbandonedError
            # What came in after the last look was never announced, but is on disk.
            self.orphaned, self.size = True, self._audio.stat().st_size
            return self.size
        return None


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Standard output may be a pipe that nobody reads any more: no complaint at exit.
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.exit(status)
