"""The last step before a cassette is written: its origin, and credentials learned too late."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from speech_compat.testing.scrubbing import Scrubber

__all__ = ["CassetteSerializer", "origin_line", "service_of"]

_ORIGIN: Final = ("# recorded from ", "# synthetic, after ")
# The services that the backends use, by what their addresses contain.
_SERVICES: Final = {
    "/transcriptions:transcribe": "fast transcription",
    "/transcriptions:submit": "batch transcription",
    "/speechtotext/v3.2/": "batch transcription v3.2",
    "/speechtotext/transcriptions": "batch transcription",
    "/offlinetask": "the meeting service",
}


class CassetteSerializer:
    """Serializes cassettes of one test, around a serializer of VCR.py.

    A cassette that was read keeps its first line.  A format without comments, such as JSON, has
    none.

    Args:
        inner: the serializer that the configuration names.
        scrubber: the scrubber of the cassette.
        active: returns whether the test uses speech-compat.
        origin: the first line of a new cassette; by default made from its requests.
        renews: whether a cassette that was read is recorded again as a whole.
    """

    def __init__(
        self,
        inner: Any,
        scrubber: Scrubber,
        active: Callable[[], bool],
        origin: str = "",
        renews: bool = False,
    ) -> None:
        self._inner = inner
        self._scrubber = scrubber
        self._active = active
        self._new_origin = origin
        self._renews = renews
        # The first line of the cassette that was read; None if none was read.
        self._origin: str | None = None

    def deserialize(self, text: str) -> Any:
        """Return the content of a cassette."""
        if self._origin is None and not self._renews:
            first = text.partition("\n")[0]
            self._origin = first if first.startswith(_ORIGIN) else ""
        return self._inner.deserialize(text)

    def serialize(self, cassette: dict[str, Any]) -> str:
        """Return the text of a cassette."""
        if not self._active():
            return str(self._inner.serialize(cassette))
        found = [self._scrubber.recorded(one) for one in cassette["interactions"]]
        text = str(self._inner.serialize({**cassette, "interactions": found}))
        if self._origin is None:
            service = service_of(one["request"]["uri"] for one in found)
            self._origin = self._new_origin or origin_line(service, datetime.now(UTC))
        has_comments = not text.lstrip().startswith(("{", "["))
        return f"{self._origin}\n{text}" if self._origin and has_comments else text


def origin_line(service: str, recorded: datetime, region: str = "") -> str:
    """Return the first line of a cassette, without a line end."""
    return f"# recorded from {', '.join(filter(None, [service, f'{recorded:%Y-%m-%d}', region]))}"


def service_of(addresses: Iterable[str]) -> str:
    """Return the service that a cassette was recorded from, by the addresses of its requests.

    Other hosts, such as that of the storage account, are named only if there is no such service.
    """
    hosts: dict[str, None] = {}
    for address in addresses:
        parts = urlsplit(address)
        name = next((name for part, name in _SERVICES.items() if part in parts.path), "")
        if name:
            version = "".join(parse_qs(parts.query).get("api-version", ())[:1])
            return f"{name}{f' {version}' if version else ''} at {parts.netloc}"
        hosts[parts.netloc] = None
    return " and ".join(hosts) or "nothing"
