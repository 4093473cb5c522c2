"""The options of the replay backend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator

from speech_adapters import errors
from speech_adapters.config import Options, Settings, missing_option, parse_options
from speech_adapters.errors import BackendError

__all__ = ["HANG", "NAME", "ReplayOptions", "replay_options"]

NAME: Final = "replay"
HANG: Final = "hang"
_ERRORS: Final[dict[str, type[BackendError]]] = {
    name: kind for name in errors.__all__ if issubclass(kind := getattr(errors, name), BackendError)
}


class ReplayOptions(Options):
    """Options of ``backends.replay``.

    Attributes:
        script: the script or transcript to play (see :mod:`speech_adapters.replay_script`).
        pace: 0 to send each event as soon as its audio has arrived; 1 to send it no earlier
            than the audio would have been spoken, 2 in half of that time, and so on.
        delay_seconds: an additional wait before each event, for a slow service.
        fault: what goes wrong: the name of a class of
            :class:`~speech_adapters.errors.BackendError`, or ``hang`` for a meeting that never
            ends; empty for nothing.
        fault_after: the number of events before the fault; by default all of them.
        whole: play the whole script, also what lies behind the end of the audio.
        record: the name of a backend that serves the meetings, while the script is written
            from its live events instead of played; the last meeting replaces the others.
    """

    script: Path
    pace: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    delay_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    fault: str = ""
    fault_after: Annotated[int, Field(ge=0)] | None = None
    whole: bool = False
    record: str = ""

    @field_validator("fault")
    @classmethod
    def _check_fault(cls, fault: str) -> str:
        if fault not in ("", HANG, *_ERRORS):
            raise ValueError(f"must be {HANG} or one of {', '.join(sorted(_ERRORS))}")
        return fault

    def error(self) -> BackendError | None:
        """Return the error that ends a meeting, if the fault is one."""
        kind = _ERRORS.get(self.fault)
        text = f"The replay script ends with {self.fault}, as backends.replay.fault demands."
        return None if kind is None else kind(text)


def replay_options(settings: Settings) -> ReplayOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong, or the script is missing.
    """
    options = settings.backends.get(NAME, {})
    if not options.get("script"):
        raise missing_option(NAME, "script", "(the path of an event script or transcript)")
    return parse_options(ReplayOptions, NAME, options)
