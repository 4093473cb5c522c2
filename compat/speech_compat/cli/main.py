"""The command ``speech-compat``: transcribes files and manages stored meetings.

Results are written to standard output, messages to standard error.  Exit codes: 0 success,
1 failure, 2 wrong usage, 3 success with truncated audio, 4 an error rate above its limit,
130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from speech_adapters.errors import SpeechError
from speech_adapters.export import FORMATS, format_of
from speech_compat.cli.compare_options import add_compare
from speech_compat.cli.listing import add_list
from speech_compat.cli.migration_parser import add_migration_commands
from speech_compat.cli.output import reason_of, report

__all__ = ["main", "new_parser"]

# 128 plus SIGINT, as a shell reports it.
_INTERRUPTED: Final = 130
_ID: Final = "id of a stored meeting"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = new_parser().parse_args(arguments)
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


def new_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="speech-compat",
        description="Transcribe meetings and differentiate their speakers.",
        epilog="Settings are described in docs/configuration.md.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the version of this package, and end"
    )
    _add_verbose(parser, default=0)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_transcribe(commands)
    _add_run(commands)
    _add_show(commands)
    _add_convert(commands)
    add_compare(commands)
    _add_enroll(commands)
    _add_record(commands)
    _add_serve(commands)
    _add_config(commands)
    _add_backends(commands)
    _add_doctor(commands)
    add_list(commands)
    add_migration_commands(commands)
    delete = commands.add_parser("delete", help="delete stored meetings: audio and transcripts")
    delete.add_argument("meeting_id", nargs="+", metavar="MEETING_ID", help=_ID)
    delete.set_defaults(run=_delete)
    resume = commands.add_parser("resume", help="retry a failed meeting")
    resume.add_argument("meeting_id", metavar="MEETING_ID", help=_ID)
    resume.set_defaults(run=_resume)
    demo = commands.add_parser("demo", help="run a legacy program on a two-speaker recording")
    demo.set_defaults(run=_demo)
    return parser


class _Version(argparse.Action):
    """Prints the version; it is read only then, since that takes as long as all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"speech-compat {version('speech-compat')}\n")
        parser.exit()


def _add_verbose(parser: argparse.ArgumentParser, default: int | str) -> None:
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=default,
        help="also show what is done; twice also details",
    )


def _add_transcribe(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("transcribe", help="transcribe audio files")
    # argparse.SUPPRESS keeps the count of a -v before the command.
    _add_verbose(command, default=argparse.SUPPRESS)
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio file, folder of audio files, quoted glob such as 'calls/**/*.wav', or - for"
        " standard input; for a backend that downloads audio also its https:// address, or that"
        " of a folder, ending in a slash",
    )
    command.add_argument("--backend", help="backend to use instead of the configured one")
    command.add_argument(
        "--speakers", type=_positive, metavar="N", help="maximum number of speakers"
    )
    command.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="files transcribed at a time (default: the number of processors with the backend"
        " local, otherwise 1)",
    )
    command.add_argument("--language", default="en-US", help="BCP-47 tag (default: %(default)s)")
    command.add_argument(
        "--participant",
        dest="participants",
        action="append",
        default=[],
        type=Path,
        metavar="NAME.json",
        help="voice signature of a participant, who is then called NAME; repeat it for others",
    )
    command.add_argument(
        "--meeting-id", help="also store the transcript under this id (one file only)"
    )
    _add_output(command)
    _add_bulk(command)
    command.set_defaults(run=_transcribe)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from speech_compat.run import add_arguments, run

    command = commands.add_parser("run", help="run a program of the retired SDK, unmodified")
    add_arguments(command)
    command.set_defaults(run=run)


def _add_bulk(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out recordings whose results exist, and so continue an interrupted command",
    )
    command.add_argument(
        "--fail-fast",
        action="store_true",
        help="end at the first recording that fails (default: transcribe the others)",
    )
    command.add_argument(
        "--embed-audio",
        action="store_true",
        help="with --format html: put the recording into the page",
    )


def _add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("show", help="show the transcript of a stored meeting")
    command.add_argument("meeting_id", metavar="MEETING_ID", help=_ID)
    _add_output(command)
    command.set_defaults(run=_show)


def _add_convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "convert", help="convert a result file of Azure's batch or fast transcription"
    )
    command.add_argument("result", type=Path, metavar="RESULT.json", help="the result file")
    _add_output(command, (*FORMATS, "legacy"))
    command.set_defaults(run=_convert)


def _add_enroll(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "enroll", help="create a voice signature, by which a participant is named in results"
    )
    command.add_argument(
        "name", type=_file_name, metavar="NAME", help="the participant; writes NAME.json"
    )
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="WAV file in which only this person speaks, half a minute or more",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write to this file or folder instead; - for standard output",
    )
    command.set_defaults(run=_enroll)


