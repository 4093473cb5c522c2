"""From a name to a backend, through the entry points of ``speech_adapters.backends``.

An entry point names a function ``create(settings) -> Backend``, or ``create(settings, host)``
for a backend that records into the meeting store or uses other backends (see
:class:`speech_adapters.recording.backend.Host`).  It is imported only when its backend is
used, so an unused backend costs nothing, and another distribution can add one.  The module
of the function may also have a function ``options_model()``, which returns the class of the
backend's options; ``speech-compat config`` describes them with it.  A function
``checks(subject)`` returns its checks for ``speech-compat doctor``, as a sequence of
:class:`speech_adapters.diagnosis.Check`.  A constant
``KEEPS_NOTHING_ELSEWHERE`` that is true means that meetings can be deleted without the backend.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from speech_adapters.capabilities import Gap, gaps
from speech_adapters.config import GROUP, Options, Settings
from speech_adapters.contract import Backend, MeetingRequest
from speech_adapters.errors import (
    ConfigurationError,
    NoBackendError,
    SpeechError,
    UnsupportedError,
)
from speech_adapters.installed import entry_points
from speech_adapters.setting_names import closest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from speech_adapters.diagnosis import Check, Subject
    from speech_adapters.recording.backend import Host

__all__ = [
    "GROUP",
    "backend_checks",
    "backend_names",
    "choose_backend",
    "create_backend",
    "keeps_nothing_elsewhere",
    "options_model",
    "strict_message",
]


def backend_names() -> tuple[str, ...]:
    """Return the names of all installed backends, in alphabetical order."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def create_backend(settings: Settings, name: str, host: Host) -> Backend:
    """Create the backend called ``name``; the caller closes it.

    Raises:
        NoBackendError: no backend has that name.
        MissingExtraError: it needs a package that is not installed.
        ConfigurationError: one of its options is wrong.
    """
    point = _entry_point(name)
    try:
        create = point.load()
        takes_host = len(inspect.signature(create).parameters) > 1
        backend: Backend = create(settings, host) if takes_host else create(settings)
    except SpeechError:
        raise
    except ImportError as error:
        raise ConfigurationError(f"Backend {name!r} cannot be loaded: {error}.") from error
    return backend


def options_model(name: str) -> type[Options] | None:
    """Return the class of a backend's options, or ``None`` if it publishes none.

    Raises:
        NoBackendError: no backend has that name.
        ConfigurationError: its package cannot be imported.
    """
    find = getattr(_module(name), "options_model", None)
    model: type[Options] | None = find() if find is not None else None
    return model


def backend_checks(name: str, subject: Subject) -> Sequence[Check]:
    """Return the checks that a backend has of its own; none if its package has no such function.

    Raises:
        NoBackendError: no backend has that name.
        ConfigurationError: its package cannot be imported.
    """
    find: Callable[[Subject], Sequence[Check]] | None = getattr(_module(name), "checks", None)
    return () if find is None else find(subject)


def keeps_nothing_elsewhere(name: str) -> bool:
    """Return whether a backend keeps meetings in the store of this machine only.

    Raises:
        NoBackendError: no backend has that name.
        ConfigurationError: its package cannot be imported.
    """
    return bool(getattr(_module(name), "KEEPS_NOTHING_ELSEWHERE", False))


def choose_backend(
    request: MeetingRequest, settings: Settings, backend_of: Callable[[str], Backend]
) -> tuple[Backend, tuple[Gap, ...]]:
    """Return the configured backend and what it will not do of the request.

    Args:
        request: what the program asks for.
        settings: which backend is configured, and whether losses are errors.
        backend_of: returns a backend by its name.

    Raises:
        NoBackendError: it cannot serve the request; each backend's reason is listed.
        UnsupportedError: something would be lost, in strict mode.
    """
    backend = backend_of(settings.backend)
    missing = gaps(request, backend.capabilities)
    if any(gap.blocking for gap in missing):
        raise NoBackendError(
            f"Backend {backend.name!r} cannot serve this meeting. Choose another one in the"
            ' setting "backend" or ask for less. The backends and why each was rejected:',
            {name: _rejection(name, request, settings, backend_of) for name in backend_names()},
        )
    if settings.strict and missing:
        raise UnsupportedError(strict_message(backend.name, missing))
    return backend, missing


def strict_message(name: str, missing: tuple[Gap, ...]) -> str:
    """Describe what would be lost, as the error of strict mode does."""
    lost = "".join(f"\n  {gap.id}: {gap.reason} ({gap.way_out})" for gap in missing)
    return f"Strict mode: backend {name!r} would lose what was asked for:{lost}"


def _entry_point(name: str) -> EntryPoint:
    found = entry_points(group=GROUP, name=name)
    if not found:
        names = backend_names()
        known = ", ".join(names) or "none is installed"
        raise NoBackendError(
            f"There is no backend called {name!r}. Known backends: {known}"
            f'{closest(name, names)}. Change the setting "backend".'
        )
    return next(iter(found))


def _module(name: str) -> ModuleType:
    point = _entry_point(name)
    try:
        return import_module(point.module)
    except ImportError as error:
        raise ConfigurationError(f"Backend {name!r} cannot be loaded: {error}.") from error


def _rejection(
    name: str,
    request: MeetingRequest,
    settings: Settings,
    backend_of: Callable[[str], Backend],
) -> str:
    try:
        backend = backend_of(name)
    except SpeechError as error:
        return str(error)
    blocking = [gap for gap in gaps(request, backend.capabilities) if gap.blocking]
    reasons = "; ".join(f"{gap.reason} ({gap.way_out})" for gap in blocking)
    return reasons or f'it could serve it, but "backend" is set to {settings.backend!r}'
