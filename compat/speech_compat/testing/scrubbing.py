"""Removal of secrets and audio from recorded requests and answers, before they are written.

The same function is applied to a request of a later run before it is compared with the
recorded one.  So everything that differs between two runs of the same program is made equal
here: signatures, ids, boundaries.  Scrubbing something twice changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from email.message import Message
from typing import Any, Final
from urllib.parse import quote, unquote

__all__ = ["SCRUBBED", "Scrubber"]

SCRUBBED: Final = "scrubbed"
# A key without a fixed form is only found where it was sent before; a shorter one could be
# part of any word.
_SHORTEST_SECRET: Final = 8
_BOUNDARY: Final = "speech-compat-boundary"
# Some services refuse an id of another form, so it stays one.
_ID: Final = "0" * 32
_DIGEST: Final = re.compile(rb"sha256 [0-9a-f]{64}, \d+ bytes")
_AUDIO_TYPES: Final = ("audio/", "video/", "application/octet-stream", "application/ogg")
_AUDIO_STARTS: Final = (b"RIFF", b"RF64", b"ID3", b"OggS", b"fLaC", b"#!AMR", b"\x1aE\xdf\xa3")
# Headers with credentials, also those of services that this project does not use.
_CREDENTIAL: Final = re.compile(
    r"(?:^|[-_])(?:key|token|secret|password|signature|credential|authorization|cookie)2?$", re.I
)
# They differ in every run, and with the version of a library.
_NOISE: Final = (
    "content-length",
    "content-md5",
    "date",
    "user-agent",
    "x-ms-client-request-id",
    "x-ms-content-crc64",
    "x-ms-date",
)
# Parameters of a shared access signature: the signature, and what differs with the time.
# They may be inside of JSON, of XML, or of the parameter of another address.
_SIGNATURE: Final = re.compile(
    r"(?P<name>(?:[?&;]|\\u0026|%3F|%26|^)(?:sig|se|st|ske|skt|skoid|sktid)(?:=|%3D))"
    r"(?:%(?!26)[0-9a-f]{2}|[^&\s\"'<>;\\%])+",
    re.IGNORECASE | re.MULTILINE,
)
# Limited in length: a longer prefix makes the search slow in the text of a recording.
_NAMES: Final = (
    r"(?:[\w-]{0,40}(?:key|token|secret|password|signature|credential|assertion)|authorization)"
)
# As a field of JSON, and as a parameter or a field of JSON inside of a text.
_QUOTED: Final = re.compile(rf"(?P<name>\"{_NAMES}\"\s*:\s*\")(?:[^\"\\]|\\.)+", re.IGNORECASE)
_NAMED: Final = re.compile(
    rf"(?P<name>(?:\b|_){_NAMES}(?:\\[\"']\s*:\s*\\[\"']|=))[^\"'&\s;<>\\]+", re.IGNORECASE
)
# In the XML of Blob Storage; ``Value`` is that of a key with which an identity signs.
_ELEMENT: Final = re.compile(
    r"(?P<name><(?:\w{0,40}(?:key|token|secret|password|signature)|value)>)[^<]+", re.IGNORECASE
)
_CREDENTIAL_FIELD: Final = re.compile(r"^\w*(?:key|signature|token|password|secret)$", re.I)
_BEARER: Final = re.compile(r"(?P<name>\bBearer(?:\s|%20|\+)+)[\w.~+/%=-]+", re.IGNORECASE)
# Secrets that are known by their form alone: web tokens, keys of Speech resources and of
# storage accounts.
_SHAPED: Final = re.compile(
    r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|\b[A-Za-z0-9]{84}\b|(?<![\w+/])[\w+/]{86}=="
)
# Audio in base64: also broken into lines, and as the value of a form or of PHP's JSON.
_SIXBIT: Final = r"(?:[A-Za-z0-9+/_-]|%2[BbFf]|\\/)"
_LINE_END: Final = r"(?:\\r|\\n|[\r\n]|%0[AaDd])"
_PADDING: Final = r"(?:=|%3[Dd]){0,2}"
# The first characters of WAV, Ogg, MP3, FLAC, AMR and WebM files.
_AUDIO_BASE64: Final = r"(?:UklGR|UkY2N|T2dnU|SUQz|ZkxhQ|IyFBT|GkXfo)"
_BASE64: Final = re.compile(
    rf"(?:(?:{_SIXBIT}{{40,}}{_LINE_END}+){{2,}}{_SIXBIT}*|{_SIXBIT}{{256,}}){_PADDING}"
    rf"|(?<![\w+/]){_AUDIO_BASE64}{_SIXBIT}{{11,}}{_PADDING}"
)
_DATA_ADDRESS: Final = re.compile(
    rf"(?P<name>\bdata:(?:audio|video|application)/[\w.+-]+(?:;[\w.=+-]+)*;base64,)"
    rf"(?P<data>(?!sha256 ){_SIXBIT}+{_PADDING})",
    re.IGNORECASE,
)
_HEX_ID: Final = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])",
    re.IGNORECASE,
)


class Scrubber:
    """Scrubs requests and answers in the form in which VCR.py keeps them.

    A credential that one request carried is removed everywhere from then on, in whatever form
    a service repeats it.

    Args:
        secrets: values that must not be written, from wherever they are known.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        for secret in secrets:
            # A connection string has several fields, of which some are secret.
            for field in (secret, *secret.split(";")):
                self._learn(field)
                name, _, value = field.partition("=")
                if _CREDENTIAL_FIELD.search(name):
                    self._learn(value)

    def request(self, request: Any) -> Any:
        """Scrub a request in place, and return it."""
        content_type = _text_of(request.headers.get("content-type", ""))
        body = _bytes_of(request.body)
        for name in list(request.headers):
            if _CREDENTIAL.search(name):
                self._learn(_text_of(request.headers[name]))
            if _CREDENTIAL.search(name) or name.lower() in _NOISE:
                del request.headers[name]
        for name, value in list(request.headers.items()):
            request.headers[name] = self._request_text(_text_of(value))
        if content_type.startswith("multipart/"):
            request.headers["content-type"] = _with_boundary(content_type)
        request.uri = self._request_text(request.uri)
        # Whatever the form of the body was, it is bytes now.
        request._was_file = request._was_iter = False
        request.body = None if body is None else self._body(body, content_type)
        return request

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        """Return a scrubbed answer."""
        from vcr.filters import decode_response

        # A compressed answer would hide its secrets.
        response = decode_response(response)
        headers = {
            name: [self.text(_text_of(value)) for value in _values_of(values)]
            for name, values in response["headers"].items()
            if not _CREDENTIAL.search(name)
        }
        kind = next((v[0] for n, v in headers.items() if n.lower() == "content-type" and v), "")
        body = _bytes_of(response["body"].get("string")) or b""
        body = _digest(body) if _is_audio(body, kind) else self._text_body(body)
        _set_length(headers, len(body))
        # The reason of the status, and the address, which some clients record.
        more = {
            name: self.text(value) if isinstance(value, str) else self._without_secrets(value)
            for name, value in response.items()
            if name not in ("headers", "body")
        }
        return {**more, "headers": headers, "body": {**response["body"], "string": body}}

    def text(self, text: str) -> str:
        """Return a text without secrets and audio; ids are kept."""
        text = self._without_secrets(text)
        for pattern in (_SIGNATURE, _QUOTED, _NAMED, _ELEMENT, _BEARER):
            text = pattern.sub(rf"\g<name>{SCRUBBED}", text)
        text = _SHAPED.sub(SCRUBBED, text)
        text = _DATA_ADDRESS.sub(lambda m: m["name"] + _digest_of_base64(m["data"]), text)
        return _BASE64.sub(lambda m: _digest_of_base64(m[0]), text)

    def recorded(self, interaction: dict[str, Any]) -> dict[str, Any]:
        """Return a recorded interaction without credentials that only a later request carried."""
        found: dict[str, Any] = self._without_secrets(interaction)
        response = found["response"]
        body = _bytes_of(response["body"].get("string"))
        if found != interaction and body is not None:
            _set_length(response["headers"], len(body))
        return found

    def _learn(self, value: str) -> None:
        secret = value.removeprefix("Bearer ").strip()
        if len(secret) >= _SHORTEST_SECRET and secret != SCRUBBED:
            # A service may repeat it in an address or in JSON.
            escaped = json.dumps(secret)[1:-1]
            self._secrets |= {secret, escaped, quote(secret), quote(secret, safe="")}

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._without_secrets(found) for name, found in value.items()}
        if isinstance(value, list):
            return [self._without_secrets(found) for found in value]
        if isinstance(value, bytes):
            return self._without_secrets(value.decode("latin-1")).encode("latin-1")
        if not isinstance(value, str):
            return value
        # The longest first: another one may be a part of it.
        for secret in sorted(self._secrets, key=len, reverse=True):
            value = value.replace(secret, SCRUBBED)
        return value

    def _body(self, body: bytes, content_type: str) -> bytes:
        if content_type.startswith("multipart/"):
            return b"".join(self._parts(body, content_type))
        if _is_audio(body, content_type):
            return _digest(body)
        return self._text_body(body, ids=True)

    def _parts(self, body: bytes, content_type: str) -> Iterator[bytes]:
        """Yield the parts of a form, each with the same boundary in every run."""
        boundary = _parameter(content_type, "boundary").encode()
        mark = b"--" + boundary
        if not boundary or mark not in body:
            # Not a form that can be read: it may be anything.
            yield _digest(body)
            return
        _, *parts, _ = body.split(mark)
        for part in parts:
            head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
            yield f"--{_BOUNDARY}\r\n".encode()
            yield self._text_body(head) + b"\r\n\r\n"
            kind = re.search(rb"^content-type:\s*(\S+)", head, re.IGNORECASE | re.MULTILINE)
            # A file is audio, whatever a program calls its type; so is a field of that name.
            named = re.search(rb"filename=|name=\"?(?:audio|file)\b", head, re.IGNORECASE)
            audio = named is not None or _is_audio(
                content, kind[1].decode("latin-1") if kind else ""
            )
            yield _digest(content) if audio else self._text_body(content, ids=True)
            yield b"\r\n"
        yield f"--{_BOUNDARY}--\r\n".encode()

    def _text_body(self, body: bytes, *, ids: bool = False) -> bytes:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return _digest(body)
        return (self._request_text(text) if ids else self.text(text)).encode()

    def _request_text(self, text: str) -> str:
        return _HEX_ID.sub(_ID, self.text(text))


