"""The double of the engine: in worker processes, and in a worker in this process."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from double.engine import (
    ENGINE_MODULE,
    Engine,
    engine_module,
    model_folder,
    worker_command,
)
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import engine_process, job, pulse, worker
from speech_adapters.backends.local.job import Processing, TranscriptionJob
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.protocol import Failed, WorkerMessage, decode
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.recording.workers import log_path
from speech_adapters.store import Recording, Store


@pytest.fixture
def fake_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Start workers with the double of the engine; return settings for a behavior of it."""
    for module in (job, engine_process):
        monkeypatch.setattr(module, "command", worker_command)

    def settings(behavior: str = "speak", **options: Any) -> Settings:
        named = {f"backends.local.{name}": str(value) for name, value in options.items()}
        return load_settings(
            {
                "backend": "local",
                "state_dir": str(tmp_path / "state"),
                "backends.local.model_path": str(model_folder(tmp_path / "models", behavior)),
                **named,
            }
        )

    return settings


class WorkerInProcess:
    """A recording in a store, and the worker in this process with the double of the engine."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.store = store
        self._patch = monkeypatch
        self._capsys = capsys

    def recording(self, mode: Mode, seconds: float, *, ended: bool = True) -> Recording:
        request = MeetingRequest("m", mode=mode, notes=("The audio is mono.",))
        recording = self.store.create(request, "local")
        recording.audio_path.write_bytes(bytes(int(seconds * 32_000)))
        log_path(recording).write_text("noise of the engine")
        if ended:
            self.store.close_audio(recording.id, int(seconds * 32_000), ("It ended early.",))
        return recording

    def live_job(self, audio: Path, behavior: str = "speak") -> TranscriptionJob:
        models = self.store.directory.parent / "models"
        options = LocalOptions(model_path=model_folder(models, behavior))
        return TranscriptionJob(audio, PcmFormat(), options, "auto", "en-US", True, "m")

    def job(self, recording: Recording, behavior: str = "speak") -> TranscriptionJob:
        return attrs.evolve(
            self.live_job(recording.audio_path, behavior),
            store=self.store.directory,
            recording=recording.id,
        )

    def on_audio(self, call: Callable[[int], None]) -> None:
        self._patch.setattr(Engine, "on_audio", staticmethod(call))

    def on_finish(self, call: Callable[[], None]) -> None:
        self._patch.setattr(Engine, "on_finish", staticmethod(call))

    def run(self, job: TranscriptionJob, commands: str = "") -> tuple[int, list[WorkerMessage]]:
        """Run a live meeting with these commands, or the worker for a stored one.

        Returns:
            1 if the last message is an error, and the messages.
        """
        if not job.recording or self.store.get(job.recording).request.mode.live:
            named = [f"start 1 {job.dump()}", *map(_named, commands.splitlines())]
            self._patch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in named)))
            worker.main(["live", json.dumps(job.options.model_dump(mode="json"))])
        else:
            order = Processing(job.options, job.downmix).dump()
            self.store.update(job.recording, backend_state=order)
            worker.main(["stored", str(self.store.directory), job.recording])
        lines = self._capsys.readouterr().out.splitlines()
        messages = [decode(line.encode()) for line in lines]
        assert all(session == 1 for session, _ in messages)
        failed = bool(messages) and isinstance(messages[-1][1], Failed)
        return int(failed), [message for _, message in messages]


def _named(command: str) -> str:
    """Return a command with the number of the only session."""
    name, *argument = command.split()
    return " ".join([name, "1", *argument])


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[WorkerInProcess]:
    monkeypatch.setitem(sys.modules, ENGINE_MODULE, engine_module())
    # The error output of this process is that of the test run.
    monkeypatch.setattr(worker, "log_errors", lambda _: None)
    # A recording that the test locks stays locked.
    monkeypatch.setattr(worker, "_PATIENCE_SECONDS", 0.1)
    # Checks at every block: the recordings last seconds.
    monkeypatch.setattr(pulse, "_CHECKPOINT_SECONDS", 0.0)
    with Store.open(tmp_path / "state") as store:
        yield WorkerInProcess(store, monkeypatch, capsys)
