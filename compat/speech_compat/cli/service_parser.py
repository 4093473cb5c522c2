"""The parsers of ``serve``, ``config``, ``backends`` and ``doctor``, apart from their work."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_compat.cli.arguments import positive

__all__ = ["add_backends", "add_config", "add_doctor", "add_serve"]


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
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


def add_config(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("config", help="show the settings in effect, or their schema")
    parts = command.add_subparsers(title="parts", required=True, metavar="PART")
    show = parts.add_parser("show", help="show each setting, its value and where it is set")
    show.add_argument("--json", action="store_true", help="write a JSON list")
    show.set_defaults(run=_config_show)
    schema = parts.add_parser("schema", help="write the JSON Schema of speech-compat.toml")
    schema.set_defaults(run=_config_schema)


def add_backends(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
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
    command.add_argument("--speakers", type=positive, metavar="N", help="announced speakers")
    command.add_argument(
        "--channels", type=positive, default=1, metavar="N", help="channels (default: 1)"
    )
    command.add_argument("--words", action="store_true", help="word timings are wanted")
    command.add_argument("--phrases", action="store_true", help="there is a phrase list")
    command.add_argument("--addresses", action="store_true", help="the audio is at addresses")
    command.add_argument("--json", action="store_true", help="write a JSON list")
    command.set_defaults(run=_backends)


def add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
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
