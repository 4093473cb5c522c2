"""A double of the local backend's speech engine, in this process or in a worker process.

The real engine covers the normal path.  This one crashes, fails and blocks on demand: the
option ``model_arch`` names one of :data:`BEHAVIORS`.

As a program, ``engine.py JOB`` is the local worker with this engine.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from speech_adapters.backends.local.job import TranscriptionJob
    from speech_adapters.backends.local.options import LocalOptions
    from speech_adapters.backends.local.utterances import EngineLine

__all__ = ["BEHAVIORS", "ENGINE_MODULE", "Engine", "engine_module", "worker_command"]

ENGINE_MODULE: Final = "speech_adapters.backends.local.engine"
# "wait" blocks in the first block of audio until the file in model_path is removed.
BEHAVIORS: Final = ("speak", "fail", "fail at the end", "die", "stammer", "hang", "wait")


class Engine:
    """Returns one line of text for each second of audio, and for half a second at the end."""

    @staticmethod
    def on_audio(block: int) -> None:
        """Called with the number of each block; tests replace it."""

    @staticmethod
    def on_finish() -> None:
        """Called at the end of the audio; tests replace it."""

    def __init__(self, options: LocalOptions, sample_rate: int, diarize: bool) -> None:
        self._options = options
        self._second = 2 * sample_rate
        self._diarize = diarize
        self._size = 0
        self._blocks = 0

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_audio(self, pcm: bytes) -> list[EngineLine]:
        self._misbehave(self._options.model_arch)
        self._blocks += 1
        Engine.on_audio(self._blocks)
        before, self._size = self._size // self._second, self._size + len(pcm)
        return [self._line(second) for second in range(before, self._size // self._second)]

    def finish(self) -> list[EngineLine]:
        Engine.on_finish()
        if self._options.model_arch == "fail at the end":
            self._fail()
        rest = self._size % self._second
        return [self._line(self._size // self._second)] if rest >= self._second // 2 else []

    def _misbehave(self, behavior: str) -> None:
        if behavior == "fail":
            self._fail()
        elif behavior == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif behavior == "stammer":
            # As a process does that crashes while it writes.
            sys.stdout.write('{"kind": "Recognized", "utterance": {"id": "secret wo\n')
            sys.stdout.flush()
        elif behavior == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            sys.stdout.write('{"kind": "Progress", "offset": 0}\n')  # from now on it hangs
            sys.stdout.flush()
            time.sleep(600)
        elif behavior == "wait":
            while self._options.model_path is not None and self._options.model_path.exists():
                time.sleep(0.01)

    def _fail(self) -> None:
        from speech_adapters.errors import BackendError

        raise BackendError("The speech engine failed as the test ordered.")

    def _line(self, second: int) -> EngineLine:
        from speech_adapters.backends.local.utterances import EngineLine, Span

        spans = (Span(second, 0.5, 7),) if self._diarize else ()
        return EngineLine(second, f"Second {second}.", second, 0.5, True, spans)


def engine_module() -> ModuleType:
    """Return a module that replaces the one with the real engine."""
    module = ModuleType(ENGINE_MODULE)
    vars(module)["Engine"] = Engine
    return module


def worker_command(job: TranscriptionJob) -> list[str]:
    """Return the command line of a worker with this engine."""
    return [sys.executable, "-P", str(Path(__file__)), job.dump()]


def main() -> int:
    """Run the local worker, which finds this engine in place of the real one."""
    sys.modules[ENGINE_MODULE] = engine_module()
    worker = importlib.import_module("speech_adapters.backends.local.worker")
    # The checkpoint follows every block: tests have seconds of audio, not hours.
    vars(worker)["_CHECKPOINT_SECONDS"] = 0.0
    status: int = worker.main(sys.argv[1:])
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    return status


if __name__ == "__main__":
    sys.exit(main())
