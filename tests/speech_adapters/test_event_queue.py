"""The queue from any thread to the event loop."""

from __future__ import annotations

import threading

import anyio
import anyio.to_thread
import pytest

from speech_adapters.event_queue import EventQueue, LoopEvent


def test_items_of_many_threads_arrive_complete_and_in_the_order_of_each() -> None:
    async def work() -> list[tuple[int, int]]:
        queue: EventQueue[tuple[int, int]] = EventQueue()

        def fill(thread: int) -> None:
            for number in range(2_000):
                queue.put((thread, number))

        fillers = [threading.Thread(target=fill, args=(thread,)) for thread in range(4)]
        for filler in fillers:
            filler.start()
        return [await queue.get() for _ in range(8_000)]

    items = anyio.run(work)
    for thread in range(4):
        assert [number for owner, number in items if owner == thread] == list(range(2_000))


def test_its_length_is_the_number_of_unread_items() -> None:
    async def work() -> None:
        queue: EventQueue[str] = EventQueue()
        assert len(queue) == 0
        queue.put("a")
        queue.put("b")
        assert len(queue) == 2
        assert await queue.get() == "a"
        assert len(queue) == 1

    anyio.run(work)


def test_a_waiting_task_is_woken_and_uses_no_pooled_thread() -> None:
    async def work() -> str:
        queue: EventQueue[str] = EventQueue()
        items: list[str] = []

        async def read() -> None:
            items.append(await queue.get())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            threading.Thread(target=queue.put, args=("late",)).start()
        return items[0]

    assert anyio.run(work) == "late"


@pytest.mark.timeout(20)
def test_a_task_waits_again_after_it_was_woken() -> None:
    async def work() -> list[str]:
        queue: EventQueue[str] = EventQueue()
        items: list[str] = []

        async def read() -> None:
            items.extend([await queue.get(), await queue.get()])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for item in ("first", "second"):
                await anyio.wait_all_tasks_blocked()
                queue.put(item)
        return items

    assert anyio.run(work) == ["first", "second"]


def test_a_loop_that_is_closed_is_no_error_in_the_thread_that_fills() -> None:
    async def work() -> tuple[EventQueue[str], LoopEvent]:
        return EventQueue(), LoopEvent()

    queue, event = anyio.run(work)
    queue.put("no task reads it")
    event.set()
    assert len(queue) == 1