def _add_record(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "record", help="record a script for the backend replay, for tests without an engine"
    )
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", type=Path, metavar="FILE", help="WAV file")
    source.add_argument("--meeting", metavar="MEETING_ID", help="a stored meeting instead")
    command.add_argument("--backend", help="backend to use instead of the configured one")
    command.add_argument("--language", default="en-US", help="BCP-47 tag (default: %(default)s)")
    command.add_argument(
        "--speakers", type=_positive, metavar="N", help="maximum number of speakers"
    )
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="SCRIPT.jsonl", help="the script"
    )
    command.set_defaults(run=_record)


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "serve", help="serve the retired interface to programs on this and other machines"
    )
    command.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    command.add_argument(
        "--port", type=int, metavar="N", help="port to listen on (default: 8080; 0 for any)"
    )
    command.add_argument("--backend", help="backend to use instead of the configured one")
    command.add_argument(
        "--insecure",
        action="store_true",
        help="permit an address that other machines reach without TLS or configured keys",
    )
    command.add_argument(
        "--check", action="store_true", help="check settings, backend, store and files, and end"
    )
    command.set_defaults(run=_serve)


def _add_config(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("config", help="show the settings in effect, or their schema")
    parts = command.add_subparsers(title="parts", required=True, metavar="PART")
    show = parts.add_parser("show", help="show each setting, its value and where it is set")
    show.add_argument("--json", action="store_true", help="write a JSON list")
    show.set_defaults(run=_config_show)
    schema = parts.add_parser("schema", help="write the JSON Schema of speech-compat.toml")
    schema.set_defaults(run=_config_schema)


def _add_backends(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "backends", help="show what the backends can do, and which would serve a request"
    )
    command.add_argument(
        "--mode",
        choices=("live", "async", "both"),
        default="live",
        help="live events, a stored transcript, or both (default: %(default)s)",
    )
    command.add_argument("--language", default="en-US", help="BCP-47 tag (default: %(default)s)")
    command.add_argument("--speakers", type=_positive, metavar="N", help="announced speakers")
    command.add_argument(
        "--channels", type=_positive, default=1, metavar="N", help="channels (default: 1)"
    )
    command.add_argument("--words", action="store_true", help="word timings are wanted")
    command.add_argument("--phrases", action="store_true", help="there is a phrase list")
    command.add_argument("--addresses", action="store_true", help="the audio is at addresses")
    command.add_argument("--json", action="store_true", help="write a JSON list")
    command.set_defaults(run=_backends)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "doctor", help="check settings, packages, store and backend, and what to do about faults"
    )
    command.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="also check which backends can use it"
    )
    command.add_argument(
        "--online",
        action="store_true",
        help="also sign in to the services, and write, read and delete a blob",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument("--backend", help="check this backend instead of the configured one")
    which.add_argument("--all", action="store_true", help="check all backends")
    command.add_argument("--json", action="store_true", help="write a JSON document")
    command.set_defaults(run=_doctor)


def _add_output(command: argparse.ArgumentParser, formats: tuple[str, ...] = FORMATS) -> None:
    command.add_argument(
        "--format",
        dest="output_format",
        choices=formats,
        help="format of the result (default: that of the extension of -o, or text)",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write to this file, or to one file per recording in this folder; - for standard"
        " output",
    )


def _file_name(text: str) -> str:
    # Only the name of a file: an id such as "../x" must not choose another folder.
    if text in ("", "..") or Path(text).name != text:
        raise argparse.ArgumentTypeError("must not be empty or contain a slash; use -o for a path")
    return text


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


# The commands are imported when they run, so that --help is fast.
def _transcribe(options: argparse.Namespace) -> int:
    from speech_compat.cli.transcribe import transcribe

    return transcribe(options)


def _show(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import show

    return show(options.meeting_id, options.format, _path(options.output))


def _convert(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import convert

    return convert(options.result, options.format, _path(options.output))


def _path(output: str | None) -> Path | None:
    return None if output is None else Path(output)


def _enroll(options: argparse.Namespace) -> int:
    from speech_compat.cli.enroll import enroll

    return enroll(options.name, options.files, options.output)


def _record(options: argparse.Namespace) -> int:
    from speech_compat.cli.record import record

    return record(options)


def _serve(options: argparse.Namespace) -> int:
    from speech_compat.cli.serve import serve

    return serve(options)


def _config_show(options: argparse.Namespace) -> int:
    from speech_compat.cli.config import show_config

    return show_config(as_json=options.json)


def _config_schema(_: argparse.Namespace) -> int:
    from speech_compat.cli.config import print_schema

    return print_schema()


def _backends(options: argparse.Namespace) -> int:
    from speech_compat.cli.backends import show_backends

    return show_backends(options)


def _doctor(options: argparse.Namespace) -> int:
    from speech_compat.cli.doctor import doctor

    return doctor(options)


def _delete(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import delete

    return delete(options.meeting_id)


def _resume(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import resume

    return resume(options.meeting_id)


def _demo(_: argparse.Namespace) -> int:
    from speech_compat.cli.demo import demo

    return demo()


if __name__ == "__main__":
    sys.exit(main())
