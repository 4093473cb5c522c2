"""The command ``speech-compat``: transcribes files and manages stored meetings.

Results are written to standard output, messages to standard error.  Exit codes: 0 success,
1 failure, 2 wrong usage, 3 success with truncated audio, 4 an error rate above its limit,
130 interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from speech_adapters.errors import SpeechError
from speech_adapters.export import format_of
from speech_compat.cli.arguments import add_verbose
from speech_compat.cli.backlog import add_backlog
from speech_compat.cli.compare_options import add_compare
from speech_compat.cli.listing import add_list
from speech_compat.cli.migration_parser import add_migrate, add_scan
from speech_compat.cli.output import reason_of, report
from speech_compat.cli.recording_parser import add_demo, add_enroll, add_record
from speech_compat.cli.service_parser import add_backends, add_config, add_doctor, add_serve
from speech_compat.cli.stored_parser import add_convert, add_delete, add_resume, add_show
from speech_compat.cli.transcribe_parser import add_transcribe

__all__ = ["COMMANDS", "main", "new_parser"]

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
# 128 plus SIGINT, as a shell reports it.
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    if arguments is None:
        # This process runs nothing else.  The collector would walk through its code several times,
        # at the exit too, and find nothing.
        gc.freeze()
        atexit.register(gc.freeze)
    texts = sys.argv[1:] if arguments is None else arguments
    options = new_parser(_named(texts)).parse_args(texts)
    _set_up_logging(options.verbose)
    if hasattr(options, "output_format"):
        options.format = options.output_format or format_of(options.output) or "text"
    try:
        code: int = options.run(options)
    except BrokenPipeError:
        # The reader of the output ended, for example `head`; that needs no message.
        sys.stderr.close()
        return 1
    except (SpeechError, OSError) as error:
        return _fail(reason_of(error))
    except KeyboardInterrupt:
        return _fail("Interrupted.", _INTERRUPTED)
    return code


def _set_up_logging(verbosity: int) -> None:
    logging.basicConfig(format="speech-compat: %(message)s", level=logging.WARNING)
    if verbosity:
        # Only the project's own loggers: those of HTTP clients write addresses with signatures.
        for name in ("speech_adapters", "speech_compat"):
            logging.getLogger(name).setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)


def _fail(message: str, code: int = 1) -> int:
    report(message)
    return code


def _add_run(commands: _Commands) -> None:
    from speech_compat.run import add_arguments, run

    command = commands.add_parser("run", help="run a program of the retired SDK, unmodified")
    add_arguments(command)
    command.set_defaults(run=run)


# The function that adds each command to the parser, in the order of the help.  What a command needs
# to do its work is imported when it runs.
COMMANDS: Final[dict[str, Callable[[_Commands], None]]] = {
    "transcribe": add_transcribe,
    "backlog": add_backlog,
    "run": _add_run,
    "show": add_show,
    "convert": add_convert,
    "compare": add_compare,
    "enroll": add_enroll,
    "record": add_record,
    "serve": add_serve,
    "config": add_config,
    "backends": add_backends,
    "doctor": add_doctor,
    "list": add_list,
    "scan": add_scan,
    "migrate": add_migrate,
    "delete": add_delete,
    "resume": add_resume,
    "demo": add_demo,
}


def new_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of one command, or of all."""
    parser = argparse.ArgumentParser(
        prog="speech-compat",
        description="Transcribe meetings and differentiate their speakers.",
        epilog="Settings are described in docs/configuration.md.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the version of this package, and end"
    )
    add_verbose(parser, default=0)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in COMMANDS.values() if command is None else (COMMANDS[command],):
        add(commands)
    return parser


def _named(arguments: Sequence[str]) -> str | None:
    """Return the command that the arguments begin with; all others need no parser then."""
    first = arguments[0] if arguments else ""
    return first if first in COMMANDS else None


class _Version(argparse.Action):
    """Prints the version; it is read only then, since that takes as long as all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"speech-compat {version('speech-compat')}\n")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
