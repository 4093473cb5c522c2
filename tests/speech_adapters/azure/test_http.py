from __future__ import annotations

import asyncio
import io
import os
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from anyio import CapacityLimiter, to_thread

from double.service import ServiceDouble
from speech_adapters.azure.credentials import Credentials, TokenProvider
from speech_adapters.azure.http import (
    KeyAuth,
    RejectedError,
    RetryPolicy,
    ServiceClient,
    TokenAuth,
    retry_after,
)
from speech_adapters.azure.http_errors import (
    InterruptedAnswerError,
    had_no_effect,
    was_not_billed,
)
from speech_adapters.azure.multipart import FormPart, MultipartForm
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    SpeechError,
    ThrottledError,
    UnavailableError,
)

QUICK = RetryPolicy(attempts=3, first=0.0, longest=0.0)
Answer = httpx.Response | Exception


class Service:
    """Answers in turn, the last for ever, and keeps what it was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def ask(
    service: Service,
    auth: httpx.Auth | None = None,
    work: Callable[[ServiceClient], Any] | None = None,
) -> Any:
    async def run() -> Any:
        transport = httpx.MockTransport(service)
        client = ServiceClient("https://host/speechtotext", auth, QUICK, transport)
        try:
            if work is not None:
                return await work(client)
            return await client.document("GET", "/transcriptions", params={"top": "1"})
        finally:
            await client.aclose()
            await client.aclose()

    return anyio.run(run)


def test_an_answer_is_given_with_its_headers() -> None:
    service = Service(httpx.Response(200, json={"values": []}, headers={"retry-after": "5"}))
    document, response = ask(service)
    assert document == {"values": []}
    assert retry_after(response) == 5.0
    assert str(service.requests[0].url) == "https://host/speechtotext/transcriptions?top=1"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    service = Service(httpx.Response(status), httpx.Response(200, json={}))
    assert ask(service)[0] == {}
    assert len(service.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 415, 422])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    service = Service(httpx.Response(status))
    with pytest.raises(SpeechError):
        ask(service)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(429),
        httpx.Response(503, headers={"retry-after": "0"}),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("busy"),
    ],
)
def test_what_certainly_created_nothing_is_tried_again(answer: Answer) -> None:
    service = Service(answer, httpx.Response(201, json={}))
    ask(service, work=lambda c: c.request("POST", "/x", json={}, may_retry=had_no_effect))
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(408),
        httpx.Response(500),
        httpx.Response(503),
        httpx.Response(504, headers={"retry-after": "0"}),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("slow"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("closed"),
    ],
)
def test_what_may_have_created_something_is_not_tried_again(answer: Answer) -> None:
    service = Service(answer, httpx.Response(201, json={}))
    with pytest.raises(UnavailableError):
        ask(service, work=lambda c: c.request("POST", "/x", json={}, may_retry=had_no_effect))
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (httpx.Response(503), 2),
        (httpx.ConnectError("refused"), 2),
        (httpx.WriteError("reset"), 2),
        (httpx.ReadError("reset"), 1),
        (httpx.ReadTimeout("slow"), 1),
        (httpx.RemoteProtocolError("closed"), 1),
    ],
)
def test_an_answer_that_may_be_billed_is_not_requested_twice(answer: Answer, requests: int) -> None:
    service = Service(answer, httpx.Response(200, json={}))
    with suppress(InterruptedAnswerError):
        ask(service, work=lambda c: c.request("POST", "/x", may_retry=was_not_billed))
    assert len(service.requests) == requests


def test_a_connection_that_fails_is_tried_again() -> None:
    service = Service(httpx.ConnectError("refused"), httpx.Response(200, json={}))
    assert ask(service)[0] == {}


def test_the_pause_that_is_asked_for_is_kept() -> None:
    service = Service(
        httpx.Response(429, headers={"retry-after": "0.3"}), httpx.Response(200, json={})
    )
    begun = time.monotonic()
    ask(service)
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("7", 7.0), ("-1", 0.0), ("soon", None), (formatdate(0, usegmt=True), 0.0)],
)
def test_both_forms_of_the_pause_are_read(text: str, seconds: float | None) -> None:
    headers = {"retry-after": text} if text else {}
    assert retry_after(httpx.Response(200, headers=headers)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("inf", 300.0),
        ("1e9", 300.0),
        ("301", 300.0),
        ("300", 300.0),
        ("1" * 5000, 300.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300.0),
        ("nan", None),
        ("-inf", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -9999999999", None),
        ("\xe9", None),
    ],
)
def test_no_pause_that_a_service_requests_stops_the_requests_for_ever(
    text: str, seconds: float | None
) -> None:
    headers = {b"retry-after": text.encode("latin-1")}
    assert retry_after(httpx.Response(200, headers=headers)) == seconds


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (httpx.Response(401), AuthenticationError, r"\(401\).*Check key, region and roles"),
        (httpx.Response(403), AuthenticationError, r"\(403\)"),
        (httpx.Response(429), ThrottledError, r"\(429\)"),
        (httpx.Response(503), UnavailableError, r"\(503\).*Nothing is lost"),
        (httpx.ConnectError("refused"), UnavailableError, r"host cannot be reached: refused"),
        (httpx.ReadTimeout(""), UnavailableError, r"cannot be reached: ReadTimeout"),
        (httpx.Response(404), RejectedError, r"\(404\): Not Found"),
        (
            httpx.Response(200, text="<html>", headers={"content-type": "text/html"}),
            RejectedError,
            r"answered with text/html instead of JSON\. Check the endpoint",
        ),
    ],
)
def test_every_refusal_is_one_clear_error(
    answer: Answer, kind: type[SpeechError], text: str
) -> None:
    with pytest.raises(kind, match=text):
        ask(Service(answer))


def test_code_message_and_request_id_of_the_service_are_told() -> None:
    body = {
        "code": "InvalidRequest",
        "message": "outer",
        "innerError": {"code": "InvalidSubscription", "message": 'Only "Standard" ones.'},
    }
    answer = httpx.Response(400, json=body, headers={"apim-request-id": "75013e73"})
    with pytest.raises(RejectedError) as caught:
        ask(Service(answer))
    assert str(caught.value) == (
        "GET https://host/speechtotext/transcriptions refused the request (400"
        ' InvalidSubscription): Only "Standard" ones. (request id 75013e73).'
    )
    assert (caught.value.status, caught.value.code) == (400, "InvalidSubscription")


def test_signatures_do_not_get_into_errors() -> None:
    url = "https://store/blob?sig=SECRET"
    for answer in (httpx.Response(404), httpx.Response(503), httpx.Response(200, text="x")):
        with pytest.raises(SpeechError) as caught:
            ask(Service(answer), work=lambda c: c.document("GET", url, signed=True))
        assert "SECRET" not in str(caught.value)


def test_what_is_no_address_is_named() -> None:
    with pytest.raises(ConfigurationError, match="is no address"):
        ask(Service(httpx.Response(200)), work=lambda c: c.request("GET", "https://a b\x00"))


def test_a_key_goes_in_its_header_but_not_to_signed_addresses() -> None:
    service = Service(httpx.Response(200, json={}))
    ask(service, KeyAuth("KEY"))
    ask(service, KeyAuth("KEY"), lambda c: c.request("GET", "https://store/b?sig=s", signed=True))
    keys = [request.headers.get("ocp-apim-subscription-key") for request in service.requests]
    assert keys == ["KEY", None]


class Credential:
    def __init__(self, life: float) -> None:
        self.life = life
        self.given = 0

    def get_token(self, scope: str) -> SimpleNamespace:
        assert scope == "https://cognitiveservices.azure.com/.default"
        self.given += 1
        return SimpleNamespace(token=f"token {self.given}", expires_on=time.time() + self.life)


def tokens_of(credential: Any) -> TokenAuth:
    return TokenAuth(TokenProvider(Credentials(credential=credential)))


@pytest.mark.parametrize(("life", "given"), [(3600.0, 1), (0.0, 2)])
def test_a_token_is_kept_until_shortly_before_it_ends(life: float, given: int) -> None:
    credential, service = Credential(life), Service(httpx.Response(200, json={}))
    auth = tokens_of(credential)
    for _ in range(2):
        ask(service, auth)
    assert credential.given == given
    assert service.requests[-1].headers["authorization"] == f"Bearer token {given}"


def test_a_token_that_is_refused_is_got_anew_once() -> None:
    credential = Credential(3600.0)
    service = Service(httpx.Response(401), httpx.Response(200, json={}))
    ask(service, tokens_of(credential))
    assert credential.given == 2
    with pytest.raises(AuthenticationError):
        ask(Service(httpx.Response(401)), tokens_of(credential))
    assert credential.given == 4  # the first, and one anew


def test_a_credential_without_a_token_is_an_error_of_its_kind() -> None:
    def fail(_: str) -> None:
        raise ValueError("secret detail")

    auth = tokens_of(SimpleNamespace(get_token=fail))
    with pytest.raises(AuthenticationError, match=r"returns no token: ValueError\. Sign in"):
        ask(Service(httpx.Response(200)), auth)


def test_a_form_is_made_anew_for_every_attempt() -> None:
    service = Service(httpx.Response(503), httpx.Response(200, json={}))
    made = []

    def audio() -> io.BytesIO:
        made.append(1)
        return io.BytesIO(b"sound")

    form = MultipartForm([FormPart("audio", "audio/wav", 5, audio, "a.wav")])
    ask(service, work=lambda c: c.request("POST", "/x", form=form))
    assert len(made) == 2
    assert all(b"sound" in request.read() for request in service.requests)


def test_a_download_goes_to_a_file_and_again_from_its_beginning(tmp_path: Path) -> None:
    service = Service(httpx.Response(503), httpx.Response(200, content=b"x" * 100_000))
    path = tmp_path / "result.json"
    path.write_bytes(b"what an earlier attempt left")
    ask(service, KeyAuth("KEY"), lambda c: c.download("https://store/r?sig=s", path))
    assert path.read_bytes() == b"x" * 100_000
    assert [r.headers.get("ocp-apim-subscription-key") for r in service.requests] == [None, None]


def test_a_download_that_is_refused_says_why(tmp_path: Path) -> None:
    answer = httpx.Response(403, json={"code": "AuthenticationFailed", "message": "expired"})
    with pytest.raises(AuthenticationError, match=r"403 AuthenticationFailed\): expired"):
        ask(Service(answer), work=lambda c: c.download("https://s/r?sig=s", tmp_path / "r"))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://other/speechtotext/transcriptions/1?sig=SECRET", "https://other, "),
        ("https://host:8443/speechtotext/transcriptions/1", "https://host:8443, "),
        ("http://host/speechtotext/transcriptions/1", "http://host, "),
        ("https://host.evil/speechtotext/transcriptions/1", "https://host.evil, "),
        ("https://host@other/transcriptions", "https://other, "),
    ],
)
def test_another_origin_than_the_endpoints_receives_no_request(url: str, named: str) -> None:
    service = Service(httpx.Response(200, json={}))
    with pytest.raises(BackendError, match="credential is not sent there") as caught:
        ask(service, KeyAuth("KEY"), lambda c: c.document("GET", url))
    assert service.requests == []
    assert f"an address at {named}" in str(caught.value)
    assert "endpoint is https://host:" in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://host/x", "https://HOST:443/x", "/x", "x?top=1", "//other/x"]
)
def test_the_endpoints_own_origin_receives_the_credential(url: str) -> None:
    service = Service(httpx.Response(200, json={}))
    ask(service, KeyAuth("KEY"), lambda c: c.document("GET", url))
    assert service.requests[0].headers["ocp-apim-subscription-key"] == "KEY"
    assert service.requests[0].url.host == "host"


def test_a_redirect_is_not_followed() -> None:
    service = Service(httpx.Response(307, headers={"location": "https://other/"}))
    with pytest.raises(RejectedError, match=r"\(307\)"):
        ask(service, KeyAuth("KEY"))
    assert len(service.requests) == 1


def test_an_answer_is_saved_from_any_request(tmp_path: Path) -> None:
    service = Service(httpx.Response(200, content=b"y" * 3_000_000))
    path = tmp_path / "answer"
    ask(
        service,
        KeyAuth("KEY"),
        lambda c: c.request("POST", "/x", params={"a": "1"}, json={"b": 2}, save_to=path),
    )
    assert path.read_bytes() == b"y" * 3_000_000
    (request,) = service.requests
    assert (request.url.params["a"], request.read()) == ("1", b'{"b":2}')


def test_a_refusal_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    with pytest.raises(RejectedError, match=r"\(404\)"):
        ask(Service(httpx.Response(404)), work=lambda c: c.request("GET", "/x", save_to=path))
    assert not path.exists()


def test_the_event_loop_runs_while_an_answer_is_written(tmp_path: Path) -> None:
    """The file is a pipe: to write to it blocks until the other end reads."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    loop_ran = threading.Event()
    found: list[bool] = []

    def read_late(loop: asyncio.AbstractEventLoop) -> None:
        with path.open("rb") as file:
            file.read(1)  # the writer is in the middle of more than the pipe holds
            loop.call_soon_threadsafe(loop_ran.set)
            found.append(loop_ran.wait(5))
            file.read()

    async def work(client: ServiceClient) -> None:
        reader = threading.Thread(target=read_late, args=(asyncio.get_running_loop(),))
        reader.start()
        await client.download("https://store/r?sig=s", path)
        await to_thread.run_sync(reader.join)

    ask(Service(httpx.Response(200, content=b"x" * 1_000_000)), work=work)
    assert found == [True]


