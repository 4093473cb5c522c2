"""Programs that end or restart a transcription in unusual ways, for the real SDK and the facade.

As a script: ``lifecycle.py real|facade CASE ENDPOINT`` prints one line per event.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Any

__all__ = ["CASES"]

CASES = ("main-ends", "sys-exit", "restart")
SECONDS = 3
BYTES_PER_SECOND = 32_000


class Program:
    """A transcriber whose events are printed, and its stream."""

    def __init__(self, speechsdk: Any, endpoint: str) -> None:
        config = speechsdk.SpeechConfig(endpoint=endpoint, subscription="no-key")
        self.stream = speechsdk.audio.PushAudioInputStream()
        audio = speechsdk.audio.AudioConfig(stream=self.stream)
        self.transcriber = speechsdk.transcription.ConversationTranscriber(config, audio)
        self.stopped = threading.Event()
        self.started = threading.Semaphore(0)
        for name in ("session_started", "transcribed", "canceled", "session_stopped"):
            signal = getattr(self.transcriber, name)
            signal.connect(lambda _, name=name: print(name, flush=True))
        self.transcriber.session_started.connect(lambda _: self.started.release())
        self.transcriber.session_stopped.connect(lambda _: self.stopped.set())

    def run(self) -> None:
        """Transcribe all audio, to the end of the session."""
        self.transcriber.start_transcribing_async().get()
        self.stream.write(bytes(SECONDS * BYTES_PER_SECOND))
        self.stream.close()
        print("ended" if self.stopped.wait(30) else "hangs", flush=True)
        # The real package's native threads may crash while an interpreter ends.
        os._exit(0)


def _main_ends(program: Program) -> None:
    """Transcribe in a thread that outlives the main thread."""

    def work() -> None:
        threading.main_thread().join()
        program.run()

    threading.Thread(target=work).start()


def _sys_exit(program: Program) -> None:
    """Leave a callback by ``sys.exit()``."""
    program.transcriber.transcribed.connect(lambda _: sys.exit(3))
    program.run()


def _restart(program: Program) -> None:
    """Start again in the callback of ``session_stopped``, once."""
    starts = [program.transcriber.start_transcribing_async]
    program.transcriber.session_stopped.connect(lambda _: starts.pop()() if starts else None)
    program.transcriber.start_transcribing_async().get()
    program.started.acquire(timeout=30)
    program.transcriber.stop_transcribing_async().get()
    print("again" if program.started.acquire(timeout=30) else "never again", flush=True)
    os._exit(0)


def _main(which: str, case: str, endpoint: str) -> None:
    package = {"real": "azure.cognitiveservices.speech", "facade": "speech_compat"}[which]
    program = Program(importlib.import_module(package), endpoint)
    {"main-ends": _main_ends, "sys-exit": _sys_exit, "restart": _restart}[case](program)


if __name__ == "__main__":
    _main(*sys.argv[1:])
