from __future__ import annotations

import attrs

from speech_adapters import Capabilities, MeetingRequest
from speech_compat._migration.backends import dump_capabilities, known_capabilities, verdicts


def test_the_file_keeps_every_capability() -> None:
    full = Capabilities(
        live=True, stored=False, languages=frozenset({"en", "de"}), max_channels=None
    )
    assert attrs.asdict(full).keys() <= attrs.asdict(known_capabilities()["local"]).keys()
    assert '"de",\n   "en"' in dump_capabilities({"x": full})


def test_each_backend_is_judged_by_its_gaps() -> None:
    found = {v.backend: v for v in verdicts([MeetingRequest("m", language="de-DE")])}
    assert set(found) == set(known_capabilities())
    assert not found["local"].serves
    assert [gap.code for gap in found["local"].gaps] == ["SC105"]
    assert found["realtime"].serves
    assert not found["batch"].serves


def test_a_gap_of_several_requests_counts_once() -> None:
    request = MeetingRequest("m", phrases=("x",))
    (local, *_) = verdicts([request, request])
    assert [gap.code for gap in local.gaps] == ["SC111"]


def test_without_a_request_there_is_nothing_to_judge() -> None:
    assert verdicts([]) == ()
