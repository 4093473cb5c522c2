from __future__ import annotations

import threading

import anyio
import pytest

from speech_adapters.threads import AUDIO, COMPUTE, STORE, TRANSFER, Threads


def test_a_call_runs_in_another_thread_and_returns_its_result() -> None:
    async def work() -> tuple[int, int]:
        return await COMPUTE.run(divmod, 7, 2)

    assert anyio.run(work) == (3, 1)
    assert anyio.run(COMPUTE.run, threading.get_ident) != threading.get_ident()


def test_an_error_is_passed_on() -> None:
    async def work() -> int:
        return await COMPUTE.run(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        anyio.run(work)


def test_no_more_threads_than_the_limit_work_at_once() -> None:
    kind = Threads("test", 2)
    lock, running, most = threading.Lock(), 0, 0
    release = threading.Event()

    def block() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        release.wait()
        with lock:
            running -= 1

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(kind.run, block)
            with anyio.fail_after(30):
                while running < 2:
                    await anyio.sleep(0.01)
            await anyio.sleep(0.05)
            release.set()

    anyio.run(work)
    assert most == 2


@pytest.mark.parametrize("busy", [STORE, TRANSFER, COMPUTE])
def test_audio_is_written_while_all_threads_of_another_kind_are_blocked(busy: Threads) -> None:
    release = threading.Event()

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(busy.run, release.wait)
            await anyio.sleep(0.01)
            try:
                with anyio.fail_after(30):
                    assert await AUDIO.run(int, "5") == 5
            finally:
                release.set()

    anyio.run(work)


def test_each_event_loop_has_its_own_threads() -> None:
    for _ in range(2):
        assert anyio.run(STORE.run, threading.get_ident)
