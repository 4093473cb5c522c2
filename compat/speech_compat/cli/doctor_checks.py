"""The checks of settings and machine, for the command ``doctor``."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from speech_adapters.config import Settings, parse_options
from speech_adapters.diagnosis import Check, Finding, failed, failure, ok, warning
from speech_adapters.errors import SpeechError
from speech_adapters.registry import options_model
from speech_adapters.setting_names import PREFIX
from speech_adapters.settings_sources import CONFIG, FILE, find_files
from speech_adapters.store.diagnose import space_finding

__all__ = ["machine_checks", "settings_checks"]

_SAMPLE_BYTES: Final = 4_096


def settings_checks(settings: Settings | None, problem: SpeechError | None) -> Sequence[Check]:
    """Return the checks of the settings.

    Args:
        settings: the settings, or ``None`` if they cannot be read.
        problem: why they cannot be read.
    """

    async def files() -> Finding:
        return _files()

    async def values() -> Finding:
        if problem is not None:
            return failure(problem, "See docs/configuration.md for the names and values.")
        assert settings is not None
        profile = f", profile {settings.profile}" if settings.profile else ""
        strict = ", strict" if settings.strict else ""
        return ok(f"backend {settings.backend}{profile}{strict}")

    async def tables() -> Finding:
        assert settings is not None
        return _tables(settings)

    checks = (Check("settings.files", "Files", files), Check("settings.values", "Values", values))
    if settings is None:
        return checks
    return (*checks, Check("settings.tables", "Other tables", tables))


def machine_checks() -> Sequence[Check]:
    """Return the checks of Python and of the folder for temporary files."""

    async def python() -> Finding:
        return ok(
            f"speech-compat {version('speech-compat')}, Python {platform.python_version()},"
            f" {platform.system()} {platform.machine()}"
        )

    async def temporary() -> Finding:
        return _temporary()

    return (
        Check("machine.python", "Versions", python),
        Check("machine.temporary", "Temporary files", temporary),
    )


def _files() -> Finding:
    found = find_files()
    names = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    variables = f"; {', '.join(names)} in the environment" if names else ""
    if not found:
        return ok(f"no {FILE} here or in a folder above: defaults{variables}")
    origin = f", named by {CONFIG}" if os.environ.get(CONFIG) else ""
    return ok(f"{', '.join(map(str, found))}{origin}{variables}")


def _tables(settings: Settings) -> Finding:
    """Return whether the options are right that are not those of the selected backend."""
    problems = []
    others = sorted(set(settings.backends) - {settings.backend})
    for name in others:
        model = options_model(name)
        try:
            if model is not None:
                parse_options(model, name, settings.backends[name])
        except SpeechError as error:
            problems.append(str(error))
    if settings.gateway:
        from speech_compat.gateway.options import gateway_options

        others.append("gateway")
        try:
            gateway_options(settings)
        except SpeechError as error:
            problems.append(str(error))
    if problems:
        return warning(
            " ".join(problems), "Correct them before these backends or the gateway are used."
        )
    return ok(f"valid: {', '.join(others)}" if others else "none")


def _temporary() -> Finding:
    fix = "Free space on its disk, or set TMPDIR to a folder on another disk."
    try:
        folder = Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_SAMPLE_BYTES))  # a full disk accepts an empty file
    except OSError as error:
        return failed(
            f"The folder for temporary files cannot be written: {error.strerror or error}.", fix
        )
    finding = space_finding(folder, "TMPDIR")
    return ok(f"{folder}, {finding.text}") if finding.level.value == "ok" else finding
