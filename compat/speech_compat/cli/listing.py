"""The command ``list``: stored meetings, the newest first."""

from __future__ import annotations

import argparse
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from speech_compat.cli.arguments import positive
from speech_compat.cli.output import report

if TYPE_CHECKING:
    from speech_adapters.contract import JobState
    from speech_adapters.meetings import MeetingService
    from speech_adapters.store import Recording

__all__ = ["add_list", "parse_since"]

# The arguments of ``MeetingService.recordings`` and ``Store.listed``.
_Wanted: TypeAlias = "tuple[tuple[JobState, ...], datetime | None, int | None]"

# Spelled out, because the parser of all commands must not import the contract.
_STATES: Final = ("uploading", "processing", "completed", "failed", "deleted")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_list(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("list", help="list stored meetings, newest first")
    command.add_argument(
        "--limit", type=positive, metavar="N", help="list only the newest N recordings"
    )
    command.add_argument(
        "--state",
        dest="states",
        action="append",
        default=[],
        type=str.lower,
        choices=_STATES,
        help="list only recordings in this state; repeat it for others",
    )
    command.add_argument(
        "--since",
        type=parse_since,
        metavar="WHEN",
        help="list only recordings that began since then: a duration until now, such as 30m, 2h, 7d"
        " or 4w, or a local date, such as 2026-11-20 or 2026-11-20T14:30",
    )
    command.set_defaults(run=_list)


def parse_since(text: str) -> datetime:
    """Return the time that a duration until now, or a date, stands for; in UTC.

    Raises:
        argparse.ArgumentTypeError: the text is neither.
    """
    try:
        duration = re.fullmatch(r"(\d+)([mhdw])", text, re.ASCII)
        if duration:
            return datetime.now(UTC) - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        # A date without a time zone is that of the user's clock.
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            "must be a duration such as 30m, 2h, 7d or 4w, or a date such as 2026-11-20 or"
            " 2026-11-20T14:30"
        ) from None


def _list(options: argparse.Namespace) -> int:
    """List recordings: start time, state, length, id."""
    from speech_adapters.contract import JobState

    states = tuple(JobState(state.capitalize()) for state in options.states)
    wanted = (states, options.since, options.limit)
    recordings = _read(wanted)
    if recordings is None:
        recordings = _query(wanted)
    for recording in recordings:
        sys.stdout.write(_line(recording))
    if not recordings:
        filtered = options.states or options.since
        report("no stored meeting matches." if filtered else "no meeting is stored.")
    return 0


def _read(wanted: _Wanted) -> list[Recording] | None:
    """Read the list without the meeting service, whose import takes longer than all the rest.

    Returns ``None`` if the service is needed: for settings, or because a cleanup is due.
    """
    from speech_adapters.plain_settings import plain_state_dir
    from speech_adapters.store import Store
    from speech_adapters.temporary import remove_abandoned

    folder = plain_state_dir()
    if folder is None:
        return None
    with Store.open(folder) as store:
        if store.due_cleanups(time.time()):
            return None
        remove_abandoned()
        return store.listed(*wanted)


def _query(wanted: _Wanted) -> list[Recording]:
    from speech_compat.cli.service import with_service

    async def work(meetings: MeetingService) -> list[Recording]:
        return await meetings.recordings(*wanted)

    return with_service(work)


def _line(recording: Recording) -> str:
    from speech_adapters.export import one_line
    from speech_adapters.transcript import seconds

    when = recording.created.astimezone().strftime("%Y-%m-%d %H:%M")
    length = seconds(recording.request.audio.ticks(recording.audio_bytes or 0))
    identity = one_line(recording.meeting_id)
    return f"{when}  {recording.state.value:<10}  {length:>9.1f} s  {identity}\n"
