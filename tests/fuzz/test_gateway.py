"""A real gateway and anything that a client may send: it serves others, and leaks nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from double.frames import frame
from double.fuzzed_gateway import SECRET, Attacker, FuzzedGateway, attacked, audio, message
from double.gateway_server import KEY, handshake, read_all
from fuzz.cases import DEEP, ODD, damaged, fuzz, wav

_INTERNAL = 1011
# hypothesis names the strategies of a message in full.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzedGateway]:
    with attacked(tmp_path_factory.mktemp("fuzzed")) as gateway:
        yield gateway


# --- messages of the websocket -------------------------------------------------------------
# Shown by their numbers, because hypothesis names the strategies of a message in full.
WORDS = [SECRET, "", "alice", "\0", "\ud800", "1", "en-US", "\u202e", "x" * 600]
NUMBERS = [float("nan"), float("inf"), 10**400, "1" * 5_000]
TEXT = st.one_of(
    st.integers(0, len(WORDS) - 1).map(lambda index: WORDS[index]),
    st.text(st.characters(), max_size=12),
)
VALUES = st.one_of(ODD, TEXT, st.integers(0, 3).map(lambda index: NUMBERS[index]))


def fields(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with any of the known fields, and some that have an odd value."""
    odd = st.dictionaries(st.sampled_from([*sorted(known), "x"]), VALUES, max_size=1)
    right = st.fixed_dictionaries({}, optional=known)
    return st.builds(lambda found, wrong: {**found, **wrong}, right, odd)


OFFSETS = st.one_of(st.integers(0, 50_000_000), st.sampled_from(["0", "20000000"]), VALUES)
CONTEXTS = fields(
    continuation=fields(
        token=TEXT, audio=fields(streams=st.builds(lambda found: {"1": {"offset": found}}, OFFSETS))
    ),
    audio=fields(streams=fields()),
    phraseOutput=fields(format=TEXT, detailed=fields(options=st.lists(TEXT, max_size=2))),
    phraseDetection=fields(
        language=TEXT,
        initialSilenceTimeout=VALUES,
        speakerDiarization=fields(audioOffsetMS=OFFSETS, diarizeIntermediates=VALUES),
        customModels=st.lists(fields(language=TEXT, endpoint=TEXT), max_size=2),
        enrichment=fields(profanity=TEXT, conversation=fields(postprocessingoption=TEXT)),
        conversation=fields(segmentation=fields(mode=TEXT)),
    ),
    languageId=fields(languages=st.lists(TEXT, max_size=3)),
    dgi=fields(Groups=st.lists(fields(Items=st.lists(fields(Text=TEXT), max_size=2)), max_size=2)),
)
ATTENDEES = st.lists(fields(id=TEXT, preferredLanguage=TEXT, voice=TEXT), max_size=3)
EVENTS = st.fixed_dictionaries(
    {
        "name": st.one_of(st.sampled_from(["start", "join", "leave", "end"]), VALUES),
        "meeting": st.one_of(
            st.fixed_dictionaries({"id": st.sampled_from([SECRET, "m"])}),
            fields(id=TEXT, attendees=ATTENDEES, DifferentiateGuestSpeakers=VALUES),
        ),
    }
)


def twice(document: dict[str, Any]) -> str:
    """Return an object as JSON that has each field twice."""
    inner = json.dumps(document)[1:-1]
    return f"{{{inner}, {inner}}}" if inner else "{}"


