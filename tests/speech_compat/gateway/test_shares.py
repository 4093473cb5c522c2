"""How much expensive work runs at a time."""

from __future__ import annotations

import anyio
import pytest

from speech_compat.gateway.access import Caller
from speech_compat.gateway.shares import Shares


class Crowd:
    """Work of several owners that runs until it is released."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self.running: list[str] = []
        self.release = anyio.Event()

    async def work(self, owner: str) -> None:
        async with self._shares.use(Caller(owner)):
            self.running.append(owner)
            await self.release.wait()


@pytest.mark.parametrize(
    ("owners", "running"),
    [
        (["a"] * 5, ["a", "a"]),
        (["a"] * 5 + ["b"], ["a", "a", "b"]),
        (["a", "b", "c", "d"], ["a", "b", "c"]),
    ],
)
def test_an_owner_and_all_owners_have_a_limit(owners: list[str], running: list[str]) -> None:
    async def run() -> None:
        crowd = Crowd(Shares(each=2, total=3))
        async with anyio.create_task_group() as tasks:
            for owner in owners:
                tasks.start_soon(crowd.work, owner)
            await anyio.wait_all_tasks_blocked()
            assert crowd.running == running
            crowd.release.set()
        assert sorted(crowd.running) == sorted(owners)

    anyio.run(run)


def test_what_was_canceled_frees_its_place() -> None:
    async def run() -> None:
        shares = Shares(each=1, total=1)
        crowd = Crowd(shares)
        for _ in range(3):
            with anyio.move_on_after(0):
                await crowd.work("a")
        async with shares.use(Caller("b")):
            assert not shares._owners.get("a")

    anyio.run(run)
