"""From a name to a backend, through the entry points of ``speech_adapters.backends``.

An entry point names a function ``create(settings) -> Backend``.  It is imported
only when its backend is asked for, so a backend costs nothing until used, and
another distribution can add one.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points

from speech_adapters.config import Settings
from speech_adapters.contract import Backend, Gap, MeetingRequest, gaps
from speech_adapters.errors import (
    ConfigurationError,
    MeetingNotFoundError,
    NoBackendError,
    SpeechError,
    UnsupportedError,
)
from speech_adapters.store import Store

__all__ = [
    "GROUP",
    "backend_names",
    "choose_backend",
    "create_backend",
    "meeting_backend",
    "strict_message",
]

GROUP = "speech_adapters.backends"


def backend_names() -> tuple[str, ...]:
    """The names of all installed backends, in alphabetical order."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def create_backend(settings: Settings, name: str | None = None) -> Backend:
    """Make the backend called ``name``, or the configured one.

    Raises:
        NoBackendError: no backend has that name.
        MissingExtraError: it needs a package that is not installed.
        ConfigurationError: one of its options is wrong.
    """
    name = name or settings.backend
    point = _entry_point(name)
    try:
        backend: Backend = point.load()(settings)
    except SpeechError:
        raise
    except ImportError as error:
        raise ConfigurationError(f"Backend {name!r} cannot be loaded: {error}.") from error
    return backend


def meeting_backend(settings: Settings, meeting_id: str) -> Backend:
    """Make the backend that has a meeting: the one that recorded it here, or the configured one.

    So a meeting stays with the backend that took it, whatever is configured when
    somebody asks: its audio goes nowhere else.

    Raises:
        StoreError: the meeting store cannot be read.
        NoBackendError, MissingExtraError, ConfigurationError: see :func:`create_backend`.
    """
    name = None
    with suppress(MeetingNotFoundError), Store.open(settings.state_dir) as store:
        name = store.newest(meeting_id).backend
    return create_backend(settings, name)


def choose_backend(request: MeetingRequest, settings: Settings) -> tuple[Backend, tuple[Gap, ...]]:
    """Give the configured backend and what it will not do of the request.

    Raises:
        NoBackendError: it cannot serve the request; each backend's reason is listed.
        UnsupportedError: strict mode, and something asked for would be lost.
    """
    backend = create_backend(settings)
    missing = gaps(request, backend.capabilities)
    if any(gap.blocking for gap in missing):
        raise NoBackendError(
            f"Backend {backend.name!r} cannot serve this meeting. Choose another one in the"
            ' setting "backend" or ask for less. The backends and why they were passed over:',
            {name: _why_not(name, request, settings) for name in backend_names()},
        )
    if settings.strict and missing:
        raise UnsupportedError(strict_message(backend.name, missing))
    return backend, missing


def _entry_point(name: str) -> EntryPoint:
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = ", ".join(backend_names()) or "none is installed"
        raise NoBackendError(f"There is no backend called {name!r}. Known backends: {known}.")
    return next(iter(found))


def _why_not(name: str, request: MeetingRequest, settings: Settings) -> str:
    try:
        backend = create_backend(settings, name)
    except SpeechError as error:
        return str(error)
    blocking = [g for g in gaps(request, backend.capabilities) if g.blocking]
    reasons = "; ".join(f"{gap.reason} ({gap.way_out})" for gap in blocking)
    return reasons or f'it could serve it, but "backend" is set to {settings.backend!r}'


def strict_message(name: str, missing: tuple[Gap, ...]) -> str:
    """Say what would be lost, in the words of strict mode."""
    lost = "".join(f"\n  {gap.id}: {gap.reason} ({gap.way_out})" for gap in missing)
    return f"Strict mode: backend {name!r} would lose what was asked for:{lost}"
