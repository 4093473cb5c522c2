"""The creation of a backend that may fail, or never end."""

from __future__ import annotations

import threading

import anyio

from speech_adapters.contract import Backend
from speech_adapters.event_queue import LoopEvent
from speech_adapters.recording.backend import Host
from speech_adapters.registry import create_backend

__all__ = ["Creation"]


class Creation:
    """The creation of a backend in a daemon thread, which ends no later than the process."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._backend: Backend | None = None
        self._error: BaseException | None = None
        self._abandoned = False
        # Guards the attributes above at the end of the thread.
        self._lock = threading.Lock()
        self._done = LoopEvent()
        threading.Thread(target=self._run, name="speech-compat-second", daemon=True).start()

    async def result(self) -> Backend:
        """Return the backend, or raise what its creation raised."""
        await self._done.wait()
        if self._backend is None:
            assert self._error is not None
            raise self._error
        return self._backend

    def abandon(self) -> None:
        """Leave the backend to the thread, which closes it."""
        with self._lock:
            self._abandoned = True

    def _run(self) -> None:
        try:
            backend = create_backend(self._host.settings, self._name, self._host)
        except BaseException as error:
            self._error = error
        else:
            with self._lock:
                self._backend = backend
                abandoned = self._abandoned
            if abandoned:
                anyio.run(backend.aclose)
        self._done.set()
