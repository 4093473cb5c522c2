"""A double of the local backend's engines, in this process or in a worker process.

The real engines cover the normal path.  These crash, fail and block on demand: the name of
the folder in the option ``model_path`` is one of :data:`BEHAVIORS`.

As a program, ``engine.py`` is the local worker with this engine.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from speech_adapters.closeable import Closeable

if TYPE_CHECKING:
    from speech_adapters.backends.local.engine_process import EngineProcess
    from speech_adapters.backends.local.job import TranscriptionJob
    from speech_adapters.backends.local.models import Models
    from speech_adapters.backends.local.options import LocalOptions
    from speech_adapters.backends.local.session import LocalSession
    from speech_adapters.backends.local.utterances import EngineLine
    from speech_adapters.transcript import Utterance

__all__ = [
    "BEHAVIORS",
    "ENGINE_MODULE",
    "Engine",
    "end_engine_processes",
    "engine_module",
    "model_folder",
    "process_of",
    "worker_command",
]

ENGINE_MODULE: Final = "speech_adapters.backends.local.engines"
PULSE_MODULE: Final = "speech_adapters.backends.local.pulse"
# "wait" blocks in the first block of audio until the folder in model_path is removed, or has a
# file "go on".  With "at 8 kHz" after it, a behavior is that of such audio only: meetings that
# share a process have the same options.
BEHAVIORS: Final = ("speak", "fail", "fail at the end", "die", "stammer", "hang", "wait", "bug")
NARROW: Final = " at 8 kHz"


def model_folder(parent: Path, behavior: str) -> Path:
    """Create a folder that passes for a model, and whose name orders a behavior."""
    folder = parent / behavior
    if not folder.exists():
        folder.mkdir(parents=True)
        for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
            (folder / name).touch()
    return folder


class Model(Closeable):
    """What the meetings of a process share; counts how often it is loaded."""

    loaded = 0

    def __init__(self, options: LocalOptions) -> None:
        Model.loaded += 1

    def close(self) -> None:
        """Do nothing."""


class Engine:
    """Returns one line of text for each second of audio, and for half a second at the end."""

    settle_seconds = 2.0

    @staticmethod
    def on_audio(block: int) -> None:
        """Called with the number of each block; tests replace it."""

    @staticmethod
    def on_finish() -> None:
        """Called at the end of the audio; tests replace it."""

    def __init__(self, job: TranscriptionJob, models: Models) -> None:
        models.get(Model)
        self._model = job.options.model_path
        self._behavior = "speak" if self._model is None else self._model.name
        if self._behavior.endswith(NARROW):
            behavior = self._behavior.removesuffix(NARROW)
            self._behavior = behavior if job.pcm.sample_rate == 8_000 else "speak"
        self._second = 2 * job.pcm.sample_rate
        self._diarize = job.diarize
        self._size = 0
        self._blocks = 0

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def provenance(self) -> Any:
        from speech_adapters.transcript import Provenance

        return Provenance("local", "a double")

    def add_audio(self, pcm: bytes) -> list[EngineLine]:
        self._misbehave(self._behavior)
        self._blocks += 1
        Engine.on_audio(self._blocks)
        before, self._size = self._size // self._second, self._size + len(pcm)
        return [self._line(second) for second in range(before, self._size // self._second)]

    def finish(self) -> list[EngineLine]:
        Engine.on_finish()
        if self._behavior == "fail at the end":
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
            sys.stdout.write('1 {"kind": "Recognized", "utterance": {"id": "secret wo\n')
            sys.stdout.flush()
        elif behavior == "hang":
            sys.stdout.write('1 {"kind": "Progress", "offset": 0}\n')  # from now on it hangs
            sys.stdout.flush()
            time.sleep(600)
        elif behavior == "bug":
            raise ValueError("secret words")
        elif behavior == "wait":
            assert self._model is not None
            while self._model.exists() and not (self._model / "go on").exists():
                time.sleep(0.01)

    def _fail(self) -> None:
        from speech_adapters.errors import BackendError

        raise BackendError("The speech engine failed as the test ordered.")

    def _line(self, second: int) -> EngineLine:
        from speech_adapters.backends.local.utterances import EngineLine, Span

        spans = (Span(second, 0.5, 7),) if self._diarize else ()
        return EngineLine(second, f"Second {second}.", second, 0.5, True, spans)


class StoredEngine(Engine):
    """The same for a stored recording: its lines are utterances at the end."""

    is_behind = False
    is_done = True

    def __init__(self, job: TranscriptionJob, models: Models) -> None:
        from speech_adapters.backends.local.utterances import UtteranceBuilder

        super().__init__(job, models)
        self._builder = UtteranceBuilder(job.language, job.diarize, self.settle_seconds)

    @property
    def seconds(self) -> float:
        return self._size / self._second

    def add_audio(self, pcm: bytes) -> list[EngineLine]:
        lines = super().add_audio(pcm)
        list(self._builder.update(lines, self.seconds))
        return lines

    def end_audio(self) -> None:
        list(self._builder.update(self.finish(), self.seconds))
        list(self._builder.finish())

    def utterances(self) -> tuple[Utterance, ...]:
        return self._builder.utterances


def engine_module() -> ModuleType:
    """Return a module that replaces the one that loads the real engines."""
    module = ModuleType(ENGINE_MODULE)
    vars(module).update(load_live=Engine, load_stored=StoredEngine)
    return module


def worker_command(*arguments: str) -> list[str]:
    """Return the command line of a worker with this engine."""
    return [sys.executable, "-P", str(Path(__file__)), *arguments]


def process_of(session: LocalSession) -> EngineProcess:
    """Return the engine process of a live session, which has had audio."""
    assert session._engine is not None
    assert session._engine._process is not None
    return session._engine._process


def end_engine_processes() -> None:
    """Kill the engine processes of this program, which live longer than a test."""
    module = sys.modules.get("speech_adapters.backends.local.engine_process")
    if module is not None:
        while module._processes:
            module._processes.popitem()[1].kill()


def main() -> int:
    """Run the local worker, which finds this engine in place of the real one."""
    sys.modules[ENGINE_MODULE] = engine_module()
    # The checkpoint follows every block: tests have seconds of audio, not hours.
    vars(importlib.import_module(PULSE_MODULE))["_CHECKPOINT_SECONDS"] = 0.0
    worker = importlib.import_module("speech_adapters.backends.local.worker")
    status: int = worker.main(sys.argv[1:])
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    return status


if __name__ == "__main__":
    sys.exit(main())