def _is_audio(body: bytes, content_type: str) -> bool:
    """Return whether a body is audio, or may be: only text is known to be none."""
    return content_type.lower().startswith(_AUDIO_TYPES) or (
        body.startswith(_AUDIO_STARTS) or b"\0" in body
    )


def _digest(body: bytes) -> bytes:
    if not body or _DIGEST.fullmatch(body):
        return body
    return f"sha256 {hashlib.sha256(body).hexdigest()}, {len(body)} bytes".encode()


def _digest_of_base64(text: str) -> str:
    text = re.sub(_LINE_END, "", unquote(text).replace("\\/", "/"))
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    return _digest(base64.b64decode(text[: len(text) // 4 * 4]) or b"\0").decode()


def _set_length(headers: dict[str, list[str]], length: int) -> None:
    for name in headers:
        if name.lower() == "content-length":
            headers[name] = [str(length)]


def _parameter(content_type: str, name: str) -> str:
    message = Message()
    message["content-type"] = content_type
    return str(message.get_param(name, ""))


def _with_boundary(content_type: str) -> str:
    return f"{content_type.partition(';')[0]}; boundary={_BOUNDARY}"


def _values_of(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _text_of(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes_of(body: Any) -> bytes | None:
    """Return a body as bytes: VCR.py keeps texts, files and iterators as well."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        return _bytes_of(body.read())
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    chunks = [chunk.encode() if isinstance(chunk, str) else bytes(chunk) for chunk in body]
    return b"".join(chunks)
