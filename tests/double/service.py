"""A double of batch and fast transcription, for tests: synthetic, after their specification.

It has the REST interface of 2025-10-15, 2024-11-15 and v3.2 on loopback, refuses what the
service would refuse, reads the audio from its address, and counts the requests.  Its
transcripts state the length of the audio; silence has none.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from double.jobs import Job, length_of, outcome, wave_of
from double.schemas import ENTITY, FAST, FILES, PAGE, SUBMIT, as_published, defect

__all__ = ["Fault", "ServiceDouble", "running", "serving"]

KEY: Final = "the-key"
_VERSIONS: Final = ("2025-10-15", "2024-11-15")
_PAGE: Final = 2
_FILES: Final = 100


@attrs.define
class Fault:
    """A fault of the next ``times`` requests whose method and path match ``pattern``."""

    pattern: str
    response: Response | str  # "drop": the request has its effect, and its answer is lost
    times: int = 1


class ServiceDouble:
    """The service.

    A job becomes final after ``polls`` queries; with ``seconds``, so long after it was
    created; or, if ``polls`` is None, when a test calls :meth:`finish`.
    """

    def __init__(self, polls: int | None = 1, seconds: float | None = None) -> None:
        self.polls = polls
        self.seconds = seconds
        self.retry_after = ""
        self.jobs: dict[str, Job] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.filters: list[str] = []
        # Kinds of errors by a part of the address of the audio, for jobs created from now on.
        self.failures: dict[str, str] = {}
        # A part of the address of audio that makes a job fail as a whole, with no other outcome.
        self.spoiled = ""
        # How the names of results are counted, which is not documented: "position" among all files
        # of the job, "rank" among the results, or "reversed".
        self.counting = "rank"
        self.page = _PAGE
        self.submitted: list[str] = []
        self.definitions: list[dict[str, Any]] = []
        # Name, type and content of each file that was sent for fast transcription.
        self.uploads: list[tuple[str, str, bytes]] = []
        self.accepted = {KEY}  # keys, and tokens as "Bearer TOKEN"
        self.credentials: list[str] = []
        self.transcribed_seconds = 0.0
        self.url = ""
        paths = ("/speechtotext", "/speechtotext/v3.2")
        self.app = Starlette(
            routes=[Route("/results/{id}/{name}", self._content)]
            + [Route(f"{path}/transcriptions", self._list, methods=["GET"]) for path in paths]
            + [
                Route("/speechtotext/v3.2/transcriptions", self._submit, methods=["POST"]),
                Route("/speechtotext/transcriptions:submit", self._submit, methods=["POST"]),
                Route("/speechtotext/transcriptions:transcribe", self._fast, methods=["POST"]),
            ]
            + [
                Route(f"{path}/transcriptions/{{id}}", self._one, methods=["GET", "DELETE"])
                for path in paths
            ]
            + [Route(f"{path}/transcriptions/{{id}}/files", self._files) for path in paths]
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or fail as the next fault demands."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        line = f"{scope['method']} {scope['path']}"
        self.requests.append(line)
        fault = next((f for f in self.faults if f.times and re.search(f.pattern, line)), None)
        if fault is None:
            await self.app(scope, receive, send)
            return
        fault.times -= 1
        if isinstance(fault.response, Response):
            await fault.response(scope, receive, send)
            return

        async def nowhere(_: Any) -> None:
            """Discard the answer."""

        await self.app(scope, receive, nowhere)
        raise ConnectionResetError("dropped on demand")

    async def _submit(self, request: Request) -> Response:
        body = await request.json()
        problem = self._refusal(request) or _wrong(body, _version(request))
        if problem is not None:
            return problem
        created = datetime.now(UTC) + timedelta(microseconds=1)
        job = Job(str(uuid.uuid4()), body, created)
        job.failures, job.version = dict(self.failures), _version(request)
        job.spoiled = bool(self.spoiled) and any(
            self.spoiled in url for url in body.get("contentUrls", ())
        )
        self.jobs[job.id] = job
        self.submitted.append(job.id)
        entity = self._entity(job, request)
        return JSONResponse(entity, 201, headers={"Location": entity["self"]})

    async def _fast(self, request: Request) -> Response:
        """Transcribe at once; as at the service, speakers are distinguished only if enabled."""
        problem = self._refusal(request)
        if problem is not None:
            return problem
        async with request.form() as form:
            definition = json.loads(str(form["definition"]))
            upload = form["audio"]
            data = b"" if isinstance(upload, str) else await upload.read()
            if not isinstance(upload, str):
                self.uploads.append((str(upload.filename), str(upload.content_type), data))
        self.definitions.append(definition)
        version = request.query_params["api-version"]
        unknown = {"2025-10-15": "models", "2024-11-15": "phraseList"}[version]
        wrong = defect(definition, FAST) or (unknown if unknown in definition else "")
        if wrong:
            return _error(400, "InvalidArgument", "InvalidPayload", wrong)
        if not data:
            return _error(400, "InvalidArgument", "EmptyAudioFile", "The audio is empty.")
        return JSONResponse(self._fast_result(data, definition))

    def _fast_result(self, data: bytes, definition: dict[str, Any]) -> dict[str, Any]:
        sound, length = wave_of(data), length_of(data)
        self.transcribed_seconds += length
        silent = not any(sound.readframes(sound.getnframes()))
        text = f"A double heard {length:.3f} seconds."
        diarized = definition.get("diarization", {}).get("enabled", False)
        phrase = {
            **({"speaker": 1} if diarized else {}),
            "offsetMilliseconds": 100,
            "durationMilliseconds": round(length * 500),
            "text": text,
            "words": [
                {"text": word, "offsetMilliseconds": 100 * n, "durationMilliseconds": 100}
                for n, word in enumerate(text.split(), 1)
            ],
            "locale": "en-US",
            "confidence": 0.9,
        }
        return {
            "durationMilliseconds": round(length * 1000),
            "combinedPhrases": [] if silent else [{"text": text}],
            "phrases": [] if silent else [phrase],
        }

    async def _list(self, request: Request) -> Response:
        problem = self._refusal(request)
        if problem is not None:
            return problem
        jobs = list(self.jobs.values())
        self.filters.append(request.query_params.get("filter", ""))
        selected = _selection(self.filters[-1])
        if selected is None:
            return _error(400, "InvalidArgument", "UnsupportedFilter", "No such filter.")
        jobs = [job for job in jobs if selected(job)]
        skip = int(request.query_params.get("skip", "0"))
        # A service may send fewer jobs than were requested; here, so that pages are tested.
        end = skip + min(int(request.query_params.get("top", self.page)), self.page)
        page: dict[str, Any] = {
            "values": [self._entity(self._moved(job), request) for job in jobs[skip:end]]
        }
        if end < len(jobs):
            following = request.url.include_query_params(skip=end)
            page["@nextLink"] = str(following)
        return JSONResponse(as_published(page, PAGE), headers=self._pausing())

    async def _one(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        problem = self._refusal(request)
        if problem is not None:
            return problem
        if request.method == "DELETE":
            if job is not None and job.status not in ("Succeeded", "Failed"):
                return _error(400, "InvalidRequest", "DeleteNotAllowed", "It has not finished yet.")
            self.jobs.pop(request.path_params["id"], None)
            return Response(status_code=204)
        if job is None:
            return _error(404, "NotFound", "NotFound", "The specified entity cannot be found.")
        entity = self._entity(self._moved(job), request)
        return JSONResponse(as_published(entity, ENTITY), headers=self._pausing())

    async def _files(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        problem = self._refusal(request)
        if problem is not None:
            return problem
        if job is None:
            return _error(404, "NotFound", "NotFound", "The specified entity cannot be found.")
        kinds = dict.fromkeys(self._results(job), "Transcription")
        if outcome(job)[0]["details"]:
            kinds["report.json"] = "TranscriptionReport"
        values = [self._file(job, name, kind) for name, kind in kinds.items()]
        skip = int(request.query_params.get("skip", "0"))
        page: dict[str, Any] = {"values": values[skip : skip + _FILES]}
        if skip + _FILES < len(values):
            page["@nextLink"] = str(request.url.include_query_params(skip=skip + _FILES))
        return JSONResponse(as_published(page, FILES))

    def _results(self, job: Job) -> dict[str, dict[str, Any]]:
        """Return the results by their names, in the order of the names."""
        report, results = outcome(job)
        numbers = list(range(len(results)))
        if self.counting == "position":
            details = enumerate(report["details"])
            numbers = [n for n, detail in details if detail["status"] == "Succeeded"]
        elif self.counting == "reversed":
            numbers.reverse()
        return {
            f"contenturl_{n}.json": r
            for n, r in sorted(zip(numbers, results, strict=True), key=lambda pair: pair[0])
        }

    def _file(self, job: Job, name: str, kind: str) -> dict[str, Any]:
        content = f"{self.url}/results/{job.id}/{name}"
        return {
            "self": content,
            "name": name,
            "kind": kind,
            "links": {"contentUrl": f"{content}?sig=secret"},
            "properties": {"size": 1},
            "createdDateTime": job.created.isoformat(),
        }

    async def _content(self, request: Request) -> Response:
        """Send a result for a signature without a credential, as a storage account does."""
        signed_in = {"ocp-apim-subscription-key", "authorization"} & set(request.headers)
        if signed_in or "sig" not in request.query_params:
            return PlainTextResponse("no", 403)
        job, name = self.jobs[request.path_params["id"]], request.path_params["name"]
        if name == "report.json":
            return JSONResponse(outcome(job)[0])
        return JSONResponse(self._results(job)[name])

    def finish(self, job_id: str, status: str = "Succeeded") -> None:
        """Make a job final, and count the seconds of its audio."""
        job = self.jobs[job_id]
        job.status = "Failed" if job.spoiled else status
        self.transcribed_seconds += sum(found["durationInTicks"] / 1e7 for found in outcome(job)[1])

    def _moved(self, job: Job) -> Job:
        job.polled += 1
        age = (datetime.now(UTC) - job.created).total_seconds()
        due = self.polls is not None and job.polled > self.polls
        if self.seconds is not None:
            due = age >= self.seconds
        if due and job.status not in ("Succeeded", "Failed"):
            self.finish(job.id)
        elif job.status == "NotStarted":
            job.status = "Running"
        return job

    def _pausing(self) -> dict[str, str]:
        return {"Retry-After": self.retry_after} if self.retry_after else {}

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        credential = headers.get("ocp-apim-subscription-key") or headers.get("authorization", "")
        self.credentials.append(credential)
        if credential not in self.accepted:
            return _error(401, "Unauthorized", "", "Access denied due to invalid key.")
        if "v3.2" in request.url.path or request.query_params.get("api-version") in _VERSIONS:
            return None
        return _error(400, "InvalidArgument", "", "The api-version is missing or unknown.")

    def _entity(self, job: Job, request: Request) -> dict[str, Any]:
        old = "v3.2" in request.url.path
        query = "" if old else f"?api-version={request.query_params['api-version']}"
        path = f"{self.url}/speechtotext{'/v3.2' if old else ''}/transcriptions/{job.id}"
        return {
            "self": f"{path}{query}",
            "displayName": job.body["displayName"],
            "customProperties": job.body.get("customProperties", {}),
            "locale": job.body["locale"],
            "createdDateTime": job.created.isoformat(),
            "lastActionDateTime": job.created.isoformat(),
            "links": {"files": f"{path}/files{query}"},
            "properties": {**job.body["properties"], **_error_of(job)},
            "status": job.status,
        }


@contextmanager
def running(double: ServiceDouble, port: int = 0) -> Iterator[str]:
    """Serve on loopback; yield the address."""
    with serving(double, port) as double.url:
        yield double.url


@contextmanager
def serving(app: Any, port: int = 0, *, dated: bool = True) -> Iterator[str]:
    """Serve an application on loopback; yield the address.

    The answers have the present time in the header ``Date``, or with ``dated=False`` their own.
    """
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="critical",
        lifespan="off",
        date_header=dated,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def _error_of(job: Job) -> dict[str, Any]:
    if not (job.spoiled and job.status == "Failed"):
        return {}
    return {"error": {"code": "InvalidData", "message": "The job failed as a whole."}}


def _version(request: Request) -> str:
    return "v3.2" if "v3.2" in request.url.path else ""


def _selection(wanted: str) -> Callable[[Job], bool] | None:
    """Return the function that selects jobs by a filter; None for one that is not supported."""
    if not wanted:
        return lambda _: True
    named = re.fullmatch(r"displayName eq '((?:[^']|'')*)'", wanted)
    if named is not None:
        name = named[1].replace("''", "'")
        return lambda job: job.body["displayName"] == name
    since = re.fullmatch(r"createdDateTime ge (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", wanted)
    if since is None:
        return None
    earliest = datetime.fromisoformat(since[1])
    return lambda job: job.created >= earliest


def _wrong(body: dict[str, Any], version: str) -> Response | None:
    """Return the refusal of a body that the version does not support, or None."""
    found = defect(body, SUBMIT[version])
    if not found:
        return None
    code = "InvalidTimeToLive" if "timeToLiveHours" in found else "InvalidPayload"
    return _error(400, "InvalidRequest", code, found)


def _error(status: int, code: str, inner: str, message: str) -> Response:
    body: dict[str, Any] = {"code": code, "message": message}
    if inner:
        body["innerError"] = {"code": inner, "message": message}
    return JSONResponse(body, status, headers={"apim-request-id": "request-1"})
