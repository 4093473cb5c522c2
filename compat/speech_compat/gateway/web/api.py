"""The JSON API of the web page: meetings of the sender of the request, and their files.

====== ========================== ======================================================
GET    /web/v1/meetings           a page of the list; ``limit``, ``before``
GET    /web/v1/meeting            a meeting with its transcript
DELETE /web/v1/meeting            delete it
POST   /web/v1/meeting/retry      process it again
GET    /web/v1/meeting/links      signed addresses of its files
GET    /web/v1/meeting/transcript the transcript as a file; ``format``
GET    /web/v1/meeting/audio      the audio as a WAV file
====== ========================== ======================================================

The id of the meeting is the parameter ``id`` of the query, never a part of the path: it is any
text, and queries are not logged.  Offsets and durations are ticks of 100 ns.  An error is
``{"error": {"code": ..., "message": ...}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from speech_adapters import threads
from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.export import FORMATS, SUFFIXES, write
from speech_adapters.store import MeetingSummary
from speech_adapters.transcript import LabelStyle, Transcript
from speech_compat.gateway.access import Caller
from speech_compat.gateway.errors import RequestError
from speech_compat.gateway.owned import OwnedMeetings
from speech_compat.gateway.parts import begun
from speech_compat.gateway.secret_file import kept_secret
from speech_compat.gateway.service import Gateway
from speech_compat.gateway.shares import Shares
from speech_compat.gateway.web.audio import WavAudio, respond
from speech_compat.gateway.web.links import LIFETIME_SECONDS, Links

__all__ = ["routes"]

_LINKS_FILE: Final = "gateway-links.key"
_PAGE: Final = 50
_LARGEST_PAGE: Final = 200
_TRANSCRIPT: Final = "web/v1/meeting/transcript"
_AUDIO: Final = "web/v1/meeting/audio"
_MEDIA_TYPES: Final = {
    "text": "text/plain",
    "json": "application/json",
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
    "rttm": "text/plain",
    "html": "text/html",
}
# Longest first part of a file name: at most 240 bytes, with the suffix below the limit of disks.
_NAME_CHARACTERS: Final = 60
# Answers hold personal data, and no browser may run what a client has put into them.
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
}

_Endpoint = Callable[[Request], Awaitable[Response]]


def routes(gateway: Gateway) -> list[BaseRoute]:
    """Return the routes of the API."""
    api = _Api(gateway)
    endpoints: list[tuple[str, str, _Endpoint]] = [
        ("GET", "/web/v1/meetings", api.meetings),
        ("GET", "/web/v1/meeting", api.meeting),
        ("DELETE", "/web/v1/meeting", api.delete),
        ("POST", "/web/v1/meeting/retry", api.retry),
        ("GET", "/web/v1/meeting/links", api.links),
        ("GET", f"/{_TRANSCRIPT}", api.transcript),
        ("GET", f"/{_AUDIO}", api.audio),
    ]
    return [Route(path, endpoint, methods=[method]) for method, path, endpoint in endpoints]


class _Api:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # In the folder of the store, so that all gateways of the store have the same.
        self._links = Links(kept_secret(gateway.meetings.settings.state_dir / _LINKS_FILE))

    async def meetings(self, request: Request) -> Response:
        caller = await self._caller(request)
        limit = _limit(request)
        # One more than the page shows, to know whether there is another page.
        found = await self._owned(caller).list(limit + 1, request.query_params.get("before", ""))
        page = found[:limit]
        more = page[-1].recording_id if len(found) > limit else None
        return _json({"meetings": [_summary(summary) for summary in page], "before": more})

    async def meeting(self, request: Request) -> Response:
        caller, meeting_id = await self._caller(request), _meeting_id(request)
        owned = self._owned(caller)
        # The status first: it continues an interrupted processing, which changes the summary.
        status = await owned.status(meeting_id)
        if status.state is JobState.DELETED:
            raise MeetingNotFoundError("The meeting was deleted.")
        summary = await owned.summary(meeting_id)
        if status.state is not JobState.COMPLETED:
            return _json(_meeting(summary, status, None))

        async def answer() -> Response:
            transcript = await owned.transcript(meeting_id)
            # In a thread: a long transcript would keep the event loop from serving meetings.
            return await threads.COMPUTE.run(lambda: _json(_meeting(summary, status, transcript)))

        return _SharedResponse(self._gateway.transcripts, caller, answer)

    async def delete(self, request: Request) -> Response:
        owned = self._owned(await self._caller(request))
        await owned.delete(_meeting_id(request))
        return Response(status_code=204, headers=_HEADERS)

    async def retry(self, request: Request) -> Response:
        owned = self._owned(await self._caller(request))
        status = await owned.resume(_meeting_id(request))
        return _json({"state": status.state.value})

    async def links(self, request: Request) -> Response:
        caller, meeting_id = await self._caller(request), _meeting_id(request)
        summary = await self._owned(caller).summary(meeting_id)
        files = {
            name: self._links.sign(caller.owner, _TRANSCRIPT, {"id": meeting_id, "format": name})
            for name in FORMATS
            if summary.state is JobState.COMPLETED
        }
        if summary.has_audio:
            files["audio"] = self._links.sign(caller.owner, _AUDIO, {"id": meeting_id})
        return _json({"files": files, "seconds": LIFETIME_SECONDS})

    async def transcript(self, request: Request) -> Response:
        caller = await self._reader(request, _TRANSCRIPT)
        meeting_id, name = _meeting_id(request), request.query_params.get("format", "text")
        if name not in FORMATS:
            raise RequestError(f"The format is unknown. Choose one of {', '.join(FORMATS)}.")

        async def answer() -> Response:
            parts = write(await self._owned(caller).stream(meeting_id), name)
            headers = {**_HEADERS, **_disposition(meeting_id, SUFFIXES[name])}
            return StreamingResponse(
                await begun(parts), headers=headers, media_type=_MEDIA_TYPES[name]
            )

        return _SharedResponse(self._gateway.transcripts, caller, answer)

    async def audio(self, request: Request) -> Response:
        owned = self._owned(await self._reader(request, _AUDIO))
        meeting_id = _meeting_id(request)
        audio = WavAudio(*await owned.audio(meeting_id), self._gateway.meetings.settings.downmix)
        response = respond(request, audio)
        response.headers.update({**_HEADERS, **_disposition(meeting_id, "wav")})
        return response

    async def _caller(self, request: Request) -> Caller:
        return await self._gateway.access.authenticate(request.headers, request.query_params)

    async def _reader(self, request: Request, path: str) -> Caller:
        """Return the sender of a request for a file, whose address may be signed."""
        owner = self._links.owner(path, request.query_params)
        return await self._caller(request) if owner is None else self._gateway.access.admit(owner)

    def _owned(self, caller: Caller) -> OwnedMeetings:
        return self._gateway.owned_by(caller)


class _SharedResponse(Response):
    """A response with a transcript, which may have 100 MB: few are made at a time.

    Args:
        shares: limits their number.
        caller: for whom it is.
        answer: reads the transcript and returns the response.
    """

    def __init__(
        self, shares: Shares, caller: Caller, answer: Callable[[], Awaitable[Response]]
    ) -> None:
        super().__init__()
        self._shares = shares
        self._caller = caller
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, as an ASGI application.

        Raises:
            SpeechError: the transcript cannot be read; nothing was sent.
        """
        async with self._shares.use(self._caller):
            response = await self._answer()
            await response(scope, receive, send)


