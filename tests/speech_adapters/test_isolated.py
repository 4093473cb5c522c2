from __future__ import annotations

import importlib
import os
from functools import partial
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from speech_adapters.errors import BackendError, MeetingFailedError
from speech_adapters.isolated import main, run_isolated

FUNCTIONS = """
import os, signal
from pathlib import Path
from speech_adapters.errors import BackendError, MeetingFailedError

def process_id(argument):
    return f"{os.getpid()} {argument}"

def fail(argument):
    raise MeetingFailedError(argument)

class PrivateError(BackendError):
    pass

def fail_privately(argument):
    raise PrivateError(argument)

def die(_):
    os.kill(os.getpid(), signal.SIGKILL)

def wait(path):
    Path(path).write_text(str(os.getpid()))
    signal.pause()
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that the child process can import too."""
    (tmp_path / "isolated_functions.py").write_text(FUNCTIONS)
    found = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), found))))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(importlib.sys.modules, "isolated_functions", raising=False)  # type: ignore[attr-defined]
    return importlib.import_module("isolated_functions")


def test_the_function_runs_in_another_process_and_returns_its_result(
    functions: ModuleType,
) -> None:
    child, _, argument = anyio.run(run_isolated, functions.process_id, "Grüße 🎉").partition(" ")
    assert argument == "Grüße 🎉"
    assert int(child) != os.getpid()


def test_the_argument_does_not_depend_on_the_encoding_of_the_system(
    functions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    _, _, argument = anyio.run(run_isolated, functions.process_id, "Grüße 🎉").partition(" ")
    assert argument == "Grüße 🎉"


def test_an_error_keeps_its_class_and_text(functions: ModuleType) -> None:
    with pytest.raises(MeetingFailedError, match="for a reason"):
        anyio.run(run_isolated, functions.fail, "for a reason")


def test_an_error_outside_of_the_public_tree_is_a_backend_error(functions: ModuleType) -> None:
    with pytest.raises(BackendError, match="for a reason") as caught:
        anyio.run(run_isolated, functions.fail_privately, "for a reason")
    assert type(caught.value) is BackendError


def test_a_child_that_dies_is_a_clear_error(functions: ModuleType) -> None:
    with pytest.raises(BackendError, match=r"died \(exit code -9\)\. Nothing is lost"):
        anyio.run(run_isolated, functions.die, "")


def test_a_child_that_cannot_start_is_a_clear_error(
    functions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(BackendError, match="child process cannot be started"):
        anyio.run(run_isolated, functions.process_id, "")


def test_cancellation_ends_the_child(functions: ModuleType, tmp_path: Path) -> None:
    noted = tmp_path / "pid"

    async def work() -> int:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(run_isolated, functions.wait, str(noted)))
            while not (noted.exists() and noted.read_text()):
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        return int(noted.read_text())

    child = anyio.run(work)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_the_answer_is_json(
    functions: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, answer in (
        ("process_id", f'{{"result": "{os.getpid()} x"}}'),
        ("fail", '{"error": "MeetingFailedError", "message": "x"}'),
    ):
        monkeypatch.setattr("sys.stdin", importlib.import_module("io").StringIO("x"))
        main([functions.__name__, name])
        assert capsys.readouterr().out == answer
