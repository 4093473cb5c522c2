from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from double.meetings import run
from double.service import ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode, Session
from speech_adapters.backends.batch.addresses import check_addresses
from speech_adapters.config import load_settings
from speech_adapters.errors import AudioError, MeetingBusyError, UnsupportedError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

ADDRESS = "https://127.0.0.1/a.wav?sig=x"
Work = Callable[[MeetingService], Awaitable[Any]]


@pytest.fixture
def use(properties: Callable[..., dict[str, str]]) -> Callable[[Work], Any]:
    return lambda work: run(load_settings(properties()), work)


async def opened(meetings: MeetingService) -> Session:
    request = MeetingRequest("m", mode=Mode.STORED, addresses=(ADDRESS,))
    return await meetings.open_session(request)


@pytest.mark.parametrize(
    ("addresses", "complaint"),
    [
        (("/a/file.wav",), "must begin with https://"),
        (("https:///a.wav",), "must begin with https://"),
        (("ftp://host/a.wav",), "must begin with https://"),
        (("https://a/b/", "https://a/c.wav"), "must be the only address"),
        (("https://a/c.wav", "https://a/b/?sig=x"), "must be the only address"),
        (("https://a",) * 1001, "1001 addresses are too many: the service accepts 1000"),
    ],
)
def test_what_cannot_be_addresses_of_audio(addresses: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        check_addresses(addresses)


@pytest.mark.parametrize(
    "addresses", [("https://a/b/?sig=x",), ("http://a/b.wav",), ("https://a/c.wav",) * 1000]
)
def test_addresses_of_audio(addresses: tuple[str, ...]) -> None:
    check_addresses(addresses)


def test_no_audio_can_be_pushed(use: Callable[[Work], Any]) -> None:
    async def work(meetings: MeetingService) -> None:
        async with await opened(meetings) as session:
            await session.push(b"")
            with pytest.raises(UnsupportedError, match="none can be pushed"):
                await session.push(b"\x00\x00")

    use(work)


def test_finishing_twice_submits_once(use: Callable[[Work], Any], double: ServiceDouble) -> None:
    async def work(meetings: MeetingService) -> None:
        async with await opened(meetings) as session:
            await session.finish()
            await session.finish()
            assert [event async for event in session.events()] == []

    use(work)
    assert len(double.submitted) == 1


def test_a_session_closed_early_is_submitted_by_the_next_status_query(
    use: Callable[[Work], Any], double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> None:
        session = await opened(meetings)
        await session.aclose()
        await session.aclose()
        await session.finish()
        assert [event async for event in session.events()] == []
        assert double.submitted == []
        assert (await meetings.status("m")).state is JobState.PROCESSING

    use(work)
    (job,) = double.jobs.values()
    assert job.body["contentUrls"] == [ADDRESS]


def test_the_meeting_is_locked_until_the_session_is_closed(use: Callable[[Work], Any]) -> None:
    async def work(meetings: MeetingService) -> None:
        session = await opened(meetings)
        with pytest.raises(MeetingBusyError):
            await opened(meetings)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await session.aclose()
        (await meetings.store.run(Store.lock_meeting, "m")).release()

    use(work)


def test_events_end_even_if_the_submission_fails(
    use: Callable[[Work], Any], properties: Callable[..., dict[str, str]], double: ServiceDouble
) -> None:
    async def work() -> None:
        settings = load_settings(properties(key="wrong"))
        async with MeetingService(settings) as meetings, await opened(meetings) as session:
            with pytest.raises(Exception, match="Check key"):
                await session.finish()
            assert [event async for event in session.events()] == []

    anyio.run(work)
