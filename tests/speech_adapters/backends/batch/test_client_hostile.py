"""Answers of a service that refer to other places, never end, or have another form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from speech_adapters.azure.http import KeyAuth, RetryPolicy, ServiceClient
from speech_adapters.backends.batch import client as module
from speech_adapters.backends.batch.api import Api, Job, Submission
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.errors import BackendError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OWN = "https://own.example/speechtotext"
JOB = {
    "self": f"{OWN}/transcriptions/1",
    "displayName": "m",
    "status": "Succeeded",
    "links": {"files": f"{OWN}/transcriptions/1/files"},
}


class Service:
    """Answers by path, and keeps the requests."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/speechtotext")
        return httpx.Response(200, json=self.answers.get(path, {"values": []}))

    @property
    def hosts(self) -> set[str]:
        return {request.url.host for request in self.requests}


def use(service: Service, work: Callable[[BatchClient], Any]) -> Any:
    async def run() -> Any:
        transport = httpx.MockTransport(service)
        http = ServiceClient(OWN, KeyAuth("the-key"), RetryPolicy(1), transport)
        client = BatchClient(http, Api("2025-10-15"))
        try:
            return await work(client)
        finally:
            await client.aclose()

    return anyio.run(run)


async def _follow_next_link(client: BatchClient) -> None:
    await client.find("m")


async def _list(client: BatchClient) -> None:
    await client.list_since(EPOCH)


async def _follow_self(client: BatchClient) -> None:
    (job,) = await client.find("m")
    await client.get(job.url)


async def _delete_self(client: BatchClient) -> None:
    (job,) = await client.find("m")
    await client.delete(job.url)


async def _follow_files(client: BatchClient) -> None:
    await client.files(Job.model_validate({**JOB, "links": {"files": "https://evil/files"}}))


@pytest.mark.parametrize(
    ("page", "work"),
    [
        ({"values": [JOB], "@nextLink": "https://evil/speechtotext/2"}, _follow_next_link),
        ({"values": [JOB], "@nextLink": "https://evil/speechtotext/2"}, _list),
        ({"values": [{**JOB, "self": "https://evil/1"}]}, _follow_self),
        ({"values": [{**JOB, "self": "https://evil/1"}]}, _delete_self),
        ({"values": [{**JOB, "self": "https://own.example:444/1"}]}, _follow_self),
        ({"values": [{**JOB, "self": "http://own.example/1"}]}, _follow_self),
        ({"values": [JOB]}, _follow_files),
    ],
    ids=["nextLink", "nextLink of all", "self", "deleted self", "port", "scheme", "links.files"],
)
def test_the_key_is_sent_only_to_the_configured_endpoint(
    page: dict[str, Any], work: Callable[[BatchClient], Any]
) -> None:
    service = Service({"/transcriptions": page})
    with pytest.raises(
        BackendError, match=r"an address at .*the configured endpoint is https://own"
    ):
        use(service, work)
    for request in service.requests:
        assert (request.url.scheme, request.url.netloc) == ("https", b"own.example")


def test_a_result_on_another_host_is_read_without_the_key(tmp_path: Path) -> None:
    content = "https://storage.example/result.json?sig=s"
    file = {"name": "r", "kind": "Transcription", "links": {"contentUrl": content}}
    service = Service({"/transcriptions/1/files": {"values": [file]}})

    async def work(client: BatchClient) -> None:
        files = await client.files(Job.model_validate(JOB))
        await client.results(files, tmp_path)

    use(service, work)
    keys = {r.url.host: r.headers.get("ocp-apim-subscription-key") for r in service.requests}
    assert keys == {"own.example": "the-key", "storage.example": None}


def test_a_page_that_refers_to_itself_ends_the_list() -> None:
    page = {"values": [JOB], "@nextLink": f"{OWN}/transcriptions?skip=1"}
    service = Service({"/transcriptions": page})
    with pytest.raises(BackendError, match="a page that was read already"):
        use(service, _list)
    assert len(service.requests) == 2


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIST_PAGES", 5)
    service = Service({})

    def answer(request: httpx.Request) -> httpx.Response:
        service.requests.append(request)
        following = f"{OWN}/transcriptions?skip={len(service.requests)}"
        return httpx.Response(200, json={"values": [], "@nextLink": following})

    monkeypatch.setattr(Service, "__call__", lambda _, request: answer(request))
    with pytest.raises(BackendError, match="more than 5 pages"):
        use(service, _list)
    assert len(service.requests) == 5


def test_a_list_takes_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIST_SECONDS", -1.0)
    with pytest.raises(BackendError, match="takes longer than"):
        use(Service({}), _list)


def test_null_and_foreign_fields_of_one_job_do_not_refuse_the_list() -> None:
    foreign = {
        "self": f"{OWN}/transcriptions/2",
        "displayName": None,
        "links": None,
        "properties": {"error": None},
        "customProperties": {"theirs": 5, "speechCompatRecording": "tag"},
    }
    service = Service({"/transcriptions": {"values": [JOB, foreign], "@nextLink": None}})
    jobs, _ = use(service, lambda client: client.list_since(EPOCH))
    assert [job.display_name for job in jobs] == ["m", ""]
    assert jobs[1].custom == {"speechCompatRecording": "tag"}


@pytest.mark.parametrize("page", [{"values": 5}, {"values": {}, "@nextLink": 5}, [], "x", 5])
def test_a_page_of_another_form_is_an_error(page: Any) -> None:
    with pytest.raises(BackendError, match="something else"):
        use(Service({"/transcriptions": page}), _list)


def test_a_location_that_is_no_address_is_none() -> None:
    submission = Submission("m", "tag", ("https://a/b.wav",), "en-US", None, False, 48)

    class Created(Service):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(201, json={}, headers={"location": "https://["})

    with pytest.raises(BackendError, match=r"a job that cannot be read \(self\)"):
        use(Created({}), lambda client: client.submit(submission))