def as_json(documents: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[str]:
    return st.one_of(
        documents.map(json.dumps),
        documents.map(lambda found: json.dumps(found, ensure_ascii=False)),
        documents.map(twice),
        TEXT,
    )


HEADERS = st.one_of(
    st.sampled_from([wav()[:44], wav()[:44]]),
    st.builds(
        lambda *form: wav(*form)[:44],
        st.sampled_from([1, 3, 6, 7, 0xFFFE, 0x55]),
        st.sampled_from([1, 2, 8, 0, 65_535]),
        st.sampled_from([16_000, 8_000, 1_000, 384_000, 44_100, 0, 2**32 - 1]),
        st.sampled_from([16, 8, 24, 32, 64, 12, 0]),
    ),
    damaged(wav()[:44]),
)
SOUNDS = st.one_of(
    st.integers(0, 70_000).map(bytes),
    st.sampled_from([b"", b"RIFF", b"\xff\x7f" * 16_000]),
    st.binary(max_size=100),
)
AUDIO = st.one_of(HEADERS, SOUNDS, st.builds(lambda a, b: a + b, HEADERS, SOUNDS)).map(audio)
MESSAGES = st.one_of(
    as_json(CONTEXTS).map(lambda body: message("speech.context", body)),
    as_json(EVENTS).map(lambda body: message("speech.event", body)),
    AUDIO,
    st.just(audio(b"")),
    as_json(CONTEXTS).map(lambda body: message("speech.config", body)),
    st.builds(message, TEXT, TEXT, TEXT),
    damaged(audio(b"\0" * 40)),
    st.binary(max_size=20),
    TEXT,
)
QUERIES = st.sampled_from(
    ["", "?transcriptionMode=async", "?transcriptionMode=RealTimeAndAsync", f"?language={SECRET}"]
)
OPENED = message("speech.context", json.dumps({"audio": {"streams": {"1": None}}}))
MEETING = json.dumps({"name": "start", "meeting": {"id": SECRET}})
# Most sequences begin as those of a right client, to come further.
BEGINNINGS: st.SearchStrategy[list[str | bytes]] = st.sampled_from(
    [
        [],
        [OPENED],
        [OPENED, audio(wav()[:44])],
        [OPENED, message("speech.event", MEETING), audio(wav()[:44] + bytes(64_000))],
    ]
)


def end(gateway: FuzzedGateway, attacker: Attacker) -> None:
    """Leave, and check what the gateway did."""
    attacker.read()
    attacker.abort()
    assert attacker.code != _INTERNAL
    gateway.rest()
    gateway.check()


@fuzz
@given(QUERIES, BEGINNINGS, st.lists(MESSAGES, max_size=8))
@example("", [], [message("speech.context", "{}" + "\ud800")])
@example("", [], [message("speech.context", DEEP.decode())])
@example("", [OPENED], [message("speech.event", '{"meeting": ' + DEEP.decode())])
@example("", [], [OPENED, audio(wav(1, 65_535, 384_000)[:44]), audio(bytes(70_000))])
def test_messages(
    gateway: FuzzedGateway, query: str, beginning: list[str | bytes], more: list[str | bytes]
) -> None:
    attacker = gateway.websocket(query, connection_id=SECRET)
    for data in beginning + more:
        attacker.send(data)
    end(gateway, attacker)


# --- frames of the websocket ---------------------------------------------------------------
FRAMES = st.one_of(
    st.builds(
        lambda first, data, declared: bytes([first]) + frame(0, data, declared=declared)[1:],
        st.integers(0, 255),
        st.binary(max_size=130),
        st.one_of(st.none(), st.sampled_from([0, 1, 125, 126, 2**20, 10**9, 2**63, 2**64 - 1])),
    ),
    st.builds(
        lambda opcode, final, data: bytes([opcode | final]) + frame(0, data)[1:],
        st.sampled_from([0, 1, 2, 8, 9, 10]),
        st.sampled_from([0, 0x80]),
        st.one_of(st.binary(max_size=20), st.sampled_from([b"\xff", b"\x03\xe8", b"\x03\xf3x"])),
    ),
    st.binary(max_size=30),
)


@fuzz
@given(st.lists(FRAMES, max_size=8), st.booleans())
@example([frame(1, b"\xff")], True)
@example([frame(8, b"\x03\xe8")], False)
@example([b"\x81\x00"], False)
def test_frames(gateway: FuzzedGateway, frames: list[bytes], accepted: bool) -> None:
    """Send frames, also before the handshake was answered."""
    if accepted:
        attacker = gateway.websocket()
    else:
        attacker = Attacker(gateway.running.connect())
        attacker.send_raw(handshake("/"))
    attacker.send_raw(b"".join(frames))
    attacker.abort()
    gateway.rest()
    gateway.check()


# --- HTTP ----------------------------------------------------------------------------------
WAV = wav()
PATHS = st.sampled_from(
    [
        "/api/v1/offlinetask",
        "/x/OfflineTask",
        "/api/v1/Signature/GenerateVoiceSignatureFromByteArray",
        "/Signature/GenerateVoiceSignatureFromFormData",
        "/web/v1/meetings",
        "/web/v1/meeting",
        "/web/v1/meeting/retry",
        "/web/v1/meeting/links",
        "/web/v1/meeting/transcript",
        "/web/v1/meeting/audio",
        "/web/app.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/",
        "/speech/universal/v2",
        f"/{SECRET}",
        "/web/../web/%2e%2e/%00",
        "*",
        "http://x/healthz",
    ]
)
METHODS = st.sampled_from(
    ["GET", "GET", "GET", "POST", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", SECRET.upper()]
)
VALUE = st.one_of(
    st.sampled_from(["0", "1", "uploading", "none", SECRET, "-1", "9" * 30, "text", "vtt", "a/b"]),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
NAMES = [
    "id",
    "id",
    "id",
    "limit",
    "before",
    "format",
    "owner",
    "expires",
    "signature",
    "Authorization",
]
PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "Authorization", "Ocp-Apim-Subscription-Key", SECRET]), VALUE
    ),
    max_size=3,
).map(urlencode)
RAW_QUERIES = st.one_of(
    PARAMETERS, PARAMETERS, st.sampled_from(["id=%ff", "id=%ED%A0%80", "&&=&id", "id=%00", "%"])
)
LATIN = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=20)
RANGES = ("bytes=0-", "bytes=-1", "bytes=5-1", "bytes=0-1,3-4", f"bytes={'9' * 18}-")
TYPES = ("multipart/form-data", 'multipart/form-data; boundary="b"', "application/json")
OTHERS = ("Bearer a.b.c", f"Bearer {SECRET}", "100-continue", "websocket", "Upgrade", "h2c", "*")
LONG = f"multipart/form-data; boundary={'b' * 300}; charset=none"
HEADER_VALUES = st.one_of(LATIN, st.sampled_from([*RANGES, *TYPES, *OTHERS, LONG]))
HEADER_NAMES = st.sampled_from(
    f"Range If-Range Content-Type Content-Type Authorization Expect Upgrade Cookie {SECRET}"
    " X-Forwarded-For If-None-Match Accept-Encoding Origin Sec-WebSocket-Key Connection"
    " Sec-WebSocket-Version Sec-WebSocket-Protocol X-ConnectionId".split()
)
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\n" + WAV + b"\r\n--b--\r\n"
)
BODIES = st.one_of(
    st.just(b""),
    st.sampled_from([WAV, FORM, b'{"id": ' + DEEP[:50_000]]),
    damaged(FORM),
    damaged(WAV),
    st.binary(max_size=50),
)
FORM_TYPE = ("Content-Type", "multipart/form-data; boundary=b")


