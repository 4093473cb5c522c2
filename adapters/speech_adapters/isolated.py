"""Functions that run in a process of their own: ``python -P -m speech_adapters.isolated``.

Parsing a result of 100 MB in a worker thread would stall the event loop: the JSON parser
holds the interpreter's lock for about 100 ms at a time, and the garbage collector stops all
threads while it walks millions of new objects.  So large results are parsed in a child
process, which stores the transcript by itself and passes back only a short text.

The standard library's process pools are not used: their children run the program's main
module again, and legacy programs often have no ``if __name__ == "__main__"``.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import anyio

from speech_adapters import errors
from speech_adapters.errors import BackendError, SpeechError

__all__ = ["LARGE_BYTES", "error_of", "main", "run_isolated"]

# Smaller results are parsed in a thread: a child process costs a third of a second.
LARGE_BYTES = 4 * 1024 * 1024


async def run_isolated(
    function: Callable[[str], str], argument: str, environment: Mapping[str, str] | None = None
) -> str:
    """Call a function of a module in a child process and return its result.

    The child ends when this call is canceled.

    Args:
        function: reachable by the name of its module and its own.
        argument: passed on standard input, so that others on the machine cannot see it.
        environment: further environment variables of the child.

    Raises:
        SpeechError: what the function raised, of the same class.
        BackendError: the child cannot be started, or it died.
    """
    command = [sys.executable, "-P", "-m", __name__, function.__module__, function.__qualname__]
    try:
        done = await anyio.run_process(
            command,
            input=argument.encode(),
            stderr=subprocess.DEVNULL,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        raise BackendError(f"A child process cannot be started: {error}.") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise BackendError(
            f"A child process died (exit code {done.returncode}). Nothing is lost: try again later."
        ) from None
    if "error" in answer:
        raise error_of(answer["error"], answer["message"])
    return str(answer["result"])


def main(arguments: list[str]) -> None:
    """Call the named function with standard input, and write its result as JSON."""
    module, name = arguments
    function = getattr(importlib.import_module(module), name)
    try:
        answer = {"result": function(sys.stdin.read())}
    except SpeechError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    sys.stdout.write(json.dumps(answer))


def error_of(kind: str, message: str) -> SpeechError:
    """Return the error of that class; one that is not in the public tree is a BackendError."""
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, SpeechError):
        return found(message)
    return BackendError(message)


if __name__ == "__main__":
    # The argument is UTF-8; standard input may have another encoding, on Windows it always has.
    sys.stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    main(sys.argv[1:])