def test_requests_that_need_a_token_at_the_same_time_use_one_thread() -> None:
    service = Service(httpx.Response(200, json={}))
    borrowed: list[int] = []

    async def run() -> None:
        limiter = CapacityLimiter(10)

        class Slow(Credential):
            def get_token(self, scope: str) -> SimpleNamespace:
                time.sleep(0.05)  # long enough for the other requests to arrive
                borrowed.append(limiter.statistics().borrowed_tokens)
                return super().get_token(scope)

        auth = TokenAuth(TokenProvider(Credentials(credential=Slow(3600.0))), limiter)
        client = ServiceClient("https://host", auth, QUICK, httpx.MockTransport(service))
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(client.request, "GET", "/x")
        await client.aclose()

    anyio.run(run)
    assert borrowed == [1]
    assert [r.headers["authorization"] for r in service.requests] == ["Bearer token 1"] * 5


@pytest.mark.parametrize("key", ["SECRET\n", "SECRET\r\nX: y"])
def test_a_key_that_no_header_can_hold_is_named_but_not_quoted(
    double: ServiceDouble, key: str
) -> None:
    async def run() -> None:
        client = ServiceClient(double.url, KeyAuth(key), QUICK)
        try:
            await client.request("GET", "/x")
        finally:
            await client.aclose()

    with pytest.raises(ConfigurationError, match="characters that cannot be sent") as caught:
        anyio.run(run)
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    assert double.requests == []


def test_a_full_disk_is_an_error_of_the_tree(tmp_path: Path) -> None:
    service = Service(httpx.Response(200, content=b"x"))
    with pytest.raises(BackendError, match=r"cannot be written to .*: No such file"):
        ask(service, work=lambda c: c.download("https://s/r", tmp_path / "missing" / "r"))
