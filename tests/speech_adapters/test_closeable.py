from __future__ import annotations

import pytest

from speech_adapters.closeable import Closeable


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
