"""The command ``doctor``: runs the checks of settings, machine, store and backends.

Nothing on this machine is changed: no store is created, and an existing one is only read.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final

import anyio
import attrs

from speech_adapters import threads
from speech_adapters.config import Settings, load_settings
from speech_adapters.diagnosis import (
    AUDIO,
    Check,
    Finding,
    Level,
    Subject,
    failure,
    ok,
    run_check,
    skipped,
)
from speech_adapters.errors import ConfigurationError, SpeechError
from speech_adapters.execution.diagnose import executor_checks
from speech_adapters.meetings import MeetingService
from speech_adapters.registry import backend_checks, backend_names
from speech_adapters.setting_names import closest
from speech_adapters.store.diagnose import store_checks
from speech_compat.cli.doctor_audio import examine
from speech_compat.cli.doctor_checks import machine_checks, settings_checks
from speech_compat.cli.doctor_output import JsonReport, TextReport
from speech_compat.cli.doctor_report import Diagnosis, Group, Report
from speech_compat.cli.output import report

__all__ = ["doctor"]

_WRONG_USAGE: Final = 2
# The last check of each backend, which finds what its own checks have missed.
_CREATE: Final = "create"


def doctor(options: argparse.Namespace) -> int:
    """Run the checks and write their results to standard output.

    Returns:
        The exit code: 0, 1 if something fails for the selected backend, or 2 for a backend that
        does not exist.
    """
    names = backend_names()
    if options.backend is not None and options.backend not in names:
        report(
            f"There is no backend called {options.backend!r}; there are {', '.join(names)}"
            f"{closest(options.backend, names)}."
        )
        return _WRONG_USAGE
    properties = {} if options.backend is None else {"backend": options.backend}
    settings: Settings | None = None
    problem: SpeechError | None = None
    try:
        settings = load_settings(properties)
    except SpeechError as error:
        problem = error
    except OSError as error:  # the working directory was deleted, for example
        problem = ConfigurationError(f"The settings cannot be read: {error.strerror or error}.")
    shown = JsonReport() if options.json else TextReport()
    anyio.run(_run, options, settings, problem, shown)
    return shown.end()


async def _run(
    options: argparse.Namespace,
    settings: Settings | None,
    problem: SpeechError | None,
    shown: Report,
) -> None:
    shown.begin(None if settings is None else settings.backend, online=options.online)
    run = partial(_run_group, shown, online=options.online)
    await run(Group("settings", "Settings"), settings_checks(settings, problem))
    await run(Group("machine", "This machine"), machine_checks())
    if settings is None:
        return  # everything else depends on the settings
    await run(Group("store", "Meeting store"), store_checks(settings.state_dir, settings.store))
    if settings.executor != "processes":
        await run(Group("executor", f"Executor {settings.executor}"), executor_checks(settings))
    subject = Subject(settings)
    if options.file is not None:
        title = f"Audio file {options.file}"
        checks, audio = await threads.COMPUTE.run(examine, options.file)
        await run(Group("audio", title), checks)
        subject = Subject(settings, audio)
        for name in backend_names() if audio is not None else ():
            await run(Group("audio", title, name), _audio_checks(name, subject))
    await _run_backends(subject, shown, run, all_of_them=options.all)


async def _run_backends(
    subject: Subject,
    shown: Report,
    run: Callable[[Group, Iterable[Check]], Awaitable[None]],
    *,
    all_of_them: bool,
) -> None:
    selected = subject.settings.backend
    checked = backend_names() if all_of_them else (selected,)
    async with MeetingService(subject.settings) as meetings:
        for name in sorted(checked, key=lambda name: name != selected):
            group = Group("backend", f"Backend {name}", name)
            await run(group, _checks_of(name, subject, meetings))
        for name in backend_names():
            if name not in checked:
                shown.add_other(name, await _reason(name, meetings))


async def _run_group(shown: Report, group: Group, checks: Iterable[Check], *, online: bool) -> None:
    """Present the results; a failure with the cause of an earlier one only refers to that."""
    causes: dict[str, str] = {}
    for check in checks:
        if check.id == _CREATE and causes:
            finding = skipped("after the failures above")
        else:
            finding = await run_check(check, online=online)
        if finding.level is Level.FAILED:
            if finding.text in causes:
                finding = skipped(f"for the reason of {causes[finding.text]!r}")
            else:
                causes[finding.text] = check.title
        shown.add(Diagnosis(group, check.id, check.title, finding))


def _checks_of(name: str, subject: Subject, meetings: MeetingService) -> Sequence[Check]:
    """Return the checks of a backend, of which the last is that it can be created."""

    async def create() -> Finding:
        backend = await threads.COMPUTE.run(meetings.backend, name)
        return ok(backend.provenance.version)

    own = (check for check in _own_checks(name, subject) if check.id != AUDIO)
    return (*own, Check(_CREATE, "Ready", create))


def _audio_checks(name: str, subject: Subject) -> Sequence[Check]:
    """Return the check whether a backend can use the file."""
    found = (check for check in _own_checks(name, subject) if check.id == AUDIO)
    return [attrs.evolve(check, title=f"with {name}") for check in found]


def _own_checks(name: str, subject: Subject) -> Sequence[Check]:
    try:
        return backend_checks(name, subject)
    except Exception as error:
        broken = error

        async def run() -> Finding:
            raise broken

        return (Check("checks", "Checks", run),)


async def _reason(name: str, meetings: MeetingService) -> str:
    """Return why a backend that is not selected cannot be used; empty if it can."""
    try:
        await threads.COMPUTE.run(meetings.backend, name)
    except SpeechError as error:
        return failure(error, "").text
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
