"""Started with every Python process of the kill test: replaces the engine, and kills.

The environment names a step and a kind of process; the first process of that kind kills
itself with SIGKILL when it comes to that step.  Steps are accesses to the database, writes of
audio and of journals, answers of services and removals of files.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ENGINE = "speech_adapters.backends.local.engines"
# The folder of the package with the doubles.
TESTS = Path(__file__).parents[2]
# What counts as a step: classes and methods by module.
STEPS = {
    "speech_adapters.store.sqlite.database": ("Database", ("transaction", "rows")),
    "speech_adapters.store.postgres.database": ("Database", ("transaction", "rows")),
    "speech_adapters.backlog.journal": ("Journal", ("_transaction", "_rows")),
    "speech_adapters.recording.spool": ("SpoolWriter", ("write", "sync")),
    "speech_adapters.speech_sdk.journal": ("Journal", ("add",)),
    "speech_adapters.azure.http": ("ServiceClient", ("_exchange",)),
}


class _Countdown:
    """Kills this process at a step, if no process of its kind was killed before."""

    def __init__(self, step: int, once: str) -> None:
        self._left = step
        self._once = once

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            try:
                os.close(os.open(self._once, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Replaces the module that loads the engines, and counts the steps in others."""

    def __init__(self, step: Callable[[], None] | None) -> None:
        self._step = step

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == ENGINE:
            return importlib.machinery.ModuleSpec(name, self)
        if name not in STEPS or self._step is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def counted(module: ModuleType) -> None:
            execute(module)
            owner, methods = STEPS[name]
            for method in methods:
                self._count(getattr(module, owner), method)

        spec.loader.exec_module = counted  # type: ignore[method-assign]
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.path.append(str(TESTS))
        from double.digests import DigestEngine, StoredDigestEngine

        vars(module).update(load_live=DigestEngine, load_stored=StoredDigestEngine)

    def _count(self, owner: type, method: str) -> None:
        real, step = getattr(owner, method), self._step
        assert step is not None

        def before(*args: Any, **more: Any) -> Any:
            step()
            return real(*args, **more)

        async def after(*args: Any, **more: Any) -> Any:
            answer = await real(*args, **more)
            step()
            return answer

        setattr(owner, method, after if inspect.iscoroutinefunction(real) else before)


def _install() -> None:
    kind = "worker" if any(part.endswith(".worker") for part in sys.orig_argv) else "program"
    number = os.environ.get(f"CRASH_{kind.upper()}", "")
    step = _Countdown(int(number), f"{os.environ['CRASH_ONCE']}-{kind}") if number else None
    if step is not None:

        def audit(event: str, _: tuple[Any, ...]) -> None:
            if event in ("os.remove", "shutil.rmtree", "subprocess.Popen"):
                step()

        sys.addaudithook(audit)
    sys.meta_path.insert(0, _Finder(step))


_install()
