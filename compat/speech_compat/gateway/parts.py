"""Answers whose parts are made in threads, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from speech_adapters import threads

__all__ = ["begun"]

T = TypeVar("T", str, bytes)


async def begun(parts: Iterator[T]) -> AsyncIterator[T]:
    """Make the first part of an answer; return an iterator over all of them.

    An error that prevents the first part is raised here, before anything is sent.

    Args:
        parts: any number, even none; making each may block.
    """
    return _all(await threads.COMPUTE.run(next, parts, None), parts)


async def _all(part: T | None, parts: Iterator[T]) -> AsyncIterator[T]:
    while part is not None:
        yield part
        part = await threads.COMPUTE.run(next, parts, None)
