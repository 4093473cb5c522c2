"""Status, transcript and deletion of a meeting by id: the endpoint ``offlinetask``.

::

    GET     {any prefix}/offlinetask?id=ID     200 {"id", "processingStatus", "transcriptions"}
    DELETE  {any prefix}/offlinetask?id=ID     200, with the status Deleted

The C# client writes ``OfflineTask``, and both clients append the path to the endpoint of the
program's SpeechConfig, which for uploads may be the address of a websocket
(docs/protocol/legacy-interface.md, 2.5).  So any prefix and any case is accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.transcript import StreamedTranscript, Utterance
from speech_compat._session.mapping.results import remote_item
from speech_compat.gateway.access import Caller
from speech_compat.gateway.parts import begun
from speech_compat.gateway.service import Gateway

__all__ = ["routes"]

_PATH: Final = re.compile(r"(?:/.*)?/offlinetask\Z", re.IGNORECASE)
# The numbers of the retired service (docs/protocol/legacy-interface.md, 2.2).
_NUMBERS: Final = {
    JobState.UPLOADING: 0,
    JobState.PROCESSING: 1,
    JobState.COMPLETED: 2,
    JobState.FAILED: 3,
    JobState.DELETED: 4,
}
# Utterances that are encoded at a time: a few milliseconds in a worker thread.
_BATCH: Final = 500
_JSON: Final = "application/json"


def routes(gateway: Gateway) -> list[BaseRoute]:
    """Return the endpoint."""

    async def offlinetask(request: Request) -> Response:
        caller = await gateway.access.authenticate(request.headers, request.query_params)
        meeting_id = request.query_params.get("id", "")
        if not meeting_id:
            raise HTTPException(400, 'The parameter "id", the id of the meeting, is missing.')
        meetings = gateway.owned_by(caller)
        if request.method == "DELETE":
            await meetings.delete(meeting_id)
            return _answer(MeetingStatus(meeting_id, JobState.DELETED))
        status = await meetings.status(meeting_id)
        if status.state is JobState.COMPLETED:
            return _TranscriptResponse(gateway, caller, meeting_id)
        return _answer(status)

    route = Route("/api/v1/offlinetask", offlinetask, methods=["GET", "DELETE"])
    # Starlette compares paths with regard to case, and has no path of any prefix or none.
    route.path_regex = _PATH
    return [route]


def _answer(status: MeetingStatus) -> Response:
    """Return the answer for a meeting without a transcript."""
    document: dict[str, Any] = {
        "id": status.meeting_id,
        "processingStatus": _NUMBERS[status.state],
        "transcriptions": [],
    }
    if status.state is JobState.FAILED:
        # A field of ours: the clients of the retired service learned no reason.
        document["failureReason"] = status.reason
    return Response(_encode(document), media_type=_JSON)


class _TranscriptResponse(Response):
    """Reads a transcript and sends it in pieces.

    A transcript may have 100 MB, so the number of those that are read is limited, and encoding
    them must not block the event loop.
    """

    def __init__(self, gateway: Gateway, caller: Caller, meeting_id: str) -> None:
        super().__init__()
        self._shares = gateway.transcripts
        self._caller = caller
        self._meetings = gateway.owned_by(caller)
        self._meeting_id = meeting_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the transcript.

        Raises:
            SpeechError: it cannot be read; nothing was sent, or not the end of the answer.
        """
        async with self._shares.use(self._caller):
            transcript = await self._meetings.stream(self._meeting_id)
            response = StreamingResponse(await begun(_pieces(transcript)), media_type=_JSON)
            await response(scope, receive, send)


def _pieces(transcript: StreamedTranscript) -> Iterator[bytes]:
    """Yield the JSON document of a completed meeting; reads from the store."""
    completed = _NUMBERS[JobState.COMPLETED]
    head = _encode({"id": transcript.meeting_id, "processingStatus": completed})
    before = head.removesuffix(b"}") + b',"transcriptions":['
    utterances = iter(transcript.utterances)
    while items := _encode_items(islice(utterances, _BATCH)):
        yield before + items
        before = b","
    yield b"]}" if before == b"," else before + b"]}"


def _encode_items(utterances: Iterable[Utterance]) -> bytes:
    """Return JSON objects with commas between them."""
    return b",".join(_encode(remote_item(utterance)) for utterance in utterances)


def _encode(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        # Half a character, from an engine that cut a text: escaped, every client reads it.
        return json.dumps(value).encode()
