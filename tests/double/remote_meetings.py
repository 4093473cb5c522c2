"""A double of a service with the retired interface: websocket and ``offlinetask``.

Synthetic, after docs/protocol/legacy-interface.md, 2.5 and 5.  The transcript of a meeting is
the script that its websocket played.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from double.service import Fault, serving
from speech_compat.testing.loopback import HeldMeeting, LoopbackService, Script

__all__ = ["KEY", "RemoteMeetings"]

KEY = "the-key"
UPLOADING, PROCESSING, COMPLETED, FAILED, DELETED = range(5)


class RemoteMeetings:
    """The service; a meeting is completed after ``polls`` queries.

    Attributes:
        loopback: the websocket.
        status: replaces the status of all meetings.
        faults: see :class:`double.service.Fault`.
        requests: method, path and query of all requests.
        missing: queries that are answered with 404 although the meeting is there.
        deleted: ids of deleted meetings.
        others: answers for meetings that were not held here, by their ids.
        accepted: accepted keys, and tokens as ``Bearer TOKEN``.
        credentials: those of all requests.
        rest: address of the REST interface, while it is served.
        addresses: options of the backend that name the addresses, while it is served.
    """

    def __init__(self, script: Script, polls: int = 1) -> None:
        self.loopback = LoopbackService(script)
        self.status: Any = None
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.missing = 0
        self.deleted: set[str] = set()
        self.others: dict[str, Any] = {}
        self.rest = ""
        self.addresses: dict[str, str] = {}
        self.accepted = {KEY}
        self.credentials: list[str] = []
        self._polls = polls
        self._left: dict[str, int] = {}
        self._app = Starlette(
            routes=[Route("/api/v1/offlinetask", self._task, methods=["GET", "DELETE"])]
        )

    @contextmanager
    def running(self, port: int = 0) -> Iterator[dict[str, str]]:
        """Serve on loopback; yield the options of the backend that name the addresses."""
        with self.loopback.running() as websocket, serving(self, port) as rest:
            self.rest = f"{rest}/api/v1"
            self.addresses = {
                "websocket_endpoint": f"{websocket}/speech/recognition/multiaudio",
                "rest_endpoint": self.rest,
            }
            yield self.addresses

    @property
    def held(self) -> set[str]:
        """The ids of all meetings that were held here."""
        return {meeting.id for meeting in self.loopback.meetings}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or fail as the next fault demands."""
        line = f"{scope['method']} {scope['path']}"
        self.requests.append(line)
        fault = next((f for f in self.faults if f.times and re.search(f.pattern, line)), None)
        if fault is None:
            await self._app(scope, receive, send)
            return
        fault.times -= 1
        assert isinstance(fault.response, Response)
        await fault.response(scope, receive, send)

    async def _task(self, request: Request) -> Response:
        headers = request.headers
        credential = headers.get("ocp-apim-subscription-key") or headers.get("authorization", "")
        self.credentials.append(credential)
        if credential not in self.accepted:
            return Response(status_code=401)
        own = request.query_params["id"]
        if self.missing and request.method == "GET":
            self.missing -= 1
            return Response(status_code=404)
        meeting = self._newest(own)
        if own in self.deleted or (meeting is None and own not in self.others):
            return Response(status_code=404)
        if request.method == "DELETE":
            self.deleted.add(own)
            return Response(status_code=200)
        if meeting is None:
            return JSONResponse(self.others[own])
        return JSONResponse(self._answer(meeting))

    def _newest(self, own: str) -> HeldMeeting | None:
        held = [meeting for meeting in self.loopback.meetings if meeting.id == own]
        if held and held[-1].connection_id not in self._left:
            # Recorded anew, after a deletion too.
            self._left[held[-1].connection_id] = self._polls
            self.deleted.discard(own)
        return held[-1] if held else None

    def _answer(self, meeting: HeldMeeting) -> dict[str, Any]:
        status = self.status
        if status is None:
            left = self._left[meeting.connection_id]
            self._left[meeting.connection_id] = left - meeting.ended
            status = UPLOADING if not meeting.ended else PROCESSING if left > 0 else COMPLETED
        items = self._items(meeting) if status == COMPLETED else []
        return {"id": meeting.id, "processingStatus": status, "transcriptions": items}

    def _items(self, meeting: HeldMeeting) -> list[dict[str, Any]]:
        # The last of several lines with one offset is the correction of the others.
        lines = {x.offset: x for x in self.loopback.script.lines if x.end <= meeting.received}
        return [
            {
                "userId": line.speaker,
                "resultId": self.loopback.result_id(meeting.connection_id, line),
                "reason": "RecognizedSpeech",
                "text": line.text,
                "durationInTicks": line.duration,
                "offsetInTicks": line.offset,
            }
            for line in lines.values()
        ]
