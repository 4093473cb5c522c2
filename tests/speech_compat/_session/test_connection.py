"""The session of a meeting, opened and closed from several threads."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_adapters.audio import PcmFormat
from speech_adapters.config import load_settings
from speech_adapters.contract import MeetingRequest, Session
from speech_adapters.meetings import MeetingService
from speech_compat._session import services
from speech_compat._session.connection import MeetingConnection

REQUEST = MeetingRequest("m")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return install(monkeypatch, Played(Scenario(phrases=())))


@pytest.fixture
def connection() -> Iterator[MeetingConnection]:
    connection = MeetingConnection()
    yield connection
    connection.release()


def test_closing_twice_closes_the_session_once(
    played: Played, connection: MeetingConnection
) -> None:
    connection.open(load_settings(), REQUEST)
    assert played.open_sessions == 1
    connection.close()
    connection.close()
    assert played.open_sessions == 0


def test_a_session_that_replaces_another_one_while_that_is_closed_is_closed_too(
    played: Played, connection: MeetingConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = connection.open(load_settings(), REQUEST)
    reopen = MeetingService.reopen_session

    async def close_first(
        own: MeetingService, session: Session, request: MeetingRequest
    ) -> Session:
        # As another thread does in this moment.
        await anyio.to_thread.run_sync(connection.close)
        return await reopen(own, session, request)

    monkeypatch.setattr(MeetingService, "reopen_session", close_first)
    connection.reopen(first, MeetingRequest("m", audio=PcmFormat(8_000, 1)))
    assert played.open_sessions == 1
    connection.close()
    assert played.open_sessions == 0


def test_the_service_is_released_with_the_session(
    played: Played, connection: MeetingConnection
) -> None:
    connection.open(load_settings(), REQUEST)
    assert connection._service in dict(services._users)
    connection.release()
    assert played.open_sessions == 0
    assert connection._service not in dict(services._users)
