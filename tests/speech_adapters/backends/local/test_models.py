from __future__ import annotations

import threading
from typing import ClassVar

import pytest

from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.closeable import Closeable
from speech_adapters.errors import ConfigurationError


class Model(Closeable):
    """Counts how often it is loaded and closed."""

    loaded: ClassVar[list[str]] = []
    closed = 0

    def __init__(self, options: LocalOptions) -> None:
        Model.loaded.append(options.language)

    def close(self) -> None:
        Model.closed += 1


@pytest.fixture(autouse=True)
def _counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "loaded", [])
    monkeypatch.setattr(Model, "closed", 0)


def test_meetings_that_start_together_load_a_model_once() -> None:
    found: list[Model] = []
    barrier = threading.Barrier(8)

    def meeting() -> None:
        barrier.wait(60)
        found.append(models.get(Model))

    with Models(LocalOptions(language="de")) as models:
        meetings = [threading.Thread(target=meeting) for _ in range(8)]
        for thread in meetings:
            thread.start()
        for thread in meetings:
            thread.join(60)
        assert Model.loaded == ["de"]
        assert len(set(map(id, found))) == 1
        assert Model.closed == 0
    assert Model.closed == 1


def test_a_model_that_cannot_be_loaded_is_tried_again() -> None:
    tries = []

    def load(options: LocalOptions) -> Model:
        tries.append(options)
        if len(tries) == 1:
            raise ConfigurationError("The disk is full.")
        return Model(options)

    with Models(LocalOptions()) as models:
        with pytest.raises(ConfigurationError):
            models.get(load)
        assert models.get(load) is models.get(load)


def test_what_is_closed_is_loaded_again() -> None:
    models = Models(LocalOptions())
    models.get(Model)
    models.close()
    models.close()
    models.get(Model)
    models.close()
    assert (len(Model.loaded), Model.closed) == (2, 2)
