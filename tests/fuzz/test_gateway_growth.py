"""What is left of attacks on a gateway: nothing, whatever their number."""

from __future__ import annotations

import gc
import json
import tracemalloc
from contextlib import suppress
from pathlib import Path

import attrs

from double.frames import CLOSE, TEXT, frame
from double.fuzzed_gateway import BOB, SECRET, FuzzedGateway, attacked, audio, message
from double.gateway_server import KEY, read_all
from double.raw_client import wav_header
from fuzz.cases import CASES
from speech_compat.testing.loopback import clock_audio

_ROUNDS = max(CASES // 10, 10)
# Modules are imported late, and caches fill up.
_BYTES = 1_000_000
_BYTES_PER_ROUND = 10_000
_THREADS = 8
_CONTEXT = json.dumps({"audio": {"streams": {"1": None}}, "x": ["x" * 100] * 500})
_TARGETS = ("/healthz", f"/{SECRET}", "/api/v1/offlinetask?id=0", "/web/v1/meetings", "/metrics")


def attack(gateway: FuzzedGateway, number: int) -> None:
    """Connect in all ways, each time with other ids, and leave in the middle."""
    name = f"{SECRET}-{number}"
    event = json.dumps({"name": "start", "meeting": {"id": name, "attendees": [{"id": name}]}})
    for key, mode in ((KEY, ""), (BOB, "?transcriptionMode=RealTimeAndAsync"), (BOB, "?a=b")):
        attacker = gateway.websocket(mode, key=key, connection_id=name)
        attacker.send(message("speech.context", _CONTEXT, name))
        attacker.send(message("speech.event", event, name))
        attacker.send(audio(wav_header() + clock_audio(number, 30)))
        attacker.send(audio(wav_header(8, 48_000)))
        attacker.read()
        attacker.abort()
    for broken in (frame(TEXT, b"\xff"), frame(0x3), frame(CLOSE, b"\x03\xe8"), b"\x81\x00", b""):
        attacker = gateway.websocket(connection_id=f"{name}-{len(broken)}")
        attacker.send_raw(broken)
        attacker.abort()
    for target in _TARGETS:
        with gateway.running.connect() as client, suppress(OSError):
            head = f"GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n"
            client.sendall(f"{head}Ocp-Apim-Subscription-Key: {KEY}\r\n\r\n".encode())
            read_all(client)
        with gateway.running.connect() as client:
            client.sendall(
                f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
            )
    gateway.rest()


def test_nothing_is_left_of_attacks(tmp_path: Path) -> None:
    with attacked(tmp_path) as gateway:
        for number in range(10):
            attack(gateway, number)
        before, size = gateway.resources(), traced(gateway, 0)
        for number in range(10, 10 + _ROUNDS):
            attack(gateway, number)
        grown = traced(gateway, 1) - size
        after = gateway.resources()
        # Threads for blocking calls end when they were idle for a while.
        assert after.threads <= before.threads + _THREADS
        assert attrs.evolve(after, threads=before.threads) == before
        assert grown < _BYTES + _BYTES_PER_ROUND * _ROUNDS


def traced(gateway: FuzzedGateway, number: int) -> int:
    """Return the memory that Python holds."""
    gateway.check()  # forgets the log
    gc.collect()
    if not number:
        tracemalloc.start()
    found = tracemalloc.get_traced_memory()[0]
    if number:
        tracemalloc.stop()
    return found
