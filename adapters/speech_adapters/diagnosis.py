"""Checks of an installation, which ``speech-compat doctor`` runs and presents.

What only a backend knows, it checks itself: its package may have a function
``checks(subject)``, which returns its checks (see :mod:`speech_adapters.registry`).  A check
changes nothing on this machine.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Final

import anyio
import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.config import Settings
from speech_adapters.errors import BackendError, SpeechError
from speech_adapters.extras import need_packages
from speech_adapters.isolated import run_isolated
from speech_adapters.masking import mask

__all__ = [
    "AUDIO",
    "AudioFile",
    "Check",
    "Finding",
    "Level",
    "Subject",
    "failed",
    "failure",
    "library_check",
    "ok",
    "package_check",
    "run_check",
    "skipped",
    "warning",
]

# The id of the check whether a backend can use the file; it is run for every backend.
AUDIO: Final = "audio"
# Requests have shorter limits of their own; this one ends a check that hangs all the same.
_LONGEST_SECONDS: Final = 120.0
# Messages end with what to do, in a sentence of its own or after a colon.
_ADVICE: Final = re.compile(
    r"(?:: |[.] )(?=(?:add|ask|check|choose|convert|copy|correct|create|install|leave|open|pip|"
    r"remove|see|set|sign in|start|write)\b)",
    re.IGNORECASE,
)

# What SpeechError adds to messages that name settings, and all that some of them advise.
_VARIABLES: Final = " In the environment: "
_PAGE: Final = "See docs/configuration.md."


class Level(Enum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen
class Finding:
    """What a check found; secrets in the texts are masked.

    Attributes:
        level: the result.
        text: what was found; of a failure or a warning the cause.
        fix: what to do, as one or more sentences; only of a failure or a warning.
    """

    level: Level
    text: str = attrs.field(converter=mask)
    fix: str = attrs.field(default="", converter=mask)


def ok(text: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(Level.OK, text)


def warning(cause: str, fix: str) -> Finding:
    """Return the finding of something that works, but not as expected."""
    return Finding(Level.WARNING, cause, fix)


def failed(cause: str, fix: str) -> Finding:
    """Return the finding of something that does not work."""
    return Finding(Level.FAILED, cause, fix)


def skipped(reason: str) -> Finding:
    """Return the finding that nothing was checked, and why."""
    return Finding(Level.SKIPPED, reason)


def failure(error: SpeechError, fix: str) -> Finding:
    """Return the finding for an error.

    Args:
        error: the error; its message states a cause and in most cases what to do.
        fix: what to do if the message does not state it.
    """
    text, _, variables = str(error).partition(_VARIABLES)
    # The names of a command have a colon of their own, and the command comes last.
    command = re.search(r": (?=pip install )", text)
    found = command or _ADVICE.search(text)
    if found is None:
        return failed(text, f"{fix}{_VARIABLES}{variables}" if variables else fix)
    advice = text[found.end() :]
    if command is None:
        advice = advice[:1].upper() + advice[1:]
    if variables and advice == _PAGE:
        advice = f"Set it in speech-compat.toml, or {variables} {_PAGE}"
    elif variables:
        advice += f"{_VARIABLES}{variables}"
    return failed(f"{text[: found.start()]}.", advice)


@attrs.frozen
class AudioFile:
    """What is known of an audio file that can be read.

    Attributes:
        path: the file.
        pcm: sample rate and channels.
        seconds: its length.
        mono_bytes: size of its mono mix with 16-bit samples, which services receive.
    """

    path: Path
    pcm: PcmFormat
    seconds: float
    mono_bytes: int


@attrs.frozen
class Subject:
    """What is checked.

    Attributes:
        settings: the settings in effect.
        audio: the file that is to be transcribed, if there is one.
    """

    settings: Settings
    audio: AudioFile | None = None


@attrs.frozen
class Check:
    """One check.

    Attributes:
        id: its name for programs, such as ``credential``; it stays the same in later versions.
        title: its name for people.
        run: returns the finding.  It may block, raise any error, which becomes a failure, and
            start processes; it sends nothing unless ``online`` is set.
        online: whether it sends requests, and so is run only if the user wishes.
        fix: what to do about an error whose message does not state it.
    """

    id: str
    title: str
    run: Callable[[], Awaitable[Finding]]
    online: bool = False
    fix: str = "See docs/configuration.md."


def package_check(extra: str, modules: Mapping[str, str]) -> Check:
    """Return the check of the packages of an extra; none is imported.

    Args:
        extra: the extra that installs them.
        modules: the name under which pip installs each package, by the module's name.
    """

    async def run() -> Finding:
        need_packages(extra, *modules)
        return ok(", ".join(f"{name} {version(name)}" for name in modules.values()))

    return Check("packages", "Packages", run, fix=f'pip install "speech-compat[{extra}]"')


def library_check(load: Callable[[str], str], extra: str) -> Check:
    """Return the check whether native libraries load, in a process that may crash.

    Args:
        load: a function of a module, which loads them and returns their names; its argument
            is empty.
        extra: the extra that installs them.
    """

    async def run() -> Finding:
        try:
            return ok(await run_isolated(load, ""))
        except BackendError as error:
            return failed(
                str(error).removesuffix(" Nothing is lost: try again later."),
                f'Install again: pip install --force-reinstall "speech-compat[{extra}]"; if that'
                " does not help, the packages have no build for this system or processor.",
            )

    return Check("libraries", "Native libraries", run)


async def run_check(check: Check, *, online: bool) -> Finding:
    """Return the finding of a check; an error in it is a finding too.

    Args:
        check: the check.
        online: whether checks that send requests are run.
    """
    if check.online and not online:
        return skipped("needs the network: add --online")
    try:
        with anyio.fail_after(_LONGEST_SECONDS):
            return await check.run()
    except SpeechError as error:
        return failure(error, check.fix)
    except TimeoutError:
        return failed(f"The check did not end in {_LONGEST_SECONDS:g} s.", "Check the network.")
    except Exception as error:
        # Without its text, which may quote anything.
        return failed(
            f"The check itself failed: {type(error).__name__} in {_place(error)}.",
            "This is an error of the check: report it with this line.",
        )


def _place(error: Exception) -> str:
    """Return file and line where an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "a library"
