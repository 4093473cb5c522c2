"""The engine process of a program: transcribes all its live meetings, one thread for each.

The threads share the models.  An error in one of them ends its meeting only; a crash of the
engine ends the process, and with it all its meetings.  When the program has gone, the meetings
that are stored are completed, and the process ends after the last one::

    job.store
        no     events only; ends with the session
        yes    events and transcript; holds the recording's lock while it runs
"""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import suppress
from typing import Final, TextIO

import attrs

from speech_adapters.backends.local import live, stored
from speech_adapters.backends.local.channel import AbandonedError, MessageWriter, SessionChannel
from speech_adapters.backends.local.completion import check_wanted, clean_if_deleted, complete
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.protocol import Failed, Finished, Stopped, WorkerMessage
from speech_adapters.backends.local.pulse import Checkpoint
from speech_adapters.errors import SpeechError, StoreError
from speech_adapters.store import Store, acquire_with_retry
from speech_adapters.store.recovery import close_abandoned
from speech_adapters.transcript import Transcript

__all__ = ["serve"]

# Each check reads the store.
_PAUSE_SECONDS: Final = 0.5


def serve(models: Models, commands: TextIO, output: TextIO) -> None:
    """Transcribe the meetings that ``commands`` start, until no more come and all have ended.

    Args:
        models: the models that all meetings share.
        commands: the program's commands, see :mod:`.protocol`.
        output: receives the messages.
    """
    writer = MessageWriter(output)
    channels: dict[int, SessionChannel] = {}
    meetings: list[threading.Thread] = []
    for line in commands:
        command, number, *argument = line.split(maxsplit=2)
        session = int(number)
        if command == "start":
            job = TranscriptionJob.load(argument[0])
            channels[session] = SessionChannel(
                session, job.audio, writer.write, required=job.store is None
            )
            meeting = threading.Thread(target=_run, args=(job, channels[session], models))
            meeting.start()
            meetings = [*(other for other in meetings if other.is_alive()), meeting]
        elif command == "more":
            channels[session].grow()
        elif command == "end":
            channels[session].end(int(argument[0]))
        elif command == "read":
            channels[session].acknowledge(int(argument[0]))
        elif command == "stop":  # the last command of each session
            channels.pop(session).stop()
    for channel in channels.values():
        channel.orphan()
    for meeting in meetings:
        meeting.join()


def _run(job: TranscriptionJob, channel: SessionChannel, models: Models) -> None:
    """Transcribe one meeting; its last message is sent when its recording is unlocked."""
    last: WorkerMessage = Finished()
    try:
        if job.store is None:
            _transcribe(job, channel, models, channel.check)
        else:
            _run_and_store(job, channel, models)
    except AbandonedError:
        last = Stopped()
    except SpeechError as error:
        last = Failed(str(error))
    except Exception as error:
        # The other meetings of this process go on.  The text may quote what was said.
        traceback.print_exc()
        last = Failed(
            f"The speech engine failed with an unexpected {type(error).__name__}. A stored"
            " meeting is not lost: ask for it by its id. Please report the error."
        )
    channel.send_last(last)


def _run_and_store(job: TranscriptionJob, channel: SessionChannel, models: Models) -> None:
    assert job.store is not None
    with Store.open(job.store, job.store_options) as store:
        with suppress(StoreError):  # events without names are better than none
            # They may have changed since the session was opened.
            job = attrs.evolve(job, attendees=store.get(job.recording).request.attendees)
        lock = acquire_with_retry(lambda: store.lock_recording(job.recording))
        if lock is None:
            # A worker processes the recording already, since its audio has ended.
            _transcribe(job, channel, models, channel.check)
            return

        def checkpoint(_: float) -> None:
            channel.check()
            check_wanted(store, job.recording)

        with lock:
            with suppress(StoreError):  # one attempt more does less harm than no events
                store.begin_attempt(job.recording)
            try:
                transcript = _transcribe(job, channel, models, checkpoint)
                if channel.cut_short:
                    _wait_for_take_over(job, checkpoint)
                    # The program died, so this process ends the recording in its place.
                    close_abandoned(store, store.get(job.recording))
                complete(store, job.recording, transcript)
            finally:
                clean_if_deleted(store, job.recording)


def _wait_for_take_over(job: TranscriptionJob, checkpoint: Checkpoint) -> None:
    """Keep the recording open, with its audio, while another program may take it over.

    Raises:
        AbandonedError: one has done so.
    """
    deadline = time.monotonic() + job.take_over_seconds
    while time.monotonic() < deadline:
        checkpoint(0.0)
        time.sleep(_PAUSE_SECONDS)


def _transcribe(
    job: TranscriptionJob, channel: SessionChannel, models: Models, checkpoint: Checkpoint
) -> Transcript:
    transcribe = live.transcribe if job.immediate else stored.transcribe
    transcript = transcribe(job, models, channel.send, channel.wait_for_audio, checkpoint)
    if not job.immediate:
        for event in stored.events(transcript):
            channel.send(event)
    return transcript
