"""``speech-compat serve`` with an endpoint that records: ``python -m double.gateway_program``.

The endpoint ``/test`` records a stored meeting: each binary message is audio, and the text
``end`` ends it.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from double.gateway_server import KEY
from speech_adapters.contract import MeetingRequest, Mode
from speech_compat.cli import main
from speech_compat.gateway.app import create_app
from speech_compat.gateway.service import Gateway

__all__ = ["KEY", "MEETING", "GatewayProcess", "gateway_process"]

MEETING = "alice/m"
_LISTENS = re.compile(r"listens on (?P<scheme>https?)://127\.0\.0\.1:(?P<port>\d+)")


def endpoints(gateway: Gateway) -> Sequence[BaseRoute]:
    async def record(websocket: WebSocket) -> None:
        await gateway.access.authenticate(websocket.headers, websocket.query_params)
        await websocket.accept()
        with gateway.running_meeting():
            request = MeetingRequest(meeting_id=MEETING, mode=Mode.STORED)
            session = await gateway.meetings.open_session(request)
            while (message := await websocket.receive()).get("bytes"):
                await session.push(message["bytes"])
                await websocket.send_text("stored")
            if message["type"] == "websocket.disconnect" and gateway.draining:
                await asyncio.sleep(600)  # the process ends before
            await session.finish()
            await session.aclose()
        try:
            await websocket.send_text("ended")
            await websocket.receive()
        except WebSocketDisconnect:
            pass

    return [WebSocketRoute("/test", record)]


def _create(gateway: Gateway) -> Starlette:
    app = create_app(gateway)
    app.router.routes[:0] = endpoints(gateway)
    return app


@attrs.frozen
class GatewayProcess:
    """A gateway in a process of its own.

    Attributes:
        process: the process.
        port: where it listens.
        log: the file of its standard error.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path


@contextmanager
def gateway_process(folder: Path, port: int = 0, **options: Any) -> Iterator[GatewayProcess]:
    """Run ``speech-compat serve`` with a key of ``alice``; yields when it listens.

    Args:
        folder: the folder of its store, and of its log.
        port: where to listen.
        options: options of the gateway.
    """
    tests = Path(__file__).parents[1]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)]),
        "SPEECH_COMPAT_STATE_DIR": str(folder),
        "SPEECH_COMPAT_GATEWAY__KEYS__ALICE": KEY,
        **{f"SPEECH_COMPAT_GATEWAY__{name.upper()}": str(options[name]) for name in options},
    }
    log = folder / f"log{len(list(folder.glob('log*')))}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "double.gateway_program", "serve", "--port", str(port)],
            env=environment,
            stderr=output,
        )
    try:
        yield GatewayProcess(process, _wait_for_port(process, log), log)
    finally:
        process.kill()
        process.wait(60)


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    while True:
        text = log.read_text(encoding="utf-8")
        found = _LISTENS.search(text)
        if found and "The gateway listens." in text:
            return int(found["port"])
        assert process.poll() is None, text


if __name__ == "__main__":
    with mock.patch("speech_compat.gateway.server.create_app", _create):
        sys.exit(main())
