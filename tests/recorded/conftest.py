"""Cassettes: recorded answers of a service, replayed without it.

``pytest tests/recorded --record-mode=rewrite`` records them again, from the double: they
are synthetic, and their first line states it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from double.service import ServiceDouble, running

CASSETTES = Path(__file__).parents[2] / "cassettes"
PORT = 18_099
ORIGIN = (
    "# synthetic, after azure-rest-api-specs SpeechToText 2025-10-15 and its examples:"
    " recorded from the project's double\n"
)
# No answer of the retired service is known that was recorded.
ORIGINS = {
    "remote_meeting": "# synthetic, after docs/protocol/legacy-interface.md, 2.5: recorded from the"
    " project's double\n"
}
_SIGNATURE = re.compile(rb"([?&]sig=)[^&\"\s]+")
_LARGEST = 16 * 1024


def _scrub_answer(answer: dict[str, Any]) -> dict[str, Any]:
    answer["headers"].pop("date", None)
    answer["body"]["string"] = _SIGNATURE.sub(rb"\1scrubbed", answer["body"]["string"])
    return answer


def _scrub_request(request: Any) -> Any:
    """Replace a body of audio by its digest."""
    if request.body and len(request.body) > _LARGEST:
        request.body = b"sha256 " + hashlib.sha256(request.body).hexdigest().encode()
    return request


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    return {
        "filter_headers": ["ocp-apim-subscription-key", "authorization", "user-agent"],
        "filter_query_parameters": [("sig", "scrubbed")],
        "before_record_response": _scrub_answer,
        "before_record_request": _scrub_request,
        "match_on": ["method", "scheme", "host", "port", "path", "query"],
        "allow_playback_repeats": False,
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    return str(CASSETTES / Path(request.node.fspath).stem.removeprefix("test_"))


@pytest.fixture(autouse=True)
def _all_played(vcr: Any) -> Iterator[None]:
    """Fail if an interaction of the cassette was not requested."""
    yield
    if vcr.record_mode.value == "none":
        assert vcr.all_played, "the cassette has interactions that were not played"


@pytest.fixture
def service(record_mode: str) -> Iterator[str]:
    """Yield the service's address; it runs only while cassettes are recorded."""
    if record_mode == "none":
        yield f"http://127.0.0.1:{PORT}"
        return
    with running(ServiceDouble(polls=2), PORT) as url:
        yield url


def pytest_sessionfinish() -> None:
    """Write the origin of every new cassette: the double is no service."""
    for path in CASSETTES.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        # The plugin names the host, which is the double; a cassette of another host stays.
        first, _, rest = text.partition("\n")
        if first.startswith("# recorded from ") and " at 127.0.0.1" in first:
            origin = ORIGINS.get(path.parent.name, ORIGIN)
            path.write_text(origin + rest, encoding="utf-8")
