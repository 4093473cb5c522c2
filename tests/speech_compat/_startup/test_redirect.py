"""What programs in processes of their own do not show; see also test_run.py."""

from __future__ import annotations

import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from speech_compat._startup import redirect
from speech_compat._startup.redirect import SDK


class Slow:
    """A loader of the real module that waits, and counts."""

    def __init__(self) -> None:
        self.begun, self.released = threading.Event(), threading.Event()
        self.count = 0

    def create_module(self, _: ModuleSpec) -> None: ...

    def exec_module(self, module: ModuleType) -> None:
        self.count += 1
        self.begun.set()
        assert self.released.wait(10)
        vars(module)["value"] = 1


def test_a_thread_waits_until_the_real_module_is_complete() -> None:
    slow: Any = Slow()
    loader = redirect._Loader(redirect._Judge(()), ModuleSpec(SDK, slow))
    module = ModuleType(SDK)
    found: list[object] = []

    def access() -> None:
        loader.execute(module)
        found.append(vars(module)["value"])

    threads = [threading.Thread(target=access) for _ in range(2)]
    threads[0].start()
    assert slow.begun.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    assert not found
    slow.released.set()
    for thread in threads:
        thread.join(10)
    assert found == [1, 1]
    assert slow.count == 1


def test_the_real_module_is_tried_again_after_an_error() -> None:
    class Broken:
        def exec_module(self, _: ModuleType) -> None:
            raise OSError("wrong ELF class")

    broken: Any = Broken()
    loader = redirect._Loader(redirect._Judge(()), ModuleSpec(SDK, broken))
    for _ in range(2):
        with pytest.raises(OSError, match="wrong ELF class"):
            loader.execute(ModuleType(SDK))


@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("__main__", "/venv/lib/python3.11/site-packages/pytest/__main__.py", True),
        ("program", "/srv/program.py", True),
        (None, None, True),
        ("package.module", "/venv/lib/python3.11/site-packages/package/module.py", False),
        ("package", "/usr/lib/python3/dist-packages/package/__init__.py", False),
        ("named.module", "/venv/lib/python3.11/site-packages/named/module.py", True),
        ("named_other", "/venv/lib/python3.11/site-packages/named_other.py", False),
        ("speech_adapters.speech_sdk.recognizer", "/srv/speech_adapters/recognizer.py", False),
        (f"{SDK}.audio", "/srv/azure/audio.py", False),
        ("importlib._bootstrap", None, None),
        ("runpy", None, None),
        ("unittest.mock", sys.modules["threading"].__file__, None),
        ("_pytest.monkeypatch", "/venv/lib/python3.11/site-packages/_pytest/monkeypatch.py", None),
        # A module of the program with the name of one of the standard library.
        ("logging", "/srv/logging.py", True),
    ],
)
def test_a_module_is_the_programs_or_not(
    name: str | None, file: str | None, expected: bool | None
) -> None:
    assert redirect._Judge(["named"])._verdict(str(name), file) is expected


def test_without_a_frame_that_counts_it_is_the_program() -> None:
    assert redirect._Judge(()).is_program(None)


def test_installing_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    redirect.install()
    before = list(sys.meta_path)
    redirect.install(["other"])
    assert sys.meta_path == before
