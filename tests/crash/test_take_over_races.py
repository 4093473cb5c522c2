"""Another process deletes, sweeps, queries or continues a meeting while it is taken over.

Every call of the take-over that can block is a point at which the other one may come.  The tests
take a meeting over as often as there are points, and have the other process act at the first,
the second and so on.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import attrs
import pytest

from double.recognition import SECOND, audio
from double.recorder import REQUEST, Recorder
from speech_adapters import meetings as module
from speech_adapters import threads
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, Session
from speech_adapters.errors import MeetingBusyError, MeetingNotFoundError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import Host
from speech_adapters.store import Recording, Store

Rival = Callable[[MeetingService], Awaitable[Session | None]]

# Only the take-over has points; the rival runs in another thread.
_working: ContextVar[bool] = ContextVar("_working", default=False)


@attrs.define
class _Race:
    """Has a rival act at the point ``at``, and counts the points."""

    at: int
    rival: Rival
    points: int = 0
    error: SpeechError | None = None
    acted: bool = False

    def pass_point(self) -> None:
        """Count a point of the take-over; blocks until the rival has acted."""
        self.points += 1
        if self.points == self.at:
            thread = threading.Thread(target=anyio.run, args=(self._act,))
            thread.start()
            thread.join()

    async def _act(self) -> None:
        async with MeetingService(load_settings({"backend": "ours"})) as meetings:
            try:
                session = await self.rival(meetings)
            except SpeechError as error:
                self.error = error
            else:
                self.acted = True
                if session is not None:
                    await session.push(audio(2, 3))
                    await session.aclose()


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[_Race]]:
    """Make points of the calls of the take-over; the list holds the present race."""
    present: list[_Race] = []
    run = threads.Threads.run

    async def counted(self: threads.Threads, function: Any, *args: Any, **more: Any) -> Any:
        if _working.get() and present:
            await anyio.to_thread.run_sync(present[0].pass_point)
        return await run(self, function, *args, **more)

    def create(_: Settings, name: str, host: Host) -> Recorder:
        return Recorder(host, name)

    monkeypatch.setattr(threads.Threads, "run", counted)
    monkeypatch.setattr(module, "create_backend", create)
    return present  # type: ignore[return-value]


async def delete(meetings: MeetingService) -> None:
    await meetings.delete("m")


async def sweep(meetings: MeetingService) -> None:
    await meetings.sweep(0.0)


async def query(meetings: MeetingService) -> None:
    await meetings.status("m")


async def take_over(meetings: MeetingService) -> Session:
    return await meetings.take_over_session(REQUEST, 2 * SECOND)


async def work() -> SpeechError | None:
    """Continue the meeting in a new session; return the error of a refusal."""
    async with MeetingService(load_settings({"backend": "ours"})) as meetings:
        _working.set(True)
        try:
            session = await take_over(meetings)
        except (MeetingBusyError, MeetingNotFoundError) as error:
            return error
        await session.push(audio(2, 3))
        await session.aclose()
    return None


def cut_off() -> Recording:
    with Store.open(load_settings().state_dir) as store:
        recording = store.create(REQUEST, "ours")
    recording.audio_path.write_bytes(audio(0, 3))
    return recording


def left() -> tuple[Recording, bytes, set[str]]:
    """Return the newest recording, its audio, and the names of all files."""
    with Store.open(load_settings().state_dir) as store:
        newest = store.newest("m")
        folder = newest.audio_path.parent
        names = {path.name for path in folder.iterdir()}
        sound = newest.audio_path.read_bytes() if newest.audio_path.exists() else b""
        for recording in store.recordings("m"):
            store.delete(recording.id)
    return newest, sound, names


@pytest.mark.parametrize("rival", [delete, sweep, query, take_over])
def test_a_rival_of_a_take_over_loses_no_audio_and_doubles_none(
    races: list[_Race], rival: Rival
) -> None:
    at, lost = 0, 0
    while True:
        at += 1
        cut_off()
        races[:] = [race := _Race(at, rival)]
        refusal = anyio.run(work)
        races.clear()
        newest, sound, names = left()
        if race.points < at:
            break
        lost += refusal is not None
        if race.acted and rival is delete:
            # Before the take-over, which then finds nothing, or after its end.
            assert (newest.state, names) == (JobState.DELETED, set()), at
            continue
        assert sound == audio(0, 5), (at, race, refusal)
        assert (newest.state, newest.notes) == (JobState.PROCESSING, ()), at
        assert names == {newest.audio_path.name}, at
        if rival is take_over:
            assert (refusal is None) != race.acted, at
        else:
            assert refusal is None, at
    assert at > 10
    assert (lost > 0) == (rival in (delete, take_over))
