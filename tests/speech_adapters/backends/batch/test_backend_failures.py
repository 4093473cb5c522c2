"""What goes wrong on the way through the service, and what is lost: nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse

from double.meetings import Properties, fetch, record, use, whole
from double.service import Fault, ServiceDouble
from speech_adapters import JobState, Transcript
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    MeetingFailedError,
    SpeechError,
    UnavailableError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

SUBMIT = r"POST .*submit"
ONE = r"GET .*/transcriptions/[^/]+$"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(SUBMIT, PlainTextResponse("slow", 429, {"Retry-After": "0"})),
        Fault(SUBMIT, PlainTextResponse("busy", 503)),
        Fault(SUBMIT, "drop"),
    ],
)
def test_a_job_is_never_created_twice(
    properties: Properties, double: ServiceDouble, fault: Fault
) -> None:
    """Even where the service made it and the answer was lost."""
    double.faults = [fault]

    async def insist(meetings: MeetingService) -> Transcript:
        try:
            await record(meetings)
        except SpeechError as error:
            assert error.retryable  # noqa: PT017
        return await fetch(meetings)

    assert len(use(properties(), insist).utterances) == 1
    assert len(double.submitted) == 1
    assert double.transcribed_seconds == 1.0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(ONE, PlainTextResponse("slow", 429, {"Retry-After": "0"}), times=2),
        Fault(ONE, PlainTextResponse("busy", 503), times=2),
        Fault(ONE, "drop", times=2),
        Fault(r"/files", PlainTextResponse("busy", 500)),
        Fault(r"/results/.*0.json", PlainTextResponse("not yet", 503)),
    ],
)
def test_errors_that_pass_are_retried(
    properties: Properties, double: ServiceDouble, fault: Fault
) -> None:
    double.faults = [fault]
    assert len(use(properties(), whole).utterances) == 1
    assert len(double.submitted) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "complaint"),
    [
        (
            Fault(ONE, HTMLResponse("<html>")),
            BackendError,
            "text/html; charset=utf-8",
        ),
        (Fault(ONE, PlainTextResponse('{"self": "cut')), BackendError, "instead of JSON"),
        (
            Fault(ONE, JSONResponse({"no": "self"})),
            BackendError,
            r"a job that cannot be read \(self",
        ),
        (Fault(r"/results/", PlainTextResponse("expired", 403)), AuthenticationError, r"\(403\)"),
        (Fault(r"0.json", PlainTextResponse("gone", 404)), BackendError, r"\(404\)"),
        (
            Fault(r"0.json", PlainTextResponse('{"x": 1}')),
            BackendError,
            "The service's result is no result",
        ),
    ],
)
def test_an_unreadable_answer_is_an_error_and_nothing_is_lost(
    properties: Properties,
    double: ServiceDouble,
    fault: Fault,
    kind: type[SpeechError],
    complaint: str,
) -> None:
    double.faults = [fault]

    async def work(meetings: MeetingService) -> Transcript:
        await record(meetings)
        with pytest.raises(kind, match=complaint):
            await fetch(meetings)
        return await fetch(meetings)

    assert len(use(properties(), work).utterances) == 1
    assert len(double.submitted) == 1


def test_a_wrong_key_is_an_error_with_the_request_id_and_the_audio_is_kept(
    properties: Properties, double: ServiceDouble
) -> None:
    with pytest.raises(AuthenticationError, match=r"\(401.*\(request id request-1\)\. Check key"):
        use(properties(key="wrong"), record)
    assert use(properties(), fetch).utterances


def test_an_unreachable_service_is_an_error_and_the_audio_is_kept(
    properties: Properties, double: ServiceDouble
) -> None:
    unreachable = properties(endpoint="http://127.0.0.1:9")
    use(unreachable, record)  # no error of the program that records
    with pytest.raises(UnavailableError, match="cannot be reached"):
        use(unreachable, fetch)
    assert use(properties(), fetch).utterances


def test_the_wrong_tier_is_an_error_in_the_services_words(
    properties: Properties, double: ServiceDouble, caplog: pytest.LogCaptureFixture
) -> None:
    words = 'Only "Standard" subscriptions for the region of the called service are valid.'
    body = {
        "code": "InvalidRequest",
        "innerError": {"code": "InvalidSubscription", "message": words},
    }
    double.faults = [Fault(SUBMIT, JSONResponse(body, 400))]
    use(properties(), record)
    with pytest.raises(MeetingFailedError, match=f"InvalidSubscription.: {words}"):
        use(properties(), fetch)
    assert words in caplog.text


def test_audio_that_the_service_cannot_read_fails_with_the_reports_reason(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> str:
        await record(meetings)
        double.jobs[double.submitted[0]].body["contentUrls"] = ["http://127.0.0.1:9/a?sig=SECRET"]
        with pytest.raises(MeetingFailedError) as caught:
            await fetch(meetings)
        return str(caught.value)

    reason = use(properties(), work)
    assert "InvalidUri: The recordings URI cannot be read" in reason
    assert "SECRET" not in reason
    with Store.open(Path(properties()["state_dir"])) as store:
        (failed,) = store.recordings()
        assert failed.state is JobState.FAILED
        assert failed.audio_path.exists()


def test_a_job_deleted_at_the_service_fails_with_the_reason(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        double.jobs.clear()
        with pytest.raises(
            MeetingFailedError, match="no longer exists at the service; it was deleted there"
        ):
            await fetch(meetings)

    use(properties(), work)


def test_a_meeting_that_failed_is_resumed_with_a_job_of_its_own(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> Transcript:
        await record(meetings)
        double.jobs[double.submitted[0]].body["contentUrls"] = ["http://127.0.0.1:9/a"]
        with pytest.raises(MeetingFailedError):
            await fetch(meetings)
        double.faults = [Fault(SUBMIT, PlainTextResponse("busy", 503))]
        with pytest.raises(UnavailableError):  # and the job that failed is not taken for it
            await meetings.resume("m")
        return await fetch(meetings)

    assert len(use(properties(), work).utterances) == 1
    assert len(double.submitted) == 2


def test_a_storage_account_that_refuses_is_an_error(
    properties: Properties, double: ServiceDouble, storage: str
) -> None:
    wrong = storage.replace("AccountKey=Eby8", "AccountKey=Abcd")
    with pytest.raises(AuthenticationError, match=r"storage container 'speech-compat'.*\(403"):
        use(properties(storage_connection_string=wrong), record)
    assert use(properties(), fetch).utterances


def test_an_unreachable_storage_account_is_an_error(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "azure.storage.blob._shared.policies.StorageRetryPolicy.sleep", lambda *_: None
    )
    nowhere = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=AAAA;"
        "BlobEndpoint=http://127.0.0.1:9/a;"
    )
    unreachable = properties(storage_connection_string=nowhere)
    use(unreachable, record)  # no error of the program that records
    with pytest.raises(UnavailableError, match="account cannot be reached"):
        use(unreachable, fetch)
