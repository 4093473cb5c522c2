"""The meeting services of the process: one for each set of settings in use.

Meetings and remote clients with equal settings share one service, so they share the open
store, the backends and their connections.  The last user closes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from speech_adapters.request import MeetingRequest, Mode
from speech_compat._session import event_loop
from speech_compat._session.mapping.requests import settings_of

if TYPE_CHECKING:
    from speech_adapters.config import Settings
    from speech_adapters.meetings import MeetingService
    from speech_compat._sdk.config import SpeechConfig

__all__ = ["acquire", "check_backend", "release", "release_from_finalizer"]

_lock = threading.Lock()
# Services in use, each with the number of its users.
_users: list[tuple[MeetingService, int]] = []


def acquire(settings: Settings) -> MeetingService:
    """Return the service for these settings; to be released once for each call.

    Its methods are for the process's event loop only (:mod:`.event_loop`).
    """
    from speech_adapters.meetings import MeetingService

    # Last: meetings that are still being recorded end first, and need their service.
    event_loop.run_at_exit(_close_all, last=True)
    with _lock:
        for index, (service, users) in enumerate(_users):
            if service.settings == settings:
                _users[index] = (service, users + 1)
                return service
        service = MeetingService(settings)
        _users.append((service, 1))
        return service


def check_backend(config: SpeechConfig, token: Callable[[], str], mode: Mode = Mode.LIVE) -> None:
    """Create the backend that the settings select, which costs no network, and close it.

    The same errors could be raised at the start of a meeting, but there only an event reports
    them.  A missing credential is no error yet: a program may set its token until the start.

    Args:
        config: the program's configuration.
        token: returns the authorization token that is valid at the time of the call.
        mode: whether the transcript is stored, which needs more settings of some backends.

    Raises:
        ConfigurationError: a setting is wrong or missing, or an extra is not installed.
    """
    from speech_adapters.recording.backend import RecordingBackend

    settings = settings_of(config, token)
    if settings.service.token is None:
        service = settings.service.model_copy(update={"token": token})
        settings = settings.model_copy(update={"service": service})
    with suppress(event_loop.ProgramEndingError):  # the start reports it
        event_loop.portal()  # which closes the service
        meetings = acquire(settings)
        try:
            backend = meetings.backend()
            if mode.stored:
                meetings.check_executor()
            if mode.stored and isinstance(backend, RecordingBackend):
                backend.check(MeetingRequest("any", mode=mode))
        finally:
            release(meetings)


def release(service: MeetingService) -> None:
    """End one use of a service; the last one closes it soon.  From any thread."""
    with _lock:
        _end_use(service)


def release_from_finalizer(service: MeetingService) -> None:
    """Like :func:`release`, from a finalizer; never blocks.

    The garbage collector may run in the very thread that holds the lock.
    """
    if _lock.acquire(blocking=False):
        try:
            _end_use(service)
        finally:
            _lock.release()
    else:
        event_loop.start_soon(partial(_release_later, service))


async def _release_later(service: MeetingService) -> None:
    release(service)


def _end_use(service: MeetingService) -> None:
    index = next((i for i, (known, _) in enumerate(_users) if known is service), None)
    if index is None:  # closed already, because the program is ending
        return
    users = _users[index][1] - 1
    if users:
        _users[index] = (service, users)
    else:
        del _users[index]
        event_loop.start_soon(service.aclose)


def _close_all() -> None:
    with _lock:
        services = [service for service, _ in _users]
        _users.clear()
    for service in services:
        event_loop.call(service.aclose)


@event_loop.after_fork
def _start_anew() -> object:
    global _lock
    _lock = threading.Lock()
    of_parent = tuple(_users)
    _users.clear()
    return of_parent
