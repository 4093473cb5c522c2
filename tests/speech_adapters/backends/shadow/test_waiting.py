from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

from speech_adapters.backends.shadow import waiting
from speech_adapters.backends.shadow.waiting import SecondRecording
from speech_adapters.contract import MeetingRequest
from speech_adapters.errors import BackendError


def use(work: Callable[[SecondRecording], Awaitable[None]]) -> None:
    async def run() -> None:
        with anyio.fail_after(20):
            await work(SecondRecording(MeetingRequest("m")))

    anyio.run(run)


def test_all_audio_that_waits_is_read_at_once() -> None:
    async def work(recording: SecondRecording) -> None:
        found: list[bytes] = []
        for audio in (b"one", b"", b"two"):
            recording.push(audio)
        async for data in recording.blocks():
            found.append(data)
            if len(found) == 1:
                recording.push(b"three")
            else:
                recording.end()
                recording.push(b"too late")
        assert found == [b"onetwo", b"three"]

    use(work)


@pytest.mark.parametrize(("audio", "has"), [(b"x", True), (b"", False)])
def test_a_reader_waits_for_the_first_audio_or_the_end(audio: bytes, has: bool) -> None:
    async def work(recording: SecondRecording) -> None:
        found: list[bool] = []

        async def wait() -> None:
            found.append(await recording.has_audio())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert found == []
            recording.push(audio)
            recording.end()
        assert found == [has]

    use(work)


def test_too_much_audio_that_waits_is_an_error_of_the_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_MOST_BYTES", 4)

    async def work(recording: SecondRecording) -> None:
        recording.push(b"1234")
        async for data in recording.blocks():
            # What was read no longer waits.
            assert data == b"1234"
            recording.push(b"567")
            break
        recording.push(b"89")
        assert await recording.has_audio()
        with pytest.raises(BackendError, match="as fast as it came"):
            async for _ in recording.blocks():
                pass

    use(work)
