from __future__ import annotations

from collections.abc import Iterator

import pytest

from speech_adapters.backends.local.diarization import SpeakerModels, load_models


@pytest.fixture(scope="session")
def models() -> Iterator[SpeakerModels]:
    """Load the real models."""
    with load_models() as models:
        yield models
