"""Planted secrets must not appear in any channel that leaves the process."""

from __future__ import annotations

import io
import logging
import re
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from starlette.responses import JSONResponse

from double.containers import sign, signed_container
from double.leaks import COMMANDS, everything_logged
from double.meetings import SOUND, fetch, run
from double.service import Fault, ServiceDouble
from speech_adapters import Attendee, MeetingRequest, Mode, isolated
from speech_adapters.azure.http import KeyAuth, RetryPolicy, ServiceClient
from speech_adapters.backends.batch.options import batch_options
from speech_adapters.backends.batch.progress import load_progress
from speech_adapters.config import Settings, load_settings
from speech_adapters.errors import SpeechError
from speech_adapters.masking import mask_library_logs
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.store import Recording, Store
from speech_compat.cli import main

KEY = "PLANTED" + "0123456789abcdef"
RESULT = "sig=secret"  # the double signs the addresses of its results so
NAME = "PLANTED.person@example.org"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with everything_logged() as text:
        yield text


@pytest.fixture
def signed(storage: str) -> str:
    """Return the signed address of a recording."""
    url, signature = signed_container(storage, {"one.wav": SOUND})
    return f"{url}/one.wav?{signature}"


@pytest.fixture
def settings(tmp_path: Path, double: ServiceDouble, storage: str) -> Settings:
    double.accepted = {KEY}
    options = {
        "endpoint": double.url,
        "key": KEY,
        "poll_seconds": "0",
        "retry_seconds": "0",
        "storage_connection_string": storage,
    }
    return load_settings(
        {
            "backend": "batch",
            "state_dir": str(tmp_path / "state"),
            "service.key": KEY,
            **{f"backends.batch.{name}": value for name, value in options.items()},
        }
    )


def secrets_of(address: str) -> list[str]:
    """Return what must not appear anywhere."""
    (signature,) = re.findall(r"sig=([^&]+)", address)
    return [KEY, "PLANTED", RESULT, signature, httpx.QueryParams(address)["sig"], "\x1b"]


def on_disk(folder: Path) -> str:
    return "".join(
        path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()
    )


def assert_absent(secrets: list[str], text: str) -> None:
    assert [secret for secret in secrets if secret in text] == []


def request(address: str, meeting_id: str = "m") -> MeetingRequest:
    return MeetingRequest(
        meeting_id,
        mode=Mode.STORED,
        addresses=(address,),
        attendees=(Attendee(NAME, "en", '{"Data": "PLANTED signature"}'),),
        phrases=("PLANTED phrase",),
        settings={"proxy": "http://user:PLANTED@proxy:80"},
    )


async def submit(meetings: MeetingService, request: MeetingRequest) -> None:
    async with await meetings.open_session(request) as session:
        await session.finish()


def test_logs_of_a_meeting_have_no_secrets(
    settings: Settings,
    double: ServiceDouble,
    signed: str,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolated, "LARGE_BYTES", 0)  # with a worker process
    COMMANDS.clear()

    async def work(meetings: MeetingService) -> None:
        await submit(meetings, request(signed))
        assert (await fetch(meetings)).utterances
        await meetings.delete("m")

    run(settings, work)
    text = log.getvalue()
    assert "/results/" in text, "the requests are logged"
    assert_absent([*secrets_of(signed), "A double heard"], text)
    assert any("speech_adapters.isolated" in command for command in COMMANDS)
    assert_absent(secrets_of(signed), "".join(COMMANDS))


def test_logs_of_an_upload_have_no_secrets(settings: Settings, log: io.StringIO) -> None:
    """An account that is opened with a signature has it in the address of every request."""
    storage = settings.backends["batch"]["storage_connection_string"]
    with BlobServiceClient.from_connection_string(storage) as service:
        container = service.create_container(f"mine-{uuid.uuid4().hex}")
        signature = sign(service, container.container_name, "rwdl")
        endpoint = service.url.rstrip("/")
    connection = f"BlobEndpoint={endpoint};SharedAccessSignature={signature}"
    log.truncate(0)

    async def work() -> None:
        from speech_adapters.backends.batch.storage import Storage

        changes = {
            "storage_connection_string": connection,
            "storage_container": container.container_name,
        }
        options = batch_options(settings)
        options = type(options).model_validate({**options.model_dump(), **changes})
        found = Storage(options, None)
        await found.delete("missing.wav")
        await found.aclose()

    anyio.run(work)
    assert "missing.wav" in log.getvalue(), "the requests are logged"
    assert_absent(secrets_of(f"x?{signature}"), log.getvalue())


