"""The meeting service of a command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from speech_adapters.config import Settings, load_settings
from speech_adapters.meetings import MeetingService

__all__ = ["with_service"]

T = TypeVar("T")


def with_service(
    work: Callable[[MeetingService], Awaitable[T]], settings: Settings | None = None
) -> T:
    """Run a coroutine function with a meeting service, which is closed afterwards.

    Args:
        work: the function.
        settings: the settings of the service; by default those of the user.
    """

    async def run() -> T:
        async with MeetingService(settings or load_settings()) as meetings:
            return await work(meetings)

    return anyio.run(run)
