"""Dask clusters on the loopback interface: in this process, or as the commands of Dask."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from distributed import Scheduler, Worker

__all__ = ["Commands", "add_worker", "cluster", "commands", "free_port"]

TESTS = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def cluster(*workers: Mapping[str, Any], port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Run a scheduler and workers on this event loop; yields the address of the scheduler.

    Args:
        workers: the options of each worker, such as ``{"resources": {"GPU": 1}}``.
        port: the port of the scheduler; 0 for a free one.
        options: further options of the scheduler.
    """
    async with AsyncExitStack() as stack:
        scheduler = await stack.enter_async_context(
            Scheduler(
                host="127.0.0.1",
                port=port,
                dashboard=False,
                dashboard_address="127.0.0.1:0",
                **options,
            )
        )
        for worker in workers:
            await stack.enter_async_context(add_worker(scheduler.address, **worker))
        yield scheduler.address


def add_worker(scheduler: str, **options: Any) -> Worker:
    """Return a worker of one thread in this process, which runs from its ``async with`` on."""
    return Worker(
        scheduler,
        nthreads=1,
        host="127.0.0.1",
        dashboard=False,
        local_directory=str(Path.cwd()),
        **options,
    )


class Commands:
    """The commands ``dask scheduler`` and ``dask worker`` as processes.

    Args:
        folder: receives their output, and is their working directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        return self._start("scheduler", "--port", str(self.port))

    def start_worker(
        self, environment: Mapping[str, str], *arguments: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one thread without a nanny, so that its process is the worker."""
        return self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", *arguments, **environment
        )

    def kill_all(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def _start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        number = len(self._processes)
        with (self._folder / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dask", *arguments),
                    *("--host", "127.0.0.1", "--no-dashboard"),
                ],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": _path(), **environment},
            )
        self._processes.append(process)
        return process


@contextmanager
def commands(folder: Path) -> Iterator[Commands]:
    """Provide the commands, and kill at the end what they started."""
    started = Commands(folder)
    try:
        yield started
    finally:
        started.kill_all()


def _path() -> str:
    return os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