def request(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes, *, chunked: bool
) -> bytes:
    """Return a request as it is sent."""
    key = [("Host", "x"), ("Ocp-Apim-Subscription-Key", KEY)]
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    lines = [f"{name}: {value}" for name, value in [*key, *headers, framing]]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")
    if chunked:
        body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    return head + body


@fuzz
@given(
    METHODS,
    PATHS,
    RAW_QUERIES,
    st.lists(st.one_of(st.just(FORM_TYPE), st.tuples(HEADER_NAMES, HEADER_VALUES)), max_size=3),
    BODIES,
    st.booleans(),
)
def test_requests(
    gateway: FuzzedGateway,
    method: str,
    path: str,
    query: str,
    headers: list[tuple[str, str]],
    body: bytes,
    chunked: bool,
) -> None:
    """Send whole requests: each has a proper answer."""
    headers = [*headers, ("Connection", "close")]
    with gateway.running.connect() as client:
        client.sendall(request(method, f"{path}?{query}", headers, body, chunked=chunked))
        answer = read_all(client)
    gateway.rest()
    gateway.check()
    check_answer(answer)


def check_answer(answer: bytes) -> None:
    head, _, content = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert status < 500, answer
    assert b"Traceback" not in content


PARTS = st.builds(
    request,
    METHODS,
    PATHS,
    st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=2),
    BODIES,
    chunked=st.booleans(),
)
STREAMS = st.one_of(
    PARTS.flatmap(damaged),
    st.lists(PARTS, max_size=4).map(b"".join),
    st.builds(lambda parts, rest: parts + rest, PARTS, st.binary(max_size=100)),
    st.sampled_from(
        [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
            b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
            b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
            b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            b"GET / HTTP/0.9\r\n\r\n",
            b"\r\n\r\n\r\n",
        ]
    ),
)


@fuzz
@given(STREAMS, st.binary(max_size=30), st.booleans())
def test_streams(gateway: FuzzedGateway, data: bytes, more: bytes, half_closed: bool) -> None:
    """Send anything in two pieces, and leave."""
    with gateway.running.connect() as client, suppress(OSError):
        client.sendall(data)
        client.settimeout(0.01)
        with suppress(TimeoutError):
            answered = client.recv(65_536)
            assert b" 500 " not in answered.partition(b"\r\n")[0], answered
        client.settimeout(30)
        client.sendall(more)
        if half_closed:
            client.shutdown(socket.SHUT_WR)
            assert b" 500 " not in read_all(client).partition(b"\r\n")[0]
    gateway.rest()
    gateway.check()