def _json(document: dict[str, Any]) -> Response:
    # ASCII only: half a character in a text must not make the answer impossible to encode.
    return Response(json.dumps(document), headers=_HEADERS, media_type="application/json")


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_PAGE))
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII) or int(text) == 0:
        raise RequestError('The parameter "limit" must be a number from 1.')
    return min(int(text), _LARGEST_PAGE)


def _meeting_id(request: Request) -> str:
    found = request.query_params.get("id")
    if not found:
        raise RequestError('The parameter "id" is missing: the id of the meeting.')
    return found


def _summary(summary: MeetingSummary) -> dict[str, Any]:
    return {
        "id": summary.meeting_id,
        "state": summary.state.value,
        "created": summary.created.isoformat(),
        "duration": summary.duration,
        "progress": summary.progress,
        "step": summary.step,
        "speakers": summary.speakers,
        "has_audio": summary.has_audio,
    }


def _meeting(
    summary: MeetingSummary, status: MeetingStatus, transcript: Transcript | None
) -> dict[str, Any]:
    return {
        **_summary(summary),
        "state": status.state.value,
        "progress": status.progress,
        "step": status.step,
        "reason": status.reason,
        "transcript": None if transcript is None else _transcript(transcript),
    }


def _transcript(transcript: Transcript) -> dict[str, Any]:
    """Return a transcript for the page: speakers by number in the order of their appearance."""
    style, labels = LabelStyle.DIARIZATION, dict[str, int]()
    utterances = [
        {
            "speaker": labels.setdefault(style.label_of(utterance), len(labels)),
            "offset": utterance.offset,
            "duration": utterance.duration,
            "text": utterance.text,
        }
        for utterance in transcript.utterances
        if utterance.text.strip()
    ]
    origin = transcript.provenance
    return {
        "duration": transcript.duration,
        "speakers": list(labels),
        "utterances": utterances,
        "provenance": {
            "backend": origin.backend,
            "version": origin.version,
            "emulated": origin.emulated,
            "notes": origin.notes,
        },
    }


def _disposition(meeting_id: str, suffix: str) -> dict[str, str]:
    """Return the header with the name of a file, which is safe whatever the id is."""
    kept = re.sub(r"[^\w.-]+", "_", meeting_id)[:_NAME_CHARACTERS].strip("._-") or "meeting"
    # Clients that do not know RFC 8187 read the first name.
    plain = kept.encode("ascii", "replace").decode().replace("?", "_")
    name = f"filename=\"{plain}.{suffix}\"; filename*=UTF-8''{quote(kept, safe='')}.{suffix}"
    return {"content-disposition": f"attachment; {name}"}
