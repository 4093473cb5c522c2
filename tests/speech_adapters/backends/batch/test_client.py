from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from double.batch_parts import Parts, requests_for
from double.service import Fault, ServiceDouble
from speech_adapters.azure.http import RejectedError
from speech_adapters.backends.batch.api import Job, ResultFile, Submission
from speech_adapters.errors import BackendError, UnavailableError

Run = Callable[..., Any]
EPOCH = datetime.fromtimestamp(0, UTC)
LIST = r"GET .*/transcriptions$"


def submission(name: str = "m") -> Submission:
    return Submission(name, "f" * 32, ("https://127.0.0.1/a.wav",), "en-US", 2, False, 48)


def filter_refused(code: str) -> Fault:
    body = {"code": "InvalidArgument", "innerError": {"code": code, "message": "no"}}
    return Fault(LIST, JSONResponse(body, 400))


def test_a_submission_that_may_have_been_accepted_is_never_repeated(
    run: Run, double: ServiceDouble
) -> None:
    double.faults = [Fault("submit", PlainTextResponse("busy", 503), times=2)]

    async def work(parts: Parts) -> None:
        with pytest.raises(UnavailableError):
            await parts.client.submit(submission())

    run(work)
    assert requests_for(double, "submit") == 1


@pytest.mark.parametrize(
    "answer",
    [PlainTextResponse("slow", 429), PlainTextResponse("busy", 503, {"Retry-After": "0"})],
)
def test_a_submission_that_was_certainly_not_accepted_is_repeated(
    run: Run, double: ServiceDouble, answer: PlainTextResponse
) -> None:
    double.faults = [Fault("submit", answer)]
    run(lambda parts: parts.client.submit(submission()))
    assert requests_for(double, "submit") == 2
    assert len(double.submitted) == 1


