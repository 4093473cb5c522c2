from __future__ import annotations

import threading
import time

import pytest

from double.program import run_program
from speech_adapters.config import load_settings
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
