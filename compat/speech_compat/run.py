"""``speech-compat run`` and ``python -m speech_compat.run``: run an unmodified program.

Python itself runs it, with a folder on ``PYTHONPATH`` whose ``sitecustomize`` redirects the
imports of each process that the program starts (:mod:`speech_compat._startup.redirect`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["add_arguments", "main", "run"]

_STARTUP: Final = Path(__file__).resolve().parent / "_startup"
_THIRD_PARTY: Final = "SPEECH_COMPAT_THIRD_PARTY"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code where the process cannot be replaced."""
    parser = argparse.ArgumentParser(prog="python -m speech_compat.run", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--backend", help="backend to use instead of the configured one")
    parser.add_argument(
        "--third-party",
        action="append",
        default=[],
        metavar="NAME",
        help="an installed package whose imports are redirected too; repeat it for others",
    )
    parser.add_argument(
        "-m", dest="module", action="store_true", help="PROGRAM is a module, such as pytest"
    )
    parser.add_argument(
        "program", metavar="PROGRAM", help="a file, folder or ZIP file, or a module"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its arguments")


def run(options: argparse.Namespace) -> int:
    """Replace this process by Python with the program."""
    if sys.flags.ignore_environment or sys.flags.no_site:
        sys.stderr.write(
            "speech-compat: Python was started with -E, -I or -S, so it would not read the"
            " redirection of imports from PYTHONPATH. Start it without.\n"
        )
        return 2
    selection = ["-m", options.program] if options.module else [options.program]
    command = [sys.executable, *_python_options(), *selection, *options.arguments]
    environment = _environment(options, os.environ)
    sys.stdout.flush()
    # On Windows, exec would return to the shell before the program has ended.
    if os.name != "nt":
        os.execve(sys.executable, command, environment)  # noqa: S606 - what the user names
    import subprocess

    return subprocess.call(command, env=environment)  # noqa: S603 - what the user names


def _python_options() -> list[str]:
    """Return the options with which Python itself was started, such as ``-W error``."""
    # The rest is `-m speech_compat.run` or the path of a script, and its arguments.
    rest = sys.orig_argv[len(sys.orig_argv) - len(sys.argv) + 1 :]
    before = sys.orig_argv[1 : len(sys.orig_argv) - len(rest)]
    return before[:-2] if before[-2:-1] == ["-m"] else before[:-1]


def _environment(options: argparse.Namespace, current: Mapping[str, str]) -> dict[str, str]:
    environment = dict(current)
    before = [path for path in [current.get("PYTHONPATH", "")] if path]
    environment["PYTHONPATH"] = os.pathsep.join([str(_STARTUP), *before])
    # An installed module that is run is the program.
    own = [options.program.partition(".")[0]] if options.module else []
    names = [*options.third_party, *own, *current.get(_THIRD_PARTY, "").split(",")]
    environment[_THIRD_PARTY] = ",".join(dict.fromkeys(filter(None, names)))
    if options.backend:
        environment["SPEECH_COMPAT_BACKEND"] = options.backend
    return environment


if __name__ == "__main__":
    sys.exit(main())
