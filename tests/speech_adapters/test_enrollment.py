from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from double.recorder import Recorder, use
from double.voices import EnrollingBackend, signature
from speech_adapters import meetings as module
from speech_adapters.enrollment import Enrollment, enroll
from speech_adapters.errors import UnsupportedError

FILES = [Path("a.wav"), Path("b.wav")]


def create(kind: type[Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    def create_backend(_: object, name: str, host: Any) -> Recorder:
        return kind(host, name)

    monkeypatch.setattr(module, "create_backend", create_backend)


def test_the_configured_backend_creates_the_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    create(EnrollingBackend, monkeypatch)
    made = use(lambda meetings: enroll(meetings, FILES))
    assert made.signature == signature(4)


def test_a_backend_without_identification_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    create(Recorder, monkeypatch)
    with pytest.raises(UnsupportedError, match=r"'ours' uses no voice signatures.*\"local\""):
        use(lambda meetings: enroll(meetings, FILES), backend="ours")


def test_an_enrollment_survives_its_text() -> None:
    made = Enrollment(signature(3), ("Too short.", "Too loud."))
    assert Enrollment.load(made.dump()) == made