def test_jobs_of_all_pages_are_found_the_newest_first(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> list[str]:
        for name in ("m", "other", "m", "m"):
            await parts.client.submit(submission(name))
        return [job.url for job in await parts.client.find("m")]

    urls = run(work)
    expected = [double.submitted[index] for index in (3, 2, 0)]
    assert [url.partition("?")[0].rpartition("/")[2] for url in urls] == expected


def test_only_jobs_since_a_time_are_listed(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> list[Job]:
        await parts.client.submit(submission("old"))
        double.jobs[double.submitted[0]].created -= timedelta(hours=2)
        await parts.client.submit(submission("new"))
        jobs, _ = await parts.client.list_since(datetime.now(UTC) - timedelta(hours=1))
        return jobs

    assert [job.display_name for job in run(work)] == ["new"]
    assert double.filters[-1].startswith("createdDateTime ge ")


def test_all_jobs_are_listed_if_the_service_does_not_filter_by_time(
    run: Run, double: ServiceDouble
) -> None:
    double.faults = [filter_refused("UnsupportedPagination")]

    async def work(parts: Parts) -> int:
        await parts.client.submit(submission())
        return len((await parts.client.list_since(datetime.now(UTC) + timedelta(hours=1)))[0])

    assert run(work) == 1
    assert double.filters == [""]


@pytest.mark.parametrize(
    "place", ["{url}/speechtotext/transcriptions/1", "/speechtotext/transcriptions/1"]
)
@pytest.mark.parametrize("body", [{}, {"self": None}, {"self": ""}])
def test_the_address_of_a_created_job_may_be_in_the_header_alone(
    run: Run, double: ServiceDouble, place: str, body: dict[str, Any]
) -> None:
    location = {"Location": place.format(url=double.url)}
    double.faults = [Fault("submit", JSONResponse({**body, "status": "NotStarted"}, 201, location))]
    job = run(lambda parts: parts.client.submit(submission()))
    assert job.url == f"{double.url}/speechtotext/transcriptions/1"


@pytest.mark.parametrize("code", ["UnsupportedFilter", "InvalidRequest", ""])
def test_all_jobs_are_searched_if_the_filter_is_refused(
    run: Run, double: ServiceDouble, code: str
) -> None:
    double.faults = [filter_refused(code)]

    async def work(parts: Parts) -> int:
        for name in ("it's", "other", "another"):
            await parts.client.submit(submission(name))
        return len(await parts.client.find("it's"))

    assert run(work) == 1
    assert requests_for(double, LIST) == 3, "the refused one, then two pages"


def test_another_refusal_of_a_list_is_an_error(run: Run, double: ServiceDouble) -> None:
    double.faults = [filter_refused("QuotaExceeded")]
    with pytest.raises(RejectedError, match="QuotaExceeded"):
        run(lambda parts: parts.client.find("m"))


def test_the_longest_requested_pause_of_all_pages_counts(run: Run, double: ServiceDouble) -> None:
    page = {"values": [{"self": "https://host/1"}], "@nextLink": f"{double.url}/speechtotext/next"}
    double.faults = [
        Fault(LIST, JSONResponse(page, headers={"Retry-After": "90"})),
        Fault("next", JSONResponse({"values": []}, headers={"Retry-After": "60"})),
    ]

    async def work(parts: Parts) -> tuple[list[Job], float]:
        return await parts.client.list_since(EPOCH)

    jobs, pause = run(work)
    assert ([job.url for job in jobs], pause) == (["https://host/1"], 90.0)


@pytest.mark.parametrize("page", [[], "text", None])
def test_a_list_that_is_none_is_an_error(run: Run, double: ServiceDouble, page: Any) -> None:
    double.faults = [Fault(LIST, JSONResponse(page))]
    with pytest.raises(BackendError, match="a list request with something else"):
        run(lambda parts: parts.client.list_since(EPOCH))


def test_a_job_without_its_address_is_an_error_that_quotes_nothing(
    run: Run, double: ServiceDouble
) -> None:
    double.faults = [Fault(LIST, JSONResponse({"values": [{"displayName": "SECRET"}]}))]
    with pytest.raises(BackendError, match=r"a job that cannot be read \(self\)") as caught:
        run(lambda parts: parts.client.list_since(EPOCH))
    assert "SECRET" not in str(caught.value)


def test_a_job_that_is_gone_is_none_and_its_deletion_succeeds(
    run: Run, double: ServiceDouble
) -> None:
    gone = f"{double.url}/speechtotext/transcriptions/1?api-version=2025-10-15"
    double.faults = [Fault("DELETE", PlainTextResponse("gone", 404))]

    async def work(parts: Parts) -> Any:
        return await parts.client.get(gone), await parts.client.delete(gone)

    assert run(work) == ((None, 0.0), True)


def test_other_refusals_of_a_job_are_errors(run: Run, double: ServiceDouble) -> None:
    refused = {"code": "InvalidRequest", "message": "no"}
    double.faults = [
        Fault("GET", JSONResponse(refused, 400)),
        Fault("DELETE", JSONResponse(refused, 400)),
    ]

    async def work(parts: Parts) -> None:
        url = f"{double.url}/speechtotext/transcriptions/1"
        for call in (parts.client.get, parts.client.delete):
            with pytest.raises(RejectedError, match="InvalidRequest"):
                await call(url)

    run(work)


def test_a_running_job_is_not_deleted(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> list[bool]:
        job = await parts.client.submit(submission())
        before = await parts.client.delete(job.url)
        double.jobs[double.submitted[0]].status = "Failed"
        return [before, await parts.client.delete(job.url)]

    assert run(work) == [False, True]
    assert double.jobs == {}


def test_without_a_report_there_is_no_failure(run: Run) -> None:
    assert run(lambda parts: parts.client.report([])).failure == ""


def test_results_are_not_written_under_the_services_names(
    run: Run, double: ServiceDouble, tmp_path: Path
) -> None:
    content = f"{double.url}/results"
    double.faults = [Fault("/results", PlainTextResponse("{}"), times=2)]
    files = [
        ResultFile.model_validate({"name": name, "kind": kind, "links": {"contentUrl": url}})
        for name, kind, url in [
            ("report.json", "TranscriptionReport", content),
            ("../../evil.json", "Transcription", content),
            ("second.json", "Transcription", content),
            ("lost.json", "Transcription", ""),
        ]
    ]
    names = run(lambda parts: parts.client.results(files, tmp_path))
    assert names == {
        tmp_path / "0.json": "../../evil.json",
        tmp_path / "1.json": "second.json",
    }
    assert all(path.read_text() == "{}" for path in names)


def test_the_address_of_the_next_page_keeps_its_own_query(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    send = httpx.AsyncClient.send

    async def noted(client: httpx.AsyncClient, request: httpx.Request, **more: Any) -> Any:
        asked.append(str(request.url))
        return await send(client, request, **more)

    monkeypatch.setattr(httpx.AsyncClient, "send", noted)

    async def work(parts: Parts) -> None:
        for name in ("1", "2", "3"):
            await parts.client.submit(submission(name))
        asked.clear()
        await parts.client.list_since(EPOCH)

    run(work)
    first = "api-version=2025-10-15&filter=createdDateTime%20ge%201970-01-01T00%3A00%3A00Z"
    assert [url.partition("?")[2].replace("+", "%20") for url in asked] == [
        f"{first}&top=100",
        f"{first}&top=100&skip=2",
    ]
