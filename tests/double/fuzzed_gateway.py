"""A gateway that is attacked: it must go on, and must not log, leak or grow."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from double import scripted_backend
from double.frames import BINARY, CLOSE, PING, TEXT, frame, read_frame
from double.gateway import completed, uploading
from double.gateway_server import KEY, Running, handshake, read_all, read_until, serving
from double.raw_client import wav_header
from double.scripted_backend import said
from speech_compat.gateway.framing import Message, parse
from speech_compat.gateway.logs import configure_logs
from speech_compat.testing.loopback import clock_audio

__all__ = ["BOB", "SECRET", "Attacker", "FuzzedGateway", "attacked", "audio", "message"]

BOB: Final = "fedcba9876543210fedcba9876543210"
# Part of whatever a client sends; no line of the log may contain it.
SECRET: Final = "Kirschkuchen"
_PONG: Final = 0xA
_PATIENCE: Final = 30.0
# More than a sweep takes, on a busy machine too.
_SAMPLES = 10
_SAMPLE_SECONDS = 0.1
_DIARIZATION: Final = {"phraseDetection": {"speakerDiarization": {"audioOffsetMS": 0}}}


def message(path: str, body: str, request_id: str = "1") -> str:
    """Return a text message of the speech websocket."""
    return f"Path:{path}\r\nX-RequestId:{request_id}\r\n\r\n{body}"


def audio(body: bytes, headers: bytes = b"Path:audio\r\nX-RequestId:1\r\n") -> bytes:
    """Return an audio message."""
    return len(headers).to_bytes(2, "big") + headers + body


@attrs.define
class Attacker:
    """A websocket that sends anything.

    Attributes:
        socket: its connection.
        texts: the phrases that it received.
        code: the code with which the gateway has closed; 0 while it is open; -1 if the
            connection broke.
    """

    socket: socket.socket
    texts: list[str] = attrs.field(factory=list)
    code: int = 0

    def send(self, data: str | bytes) -> None:
        """Send a message; a text may have half a surrogate pair."""
        opcode, body = (
            (BINARY, data)
            if isinstance(data, bytes)
            else (TEXT, data.encode(errors="surrogatepass"))
        )
        self.send_raw(frame(opcode, body))

    def send_raw(self, data: bytes) -> None:
        """Send anything."""
        try:
            self.socket.sendall(data)
        except OSError:
            self.code = self.code or -1

    def read(self, path: str = "") -> Message | None:
        """Read until a message of a path, or else until the gateway has read all messages.

        Returns:
            The message; ``None`` after the end of the connection, or without a path.

        Raises:
            TimeoutError: the gateway hangs.
        """
        if not path:
            self.send_raw(frame(PING, b"read"))
        try:
            while not self.code:
                opcode, data = read_frame(self.socket)
                if opcode == CLOSE:
                    self.code = int.from_bytes(data[:2], "big") or -1
                elif opcode == TEXT:
                    found = parse(data.decode())
                    self._note(found)
                    if path and found.path == path:
                        return found
                elif opcode == _PONG and data == b"read" and not path:
                    return None
        except (EOFError, ConnectionError):
            self.code = self.code or -1
        return None

    def _note(self, found: Message) -> None:
        if found.path == "speech.phrase" and (text := found.document().get("DisplayText")):
            self.texts.append(text)

    def abort(self) -> None:
        """End the connection without a word.  Idempotent."""
        with suppress(OSError):  # it is closed already
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@attrs.frozen
class Resources:
    """What a process must not have more of after an attack."""

    connections: int
    meetings: int
    tasks: int
    threads: int
    files: int


@attrs.define
class FuzzedGateway:
    """A gateway with the owners alice and bob.

    Attributes:
        running: the gateway.
        log: what it has logged, one JSON object per line.
    """

    running: Running
    log: io.StringIO

    def websocket(
        self, query: str = "", *, key: str = KEY, connection_id: str = "", path: str = "/"
    ) -> Attacker:
        """Return an open websocket."""
        opened = self.running.connect()
        own = f"Host: x\r\nX-ConnectionId: {connection_id}\r\n".encode()
        opened.sendall(handshake(path, query, key).replace(b"Host: x\r\n", own))
        head = read_until(opened, b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return Attacker(opened)

    def check(self) -> None:
        """Check that nothing unexpected was logged."""
        logged = self.log.getvalue()
        self.log.seek(0)
        self.log.truncate()
        lines = [json.loads(line) for line in logged.splitlines()]
        # A meeting may fail, for example without audio.  That has no exception in its line.
        errors = [line for line in lines if "trace" in line or line["level"] == "critical"]
        errors += [
            line
            for line in lines
            if line["level"] == "error" and line["logger"] != "speech_adapters"
        ]
        assert not errors, errors
        assert SECRET.lower() not in logged.lower()
        assert KEY not in logged

    def check_alive(self) -> None:
        """Check that a client with a meeting receives its results."""
        client = self.websocket()
        with client.socket:
            client.send(message("speech.context", json.dumps(_DIARIZATION)))
            client.send(audio(wav_header() + clock_audio(0, 25)))
            client.send(audio(b""))
            assert client.read("turn.end") is not None
            assert client.texts == ["0-19", "20-24"]

    def rest(self) -> None:
        """Wait until the gateway has ended what attackers began.

        Raises:
            AssertionError: something goes on.
        """
        with self.running.connect() as client:
            # Those that connected before are accepted before.
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read_all(client).startswith(b"HTTP/1.1 200")
        end = time.monotonic() + _PATIENCE
        server = self.running.server.server_state
        while server.connections or server.tasks or self.running.gateway.running:
            assert time.monotonic() < end, (server, self.running.gateway.running)
            time.sleep(0.005)

    def resources(self) -> Resources:
        """Return what the gateway has at rest."""
        self.rest()
        gc.collect()
        server = self.running.server
        return Resources(
            len(server.server_state.connections),
            self.running.gateway.running,
            # A sweep is a task for a moment; what is left of an attack is one for good.
            min(self._tasks() for _ in range(_SAMPLES)),
            threading.active_count(),
            len(list(Path("/proc/self/fd").iterdir())),
        )

    def _tasks(self) -> int:
        time.sleep(_SAMPLE_SECONDS)
        found: list[int] = []
        counted = threading.Event()
        loop = self.running.server.servers[0].get_loop()

        def count() -> None:
            found.append(len(asyncio.all_tasks(loop)))
            counted.set()

        loop.call_soon_threadsafe(count)
        assert counted.wait(_PATIENCE), "the event loop does not run"
        return found[0]


@contextmanager
def attacked(folder: Path, **options: Any) -> Iterator[FuzzedGateway]:
    """Serve a gateway with the backend ``clock`` and some meetings; check it at the end."""
    limits = {"requests_per_minute": 10**9, "handshakes_per_minute": 10**9}
    more = {"failures_per_minute": 10**9, "reconnect_seconds": 0.02, "header_seconds": 0.5}
    table = {"keys": {"alice": KEY, "bob": BOB}, **limits, **more, **options}
    with pytest.MonkeyPatch.context() as patch, _logs() as log:
        scripted_backend.install(patch, scripted_backend.Script())
        patch.setenv("SPEECH_COMPAT_BACKEND", "clock")
        for number in range(3):
            completed(folder, f"alice/{number}", said(f"{SECRET} {number}", 0, 1), audio=bytes(640))
        uploading(folder, "alice/uploading")
        with serving(folder, **table) as running:
            gateway = FuzzedGateway(running, log)
            yield gateway
            gateway.check_alive()
            gateway.rest()
        gc.collect()  # tasks whose errors no one has read are logged now
        gateway.check()


@contextmanager
def _logs() -> Iterator[io.StringIO]:
    """Yield the logs that an operator has."""
    names = ("", "speech_compat.gateway", "uvicorn", "uvicorn.error", "uvicorn.access")
    loggers = [logging.getLogger(name) for name in (*names, "websockets", "asyncio")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    log = io.StringIO()
    configure_logs(log)
    try:
        yield log
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
