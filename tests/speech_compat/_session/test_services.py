from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from double.program import run_program
from speech_adapters.config import load_settings
from speech_adapters.contract import Mode
from speech_adapters.errors import ConfigurationError
from speech_compat import SpeechConfig
from speech_compat._session import event_loop, services


@pytest.fixture(autouse=True)
def _loop() -> None:
    event_loop.portal()


def test_equal_settings_share_a_service_until_the_last_release() -> None:
    first = services.acquire(load_settings())
    second = services.acquire(load_settings())
    other = services.acquire(load_settings({"backend": "auto"}))
    assert first is second
    assert other is not first
    services.release(first)
    third = services.acquire(load_settings())
    assert third is first
    for service in (second, third, other):
        services.release(service)
    fresh = services.acquire(load_settings())
    assert fresh is not first
    services.release(fresh)


def test_a_release_too_many_does_nothing() -> None:
    service = services.acquire(load_settings())
    services.release(service)
    services.release(service)


def test_a_finalizer_in_a_thread_that_holds_the_lock_does_not_wait_for_it() -> None:
    service = services.acquire(load_settings())
    released = threading.Event()

    def collect_garbage() -> None:
        with services._lock:
            services.release_from_finalizer(service)
            released.set()

    threading.Thread(target=collect_garbage, daemon=True).start()
    assert released.wait(30)
    deadline = time.monotonic() + 30
    while any(known is service for known, _ in services._users):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_services_in_use_are_closed_when_the_program_ends() -> None:
    program = """
import tempfile
from pathlib import Path
from speech_adapters.config import Settings
from speech_adapters.contract import MeetingRequest
from speech_adapters.store import Store
from speech_compat._session import event_loop, services

service = services.acquire(Settings(state_dir=Path(tempfile.mkdtemp())))
event_loop.call(service.store.run, Store.create, MeetingRequest("m"), "local")
close = service.aclose

async def noting():
    await close()
    print("closed", service.store._store)

service.aclose = noting
"""
    done = run_program(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed None\n", "")


def configured(**properties: str) -> SpeechConfig:
    """Return a configuration without a credential, with these settings."""
    config = SpeechConfig(endpoint="https://stand-in.invalid")
    for name, value in properties.items():
        config.set_property_by_name(f"speech-compat.{name.replace('__', '.')}", value)
    return config


@pytest.fixture
def unchanged() -> Iterator[None]:
    """Check that the test acquires no service; others may have some that are not released yet."""
    known = {id(service) for service, _ in services._users}
    yield
    assert all(id(service) in known for service, _ in services._users)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({"backend": "lokal"}, "no backend called 'lokal'.*closest is 'local'"),
        ({"bakend": "local"}, "bakend: there is no such name; the closest is 'backend'"),
        ({"downmix": "loudest"}, "downmix"),
        ({"backend": "fast", "backends__fast__model": "x"}, "backends.fast.model"),
    ],
)
def test_a_wrong_setting_is_found_without_a_meeting(
    properties: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        services.check_backend(configured(**properties), lambda: "")


@pytest.mark.usefixtures("unchanged")
def test_a_missing_credential_is_no_error_yet() -> None:
    # A program may set its token until the start.
    for backend in ("fast", "batch", "realtime"):
        services.check_backend(configured(backend=backend), lambda: "")


@pytest.mark.usefixtures("unchanged")
def test_a_stored_meeting_needs_what_its_backend_needs_for_it() -> None:
    config = configured(backend="batch")
    services.check_backend(config, lambda: "", Mode.LIVE)
    with pytest.raises(ConfigurationError, match="storage_connection_string"):
        services.check_backend(config, lambda: "", Mode.STORED)


@pytest.mark.usefixtures("unchanged")
def test_a_stored_meeting_needs_what_the_executor_needs() -> None:
    config = configured(executor="dask")
    services.check_backend(config, lambda: "", Mode.LIVE)
    with pytest.raises(ConfigurationError, match=r"set dask\.scheduler"):
        services.check_backend(config, lambda: "", Mode.STORED)
