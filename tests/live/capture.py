"""Recording of requests and answers as scrubbed cassettes, and their replay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from vcr import VCR
from vcr.serializers import yamlserializer

from speech_compat.testing.cassettes import CassetteSerializer
from speech_compat.testing.scrubbing import Scrubber

__all__ = ["RUN", "interactions", "recorded", "replayed"]

# In cassettes in place of the name of a run, which jobs, containers and meetings have.
RUN: Final = "speech-compat-live"
_MATCH: Final = ("method", "scheme", "host", "port", "path", "query")
# The double reads the audio at its address as the service does; that is no request of the kit.
_READER: Final = "Python-urllib"


@contextmanager
def recorded(path: Path, scrubber: Scrubber, run: str, origin: str) -> Iterator[None]:
    """Record all requests of the block.

    Args:
        path: the cassette.
        scrubber: removes secrets and audio.
        run: the name of the run, which the cassette does not contain.
        origin: its first line.
    """
    recorder = _recorder(scrubber, run)
    serializer = CassetteSerializer(yamlserializer, scrubber, lambda: True, origin)
    recorder.register_serializer("live", serializer)
    with recorder.use_cassette(str(path), record_mode="all", serializer="live"):
        yield


@contextmanager
def replayed(path: Path, scrubber: Scrubber) -> Iterator[None]:
    """Answer all requests of the block from a cassette; any other fails."""
    with _recorder(scrubber, RUN).use_cassette(str(path), record_mode="none"):
        yield


def interactions(path: Path) -> list[dict[str, Any]]:
    """Return the interactions of a cassette."""
    if not path.exists():  # nothing was sent
        return []
    found: list[dict[str, Any]] = yamlserializer.deserialize(path.read_text("utf-8"))[
        "interactions"
    ]
    return found


def _recorder(scrubber: Scrubber, run: str) -> VCR:
    def request(found: Any) -> Any:
        if _READER in str(found.headers.get("User-Agent", "")):
            return None
        found = scrubber.request(found)
        found.uri = found.uri.replace(run, RUN)
        found.body = found.body.replace(run.encode(), RUN.encode()) if found.body else found.body
        return found

    def response(found: dict[str, Any]) -> dict[str, Any]:
        found = scrubber.response(found)
        text = found["body"]["string"].replace(run.encode(), RUN.encode())
        headers = {
            # The length of the recorded body, which is shorter than the answer's.
            name: [str(len(text))] if name.lower() == "content-length" else values
            for name, values in found["headers"].items()
        }
        return {**found, "headers": headers, "body": {**found["body"], "string": text}}

    return VCR(before_record_request=request, before_record_response=response, match_on=_MATCH)