def test_requests_of_the_program_itself_are_logged_as_they_are(log: io.StringIO) -> None:
    with mask_library_logs():
        pass
    logging.getLogger("httpx").info("GET %s", "https://theirs/x?page=2")
    assert "https://theirs/x?page=2" in log.getvalue()


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_errors_have_no_secrets(
    settings: Settings, double: ServiceDouble, signed: str, log: io.StringIO, status: int
) -> None:
    body = {
        "code": f"Invalid\x1b[2J{signed}",
        "message": f"Cannot read {signed} with key={KEY}\x1b[31m\u202e\r\nFORGED line",
    }
    headers = {"apim-request-id": f"id {signed}", "content-type": "application/json"}
    double.faults.append(Fault(":submit", JSONResponse(body, status, headers=headers), 100))

    async def work(meetings: MeetingService) -> str:
        try:
            await submit(meetings, request(signed))
            # What may pass later is no error of the submission.
            return repr(await meetings.status("m"))
        except SpeechError as error:
            logging.getLogger("speech_adapters").exception("It failed.")
            return "".join(traceback.format_exception(error))

    text = run(settings, work)
    assert "Cannot read" in text
    for channel in (text, log.getvalue()):
        assert_absent([*secrets_of(signed), "\u202e", "\nFORGED"], channel)


def test_a_failed_connection_has_no_secrets(log: io.StringIO) -> None:
    # Not in the line that raises: a traceback has the lines of the program.
    reason = "no route by http://user:PLANTED@proxy/?sig=PLANTED"

    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(reason)

    async def work() -> None:
        transport = httpx.MockTransport(fail)
        client = ServiceClient("https://host", KeyAuth(KEY), RetryPolicy(1), transport)
        try:
            await client.request("GET", "/x")
        finally:
            await client.aclose()

    with pytest.raises(SpeechError) as caught:
        anyio.run(work)
    text = "".join(traceback.format_exception(caught.value))
    assert "ConnectError: no route" in text, "the cause is still shown"
    assert "PLANTED" not in text


def test_repr_shows_no_secrets(settings: Settings, signed: str) -> None:
    states: list[Recording] = []

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(request(signed))
        states.append(await meetings.store.run(Store.newest, "m"))
        backend = meetings.backend()
        assert isinstance(backend, RecordingBackend)
        states.append(await meetings.store.run(Store.newest, "m"))
        await session.aclose()

    run(settings, work)
    assert load_progress(states[0]).addresses == (signed,)
    shown = [settings, batch_options(settings), request(signed), *states, load_progress(states[0])]
    for value in shown:
        for text in (repr(value), str(value), f"{value}"):
            assert_absent(secrets_of(signed), text)
            assert "AccountKey" not in text
    assert "'batch': ['endpoint', 'key'" in repr(settings), "the names are still shown"


def test_the_store_forgets_a_signed_address(
    settings: Settings, double: ServiceDouble, signed: str
) -> None:
    """It is needed until the job is submitted; afterwards not even the log of SQLite has it."""
    folder = settings.state_dir
    secrets = [signed, secrets_of(signed)[3], KEY]

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(request(signed))
        assert signed in on_disk(folder)
        await session.finish()
        assert_absent(secrets, on_disk(folder))
        await session.aclose()
        await meetings.delete("m")
        assert_absent([*secrets_of(signed)[:5]], on_disk(folder))

    run(settings, work)


def test_the_store_forgets_the_state_before_a_failure(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        found = store.create(MeetingRequest("m", mode=Mode.STORED), "batch")
        store.close_audio(found.id, 0)
        store.update(found.id, backend_state="https://h/a.wav?sig=PLANTED")
        assert "PLANTED" in on_disk(tmp_path)
        store.fail(found.id, "It failed.", backend_state="{}")
        assert "PLANTED" not in on_disk(tmp_path)


def test_the_terminal_receives_no_secrets_and_no_control_characters(
    tmp_path: Path,
    double: ServiceDouble,
    signed: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = f"Cannot read {signed}\x1b[2J key={KEY}"
    body = {"code": "InvalidUri", "message": message}
    double.faults.append(Fault(":submit", JSONResponse(body, 400), 100))
    double.accepted = {KEY}
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__BATCH__ENDPOINT", double.url)
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__BATCH__KEY", KEY)
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__BATCH__RETRY_SECONDS", "0")
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__BATCH__POLL_SECONDS", "0")
    arguments = ["transcribe", signed, "--backend", "batch", "--meeting-id", "a\x1b[31mb"]
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert "Cannot read" in output.err
    assert_absent(secrets_of(signed), output.out + output.err)
