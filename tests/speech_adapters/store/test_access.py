from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from speech_adapters.config import StoreOptions
from speech_adapters.contract import MeetingRequest
from speech_adapters.errors import MeetingNotFoundError, StoreCorruptError, StoreError
from speech_adapters.store import AsyncStore, Store


def use(folder: Path, work: Callable[[AsyncStore], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        store = AsyncStore(folder)
        try:
            return await work(store)
        finally:
            await store.aclose()
            await store.aclose()

    return anyio.run(run)


def count_openings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list to which each opening of a store adds its folder."""
    opened: list[Path] = []
    open_store = Store.open

    def open_counted(_: type[Store], directory: Path, options: StoreOptions) -> Store:
        opened.append(directory)
        return open_store(directory, options)

    monkeypatch.setattr(Store, "open", classmethod(open_counted))
    return opened


def test_nothing_is_opened_before_the_first_call(tmp_path: Path) -> None:
    async def work(_: AsyncStore) -> None:
        pass

    use(tmp_path / "state", work)
    assert not (tmp_path / "state").exists()


def test_all_calls_share_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = count_openings(monkeypatch)

    async def work(store: AsyncStore) -> None:
        async def create(number: int) -> None:
            await store.run(Store.create, MeetingRequest(f"m{number}"), "local")

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(create, number)
        assert len(await store.run(Store.recordings)) == 20

    use(tmp_path, work)
    assert opened == [tmp_path]


def test_errors_are_passed_on_and_the_store_stays_usable(tmp_path: Path) -> None:
    async def work(store: AsyncStore) -> None:
        with pytest.raises(MeetingNotFoundError):
            await store.run(Store.newest, "unknown")
        await store.run(Store.create, MeetingRequest("m"), "local")
        assert (await store.run(Store.newest, "m")).backend == "local"

    use(tmp_path, work)


def test_a_store_that_cannot_be_opened_is_opened_at_a_later_call(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")

    async def work(store: AsyncStore) -> None:
        with pytest.raises(StoreError, match="not a folder"):
            await store.run(Store.recordings)
        (tmp_path / "state").unlink()
        assert await store.run(Store.recordings) == []

    use(tmp_path / "state", work)


def test_after_damage_the_next_call_starts_an_empty_store(tmp_path: Path) -> None:
    async def work(store: AsyncStore) -> None:
        await store.run(Store.create, MeetingRequest("m"), "local")
        # The first page is read again only when its change counter differs.
        await store.aclose()
        (tmp_path / "meetings.sqlite3").write_bytes(b"x" * 8_192)
        with pytest.raises(StoreCorruptError):
            await store.run(Store.recordings)
        assert await store.run(Store.recordings) == []

    use(tmp_path, work)
    assert list(tmp_path.glob("*.corrupt-*"))


def test_damage_found_later_makes_the_next_call_open_the_store_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_openings(monkeypatch)

    def find_damage(_: Store) -> None:
        raise StoreCorruptError("damaged")

    async def work(store: AsyncStore) -> None:
        await store.run(Store.create, MeetingRequest("m"), "local")
        with pytest.raises(StoreCorruptError):
            await store.run(find_damage)
        assert len(await store.run(Store.recordings)) == 1

    use(tmp_path, work)
    assert len(opened) == 2


def test_after_its_folder_was_moved_the_next_call_starts_an_empty_store(tmp_path: Path) -> None:
    folder = tmp_path / "state"

    async def work(store: AsyncStore) -> None:
        await store.run(Store.create, MeetingRequest("m"), "local")
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match="moved or deleted"):
            await store.run(Store.recordings)
        assert await store.run(Store.recordings) == []

    use(folder, work)


def test_a_late_error_of_a_damaged_store_leaves_the_new_one_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_openings(monkeypatch)
    started, proceed = threading.Event(), threading.Event()

    def find_damage(_: Store) -> None:
        raise StoreCorruptError("damaged")

    def find_damage_late(_: Store) -> None:
        started.set()
        assert proceed.wait(30)
        raise StoreCorruptError("damaged")

    async def work(store: AsyncStore) -> None:
        async def late() -> None:
            with pytest.raises(StoreCorruptError):
                await store.run(find_damage_late)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(late)
            assert await anyio.to_thread.run_sync(started.wait, 30)
            with pytest.raises(StoreCorruptError):
                await store.run(find_damage)
            await store.run(Store.recordings)
            proceed.set()
        await store.run(Store.recordings)

    use(tmp_path, work)
    assert len(opened) == 2


def test_a_closed_store_is_opened_again(tmp_path: Path) -> None:
    async def work(store: AsyncStore) -> None:
        await store.run(Store.create, MeetingRequest("m"), "local")
        await store.aclose()
        assert len(await store.run(Store.recordings)) == 1

    use(tmp_path, work)


def test_the_services_of_a_process_share_the_store_of_a_folder_until_the_last_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_openings(monkeypatch)

    async def run() -> None:
        stores = [AsyncStore(tmp_path) for _ in range(20)]
        other = AsyncStore(tmp_path / "other")
        for number, store in enumerate(stores):
            await store.run(Store.create, MeetingRequest(f"m{number}"), "local")
            assert len(await stores[0].run(Store.recordings)) == number + 1
        assert await other.run(Store.recordings) == []
        await other.aclose()
        for store in stores[:-1]:
            await store.aclose()
        assert len(await stores[-1].run(Store.recordings)) == 20
        assert opened == [tmp_path, tmp_path / "other"]
        await stores[-1].aclose()
        # The last one has closed it: SQLite then removes its log.
        assert not (tmp_path / "meetings.sqlite3-wal").exists()
        assert len(await stores[0].run(Store.recordings)) == 20
        assert opened == [tmp_path, tmp_path / "other", tmp_path]
        await stores[0].aclose()

    anyio.run(run)


def test_a_shared_store_that_was_moved_does_not_reach_the_next_service(tmp_path: Path) -> None:
    folder = tmp_path / "state"

    async def run() -> None:
        first, second = AsyncStore(folder), AsyncStore(folder)
        await first.run(Store.create, MeetingRequest("m"), "local")
        folder.rename(tmp_path / "elsewhere")
        assert await second.run(Store.recordings) == []
        with pytest.raises(StoreError, match="moved or deleted"):
            await first.run(Store.recordings)
        # Neither the error nor the end of the first one closes the new store.
        assert await first.run(Store.recordings) == []
        await first.aclose()
        assert await second.run(Store.recordings) == []
        await second.aclose()

    anyio.run(run)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_opens_a_store_of_its_own(tmp_path: Path) -> None:
    program = f"""
import os
from pathlib import Path
from speech_adapters.contract import MeetingRequest
from speech_adapters.store import access
folder = Path({str(tmp_path)!r})
ours = access._stores.acquire(folder)
child = os.fork()
if not child:
    store = access._stores.acquire(folder)
    store.create(MeetingRequest("m"), "local")
    access._stores.release(folder, store)
    os._exit(0 if store is not ours else 1)
assert os.waitpid(child, 0)[1] == 0
print(len(ours.recordings()))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
