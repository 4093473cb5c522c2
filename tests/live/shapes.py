"""Comparison of the answers of two services: fields, types, values of enumerations, headers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from live.capture import interactions
from live.websocket import Message

__all__ = ["Difference", "Exchange", "compare", "exchanges", "exchanges_of_messages"]

# Fields whose values are a closed set, at least in the double.
_ENUMERATIONS: Final = frozenset(
    {"status", "kind", "recognitionstatus", "code", "errorkind", "processingstatus", "locale"}
)
# Headers that the backends, or operators, read.
_HEADERS: Final = (
    "content-type",
    "location",
    "operation-location",
    "retry-after",
    "apim-request-id",
    "csp-billing-usage",
    "www-authenticate",
)
_DURATION: Final = re.compile(r"P(?=[\dT])(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:[\d.]+S)?)?")
_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OPERATION: Final = re.compile(
    r"/transcriptions(?P<action>:\w+)?(?P<one>/[^/]+)?(?P<files>/files)?$"
)


@attrs.frozen
class Exchange:
    """An answer of a service.

    Attributes:
        operation: the request, without ids.
        status: the HTTP status; 0 for a message of a websocket.
        headers: by their names in lower case.
        body: JSON or text; empty for none.
    """

    operation: str
    status: int
    headers: Mapping[str, str]
    body: Any


@attrs.frozen(order=True)
class Difference:
    """What the service does otherwise than the double.

    Attributes:
        operation: the request.
        place: path of the field, name of the header, or ``status``.
        text: what differs.
    """

    operation: str
    place: str
    text: str


def exchanges(cassette: Path) -> list[Exchange]:
    """Return the answers of the Speech service in a cassette, without those of the storage."""
    found: list[Exchange] = []
    for recorded in interactions(cassette):
        request, response = recorded["request"], recorded["response"]
        if any(name.lower() == "x-ms-version" for name in request["headers"]):
            continue
        headers = {name.lower(): values[0] for name, values in response["headers"].items()}
        body = _parsed(response["body"]["string"])
        operation = _operation(request["method"], request["uri"], body)
        found.append(Exchange(operation, response["status"]["code"], headers, body))
    return found


def exchanges_of_messages(messages: Iterable[Message]) -> list[Exchange]:
    """Return the messages of a service on a websocket."""
    found: list[Exchange] = []
    for message in messages:
        if message.sender == "service":
            headers = {name.lower(): value for name, value in message.headers.items()}
            status = int(headers.pop(":status", "0"))
            found.append(Exchange(f"websocket {message.path}", status, headers, message.body))
    return found


def compare(real: Iterable[Exchange], double: Iterable[Exchange]) -> list[Difference]:
    """Return all differences between a service and its double.

    Several answers to one operation with one status count as one, which has all their fields: how
    often a job is queried is chance.
    """
    ours, theirs = _grouped(double), _grouped(real)
    return sorted({*_statuses(theirs, ours), *_contents(theirs, ours)})


_Groups = dict[tuple[str, int], list[Exchange]]


def _grouped(found: Iterable[Exchange]) -> _Groups:
    groups: _Groups = {}
    for exchange in found:
        groups.setdefault((exchange.operation, exchange.status), []).append(exchange)
    return groups


def _statuses(theirs: _Groups, ours: _Groups) -> Iterator[Difference]:
    for operation in {operation for operation, _ in theirs.keys() ^ ours.keys()}:
        one = _only(operation, theirs, ours, "the service")
        other = _only(operation, ours, theirs, "the double")
        yield Difference(operation, "status", ", ".join(filter(None, [one, other])))


def _only(operation: str, found: _Groups, others: _Groups, sender: str) -> str:
    statuses = sorted(status for name, status in found if name == operation)
    new = [str(status) for status in statuses if (operation, status) not in others]
    # A message of a websocket has no status.
    return f"only {sender} sends {' and '.join(new) if any(statuses) else 'it'}" if new else ""


def _contents(theirs: _Groups, ours: _Groups) -> Iterator[Difference]:
    for group in theirs.keys() & ours.keys():
        operation, status = group
        title = f"{operation} ({status})" if status else operation
        yield from _header_differences(title, theirs[group], ours[group])
        yield from _field_differences(title, _shape(theirs[group]), _shape(ours[group]))


def _header_differences(
    title: str, theirs: list[Exchange], ours: list[Exchange]
) -> Iterator[Difference]:
    for name in _HEADERS:
        one, other = (_header(name, found) for found in (theirs, ours))
        if one != other:
            text = f"{one or 'absent'} from the service, {other or 'absent'} from the double"
            yield Difference(title, f"header {name}", text)


def _header(name: str, found: list[Exchange]) -> str:
    """Return what is compared of a header: the media type, or whether it is there."""
    values = {e.headers[name].partition(";")[0] for e in found if name in e.headers}
    return ", ".join(sorted(values)) if name == "content-type" else "present" if values else ""


_Shape = dict[str, set[str]]


def _shape(found: list[Exchange]) -> _Shape:
    """Return the types of each field, and as ``= VALUE`` the values of enumerations."""
    shape: _Shape = {}
    for exchange in found:
        _add(shape, "$", exchange.body)
    return shape


def _add(shape: _Shape, path: str, value: Any) -> None:
    shape.setdefault(path, set()).add(_type(value))
    if isinstance(value, dict):
        for name, inner in value.items():
            _add(shape, f"{path}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            _add(shape, f"{path}[]", inner)
    elif path.rpartition(".")[2].lower() in _ENUMERATIONS:
        shape[path].add(f"= {value}")


def _type(value: Any) -> str:
    if isinstance(value, str):
        return _text_type(value)
    names = {bool: "boolean", int: "integer", float: "number", dict: "object", list: "list"}
    return names.get(type(value), "null")


def _text_type(value: str) -> str:
    if not value:
        return "empty text"
    if re.match(r"[a-z]+://", value):
        return "address"
    if _DURATION.fullmatch(value):
        return "duration"
    if _ID.fullmatch(value):
        return "id"
    try:
        zone = datetime.fromisoformat(value).tzinfo
    except ValueError:
        return "text"
    return "time" if zone is not None else "time without zone"


def _field_differences(title: str, theirs: _Shape, ours: _Shape) -> Iterator[Difference]:
    for path in theirs.keys() | ours.keys():
        # Of a field that is new or missing as a whole, the inner ones are not listed too.
        container = _container(path)
        if path not in ours:
            if container in ours:
                text = f"additional: {_join(theirs[path])} from the service"
                yield Difference(title, path, text)
        elif path not in theirs:
            # A list may be empty by chance.
            if container in theirs and not path.endswith("[]"):
                yield Difference(title, path, f"missing: {_join(ours[path])} from the double only")
        else:
            yield from _type_differences(title, path, theirs[path], ours[path])


def _container(path: str) -> str:
    return path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]


def _type_differences(
    title: str, path: str, theirs: set[str], ours: set[str]
) -> Iterator[Difference]:
    one, other = _types(theirs), _types(ours)
    # A text that may be empty is a text.
    if one - other - {"empty text"} or (one != other and not one & other):
        text = f"type: {_join(one)} from the service, {_join(other)} from the double"
        yield Difference(title, path, text)
    # Values that only the double sent are no difference: a run sees some states by chance.
    new = {value[2:] for value in theirs - ours if value.startswith("= ")}
    if new:
        yield Difference(title, path, f"value: {_join(new)} is unknown to the double")


def _types(found: set[str]) -> set[str]:
    return {kind for kind in found if not kind.startswith("= ")}


def _join(found: set[str]) -> str:
    return " or ".join(sorted(kind for kind in found if not kind.startswith("= ")))


def _operation(method: str, uri: str, body: Any) -> str:
    found = _OPERATION.search(urlsplit(uri).path)
    if found is None:
        report = isinstance(body, dict) and "successfulTranscriptionsCount" in body
        return f"{method} report file" if report else f"{method} result file"
    one = "/{id}" if found["one"] else ""
    return f"{method} /transcriptions{found['action'] or ''}{one}{found['files'] or ''}"


def _parsed(body: Any) -> Any:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        return json.loads(text)
    except ValueError:
        return text
