from __future__ import annotations

import gc

import anyio
import pytest

from speech_adapters.closeable import AsyncCloseable, Closeable


class _Lamp(Closeable):
    lit = True

    def close(self) -> None:
        self.lit = False


def test_the_block_receives_the_object_and_closes_it() -> None:
    lamp = _Lamp()
    with lamp as entered:
        assert entered is lamp
        assert lamp.lit
    assert not lamp.lit


def test_an_error_in_the_block_closes_and_propagates() -> None:
    lamp = _Lamp()
    with pytest.raises(KeyError), lamp:
        raise KeyError
    assert not lamp.lit


def test_a_class_without_close_cannot_be_instantiated() -> None:
    class Open(Closeable):
        pass

    with pytest.raises(TypeError, match="close"):
        Open()  # type: ignore[abstract]


class _Door(AsyncCloseable):
    def __init__(self, *, stuck: bool = False) -> None:
        if stuck:
            raise KeyError
        self._opened()


def test_the_async_block_receives_the_object_and_closes_it() -> None:
    async def work() -> None:
        door = _Door()
        async with door as entered:
            assert entered is door
        await door.aclose()

    anyio.run(work)
    gc.collect()


def test_an_object_that_is_never_closed_causes_a_warning() -> None:
    door = _Door()
    with pytest.warns(ResourceWarning, match="_Door was never closed"):
        del door


def test_a_constructor_that_fails_causes_no_warning() -> None:
    with pytest.raises(KeyError):
        _Door(stuck=True)
    gc.collect()
