"""The live kit.

::

    python -m live                        run all checks, after a question
    python -m live --backend fast         run those of one backend
    python -m live --list                 list the checks
    python -m live --clean                delete what earlier runs left

``make live`` runs it; CONTRIBUTING.md, "Against real Azure", names the environment variables.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import anyio
import attrs

from live.capture import RUN
from live.checks import BACKENDS, CHECKS, Check
from live.leftovers import delete_all
from live.report import NOT_MET, cost, report
from live.run import Kit, Outcome
from live.sound import default_recording, read_sound
from live.target import VARIABLES, Target, target_of
from speech_adapters.errors import SpeechError

__all__ = ["main"]

_FOLDER: Final = Path("build/live")
# Jobs live 31 days at most (docs/protocol/batch-and-fast-rest.md, 2.2).
_LONGEST: Final = timedelta(days=31)
# Clocks of machine and service differ.
_SKEW: Final = timedelta(hours=1)
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 0, 1 after a failed check, 2 if it was not started."""
    options = _parser().parse_args(arguments)
    checks = tuple(check for check in CHECKS if _is_selected(check, options))
    if options.list:
        sys.stdout.writelines(f"{check.name:28}{check.service}\n" for check in checks)
        return 0
    try:
        target = target_of(os.environ, CHECKS if options.clean else checks)
        if options.clean:
            return _clean(target)
        sound = read_sound(options.recording or default_recording(), options.seconds)
    except (SpeechError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _say(f"{NOT_MET}\n\n{cost(checks, sound.seconds)}")
    if not (options.yes or _is_confirmed()):
        _say("Nothing was sent.")
        return 2
    run = f"{RUN}-{uuid.uuid4().hex[:8]}"
    folder = options.output / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True)
    target = attrs.evolve(target, container=run, poll_seconds=options.poll_seconds)
    kit = Kit(
        target=target,
        sound=sound,
        folder=folder,
        run=run,
        minutes=options.minutes,
        report=lambda step: _say(f"    {step}"),
    )
    return _run(kit, checks)


def _run(kit: Kit, checks: Sequence[Check]) -> int:
    # The report has all failures.
    logging.getLogger("speech_adapters").addHandler(logging.NullHandler())
    # A run that is ended by its supervisor deletes what it created, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun, outcomes, leftovers, interrupted = datetime.now(UTC), list[Outcome](), list[str](), False
    try:
        for number, check in enumerate(checks, 1):
            _say(f"[{number}/{len(checks)}] {check.name}: {kit.target.service(check)}")
            outcomes.append(kit.check(check))
            _say(f"    {'FAILED: ' if outcomes[-1].failed else ''}{outcomes[-1].result}")
    except KeyboardInterrupt:
        interrupted = True
        _say("Interrupted.")
    finally:
        leftovers = _delete(kit.target, kit.run, begun - _SKEW, checks)
    title = f"Live kit of speech-compat, {begun:%Y-%m-%d %H:%M} UTC, {kit.target.region}"
    title += ", interrupted" if interrupted else ""
    text = report(outcomes, title, leftovers, checks[len(outcomes) :])
    (kit.folder / "report.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(f"\n{text}\nReport and cassettes: {kit.folder}\n")
    sys.stdout.write("Read the cassettes before you pass them on: they contain the transcript.\n")
    if interrupted:
        return _INTERRUPTED
    return 1 if leftovers or any(found.failed for found in outcomes) else 0


def _delete(target: Target, prefix: str, since: datetime, checks: Sequence[Check]) -> list[str]:
    """Delete what a run created; return what is left."""
    if not any(check.backend in ("batch", "auto") for check in checks):
        return []  # the other services keep nothing
    _say("Deleting what the run created ...")
    try:
        return anyio.run(delete_all, target, prefix, since)
    except KeyboardInterrupt:
        return [
            f"Perhaps jobs and a container whose names begin with {prefix}: the deletion was"
            " interrupted. Run the kit with --clean."
        ]


def _clean(target: Target) -> int:
    leftovers = _delete(target, RUN, datetime.now(UTC) - _LONGEST, CHECKS)
    sys.stdout.write(
        "\n".join(leftovers or ["All jobs and containers of the kit are deleted."]) + "\n"
    )
    return 1 if leftovers else 0


def _is_selected(check: Check, options: argparse.Namespace) -> bool:
    return (not options.backend or check.backend in options.backend) and (
        not options.check or check.name in options.check
    )


def _is_confirmed() -> bool:
    if not sys.stdin.isatty():
        _say("Standard input is no terminal: confirm with --yes.")
        return False
    return input("Continue? [y/N] ").strip().lower() in ("y", "yes")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    variables = "\n".join(f"  {name:28}{what}" for name, what in VARIABLES.items())
    parser = argparse.ArgumentParser(
        prog="python -m live",
        description="Test the backends against real Azure, and compare it with the doubles.",
        epilog=f"environment variables:\n{variables}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--backend", action="append", choices=BACKENDS, help="only this one; may be repeated")
    names = [check.name for check in CHECKS]
    add("--check", action="append", choices=names, metavar="NAME", help="only this check")
    add("--list", action="store_true", help="list the checks, and end")
    add("--clean", action="store_true", help="delete what earlier runs left, and end")
    add("--yes", action="store_true", help="do not ask before audio is sent")
    add("--recording", type=Path, metavar="FILE", help="a WAV file in English")
    add("--seconds", type=float, default=15.0, help="of the recording (default: 15)")
    add("--minutes", type=float, default=60.0, help="longest time of a check (default: 60)")
    add("--poll-seconds", type=float, default=15.0, help="between two queries of a job")
    add("--output", type=Path, default=_FOLDER, metavar="FOLDER", help="default: build/live")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
