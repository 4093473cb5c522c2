"""What goes wrong on the way through the service, and what is lost: nothing."""

from __future__ import annotations

import io
import uuid
import wave
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from azure.storage.blob import BlobServiceClient, generate_container_sas
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse

from double.service import Fault, ServiceDouble
from speech_adapters import Backend, JobState, MeetingRequest, Mode, Transcript
from speech_adapters.audio import PcmFormat
from speech_adapters.config import load_settings
from speech_adapters.errors import (
    AudioError,
    AuthenticationError,
    BackendError,
    ConfigurationError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_adapters.registry import create_backend
from speech_adapters.store import Store

Properties = Callable[..., dict[str, str]]
SOUND = b"\x01\x00" * 16_000
SUBMIT = r"POST .*submit"
ONE = r"GET .*/transcriptions/[^/]+$"


def use(properties: dict[str, str], work: Callable[[Backend], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        backend = create_backend(load_settings(properties))
        try:
            return await work(backend)
        finally:
            await backend.aclose()

    return anyio.run(run)


async def record(backend: Backend, meeting_id: str = "m", pcm: PcmFormat | None = None) -> None:
    request = MeetingRequest(meeting_id, mode=Mode.STORED, audio=pcm or PcmFormat())
    session = await backend.open_session(request)
    try:
        await session.push(SOUND)
        await session.finish()
    finally:
        await session.aclose()


async def fetch(backend: Backend, meeting_id: str = "m") -> Transcript:
    with anyio.fail_after(30):
        while not (await backend.status(meeting_id)).state.final:
            pass
    return await backend.transcript(meeting_id)


async def whole(backend: Backend) -> Transcript:
    await record(backend)
    return await fetch(backend)


def test_the_way_of_a_meeting(properties: Properties, double: ServiceDouble) -> None:
    transcript = use(properties(), whole)
    assert [u.text for u in transcript.utterances] == ["A double heard 1.000 seconds."]
    assert transcript.provenance.version == "Azure batch transcription 2025-10-15"
    assert len(double.submitted) == 1
    body = double.jobs[double.submitted[0]].body
    assert body["displayName"] == "m"
    assert body["properties"]["diarization"] == {"enabled": True, "maxSpeakers": 2}
    state = Path(properties()["state_dir"])
    assert not any(state.rglob("*.pcm"))


@pytest.mark.parametrize("channels", [2, 8])
def test_several_channels_go_up_as_one(
    properties: Properties, double: ServiceDouble, channels: int
) -> None:
    async def work(backend: Backend) -> Transcript:
        await record(backend, pcm=PcmFormat(16_000, channels))
        return await fetch(backend)

    (said,) = use(properties(), work).utterances
    assert said.text == f"A double heard {1 / channels:.3f} seconds."


def test_a_meeting_is_found_without_any_local_state(
    properties: Properties, double: ServiceDouble, tmp_path: Path
) -> None:
    use(properties(), lambda backend: record(backend, "it's 'quoted' 🎉"))
    elsewhere = {**properties(), "state_dir": str(tmp_path / "elsewhere")}
    transcript = use(elsewhere, lambda backend: fetch(backend, "it's 'quoted' 🎉"))
    assert len(transcript.utterances) == 1


def test_of_two_jobs_of_one_id_the_newest_counts(
    properties: Properties, double: ServiceDouble, tmp_path: Path
) -> None:
    use(properties(), record)
    use({**properties(), "state_dir": str(tmp_path / "other")}, record)
    first, second = double.submitted
    assert double.jobs[second].created > double.jobs[first].created
    double.jobs[first].status = "Failed"
    elsewhere = {**properties(), "state_dir": str(tmp_path / "elsewhere")}
    assert len(use(elsewhere, fetch).utterances) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(SUBMIT, PlainTextResponse("slow", 429, {"Retry-After": "0"})),
        Fault(SUBMIT, PlainTextResponse("busy", 503)),
        Fault(SUBMIT, "drop"),
    ],
)
def test_a_job_is_never_made_twice(
    properties: Properties, double: ServiceDouble, fault: Fault
) -> None:
    """Even where the service made it and the answer was lost."""
    double.faults = [fault]

    async def insist(backend: Backend) -> Transcript:
        try:
            await record(backend)
        except SpeechError as error:
            assert error.retryable  # noqa: PT017
        return await fetch(backend)

    assert len(use(properties(), insist).utterances) == 1
    assert len(double.submitted) == 1
    assert double.heard_seconds == 1.0


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
def test_what_passes_is_waited_out(
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
def test_what_cannot_be_read_is_told_and_nothing_is_lost(
    properties: Properties,
    double: ServiceDouble,
    fault: Fault,
    kind: type[SpeechError],
    complaint: str,
) -> None:
    double.faults = [fault]

    async def work(backend: Backend) -> Transcript:
        await record(backend)
        with pytest.raises(kind, match=complaint):
            await fetch(backend)
        return await fetch(backend)

    assert len(use(properties(), work).utterances) == 1
    assert len(double.submitted) == 1


def test_a_wrong_key_is_told_with_the_request_and_the_audio_is_kept(
    properties: Properties, double: ServiceDouble
) -> None:
    with pytest.raises(AuthenticationError, match=r"\(401.*\(request id request-1\)\. Check key"):
        use(properties(key="wrong"), record)
    assert use(properties(), fetch).utterances


def test_a_service_that_cannot_be_reached_is_told_and_the_audio_is_kept(
    properties: Properties, double: ServiceDouble
) -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        use(properties(endpoint="http://127.0.0.1:9"), record)
    assert use(properties(), fetch).utterances


def test_the_wrong_tier_is_told_in_the_services_words(
    properties: Properties, double: ServiceDouble
) -> None:
    words = 'Only "Standard" subscriptions for the region of the called service are valid.'
    body = {
        "code": "InvalidRequest",
        "innerError": {"code": "InvalidSubscription", "message": words},
    }
    double.faults = [Fault(SUBMIT, JSONResponse(body, 400))]
    with pytest.raises(BackendError, match=f"InvalidSubscription.: {words}"):
        use(properties(), record)


def test_audio_that_the_service_cannot_read_fails_with_the_reports_reason(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(backend: Backend) -> str:
        await record(backend)
        double.jobs[double.submitted[0]].body["contentUrls"] = ["http://127.0.0.1:9/a?sig=SECRET"]
        with pytest.raises(MeetingFailedError) as caught:
            await fetch(backend)
        return str(caught.value)

    told = use(properties(), work)
    assert "InvalidUri: The recordings URI cannot be read" in told
    assert "SECRET" not in told
    with Store.open(Path(properties()["state_dir"])) as store:
        (failed,) = store.recordings()
        assert failed.state is JobState.FAILED
        assert failed.audio_path.exists()


def test_a_job_deleted_by_someone_else_fails_with_the_reason(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(backend: Backend) -> None:
        await record(backend)
        double.jobs.clear()
        with pytest.raises(MeetingFailedError, match="knows the job no more: it was deleted"):
            await fetch(backend)

    use(properties(), work)


def test_a_running_job_is_deleted_later_but_the_meeting_at_once(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls = 100

    async def work(backend: Backend) -> None:
        await record(backend)
        await backend.delete("m")
        assert (await backend.status("m")).state is JobState.DELETED
        assert len(double.jobs) == 1
        double.jobs[double.submitted[0]].status = "Succeeded"
        with pytest.raises(MeetingNotFoundError):
            await backend.status("another")
        assert double.jobs == {}

    use(properties(), work)


def test_a_final_job_is_deleted_too(properties: Properties, double: ServiceDouble) -> None:
    async def work(backend: Backend) -> None:
        await whole(backend)
        await backend.delete("m")
        with pytest.raises(MeetingNotFoundError, match="deleted already"):
            await backend.delete("m")

    use(properties(), work)
    assert double.jobs == {}


def test_a_job_is_asked_about_no_more_often_than_set(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(backend: Backend) -> None:
        await record(backend)
        for _ in range(10):
            await backend.status("m")

    use(properties(poll_seconds="60"), work)
    assert sum(line.startswith("GET") for line in double.requests) == 1


def test_one_list_serves_all_open_meetings(properties: Properties, double: ServiceDouble) -> None:
    double.polls = 1000
    names = [f"meeting {number}" for number in range(10)]

    async def work(backend: Backend) -> None:
        for name in names:
            await record(backend, name)
        double.requests.clear()
        for name in names:
            await backend.status(name)

    use(properties(poll_seconds="60"), work)
    pages = len(names) // 2  # the double gives two on a page
    assert len(double.requests) == pages


def tones(seconds: float, quiet_at: float, channels: int = 1) -> bytes:
    """Give noise with half a second of quiet, the same on all channels."""
    import numpy as np

    samples = np.random.default_rng(1).integers(-8_000, 8_000, round(seconds * 16_000))
    first = round(quiet_at * 16_000)
    samples[first : first + 8_000] = 0
    return samples.astype("<i2").repeat(channels).tobytes()


async def record_sound(backend: Backend, sound: bytes, channels: int, apart: bool = True) -> None:
    pcm = PcmFormat(channels=channels)
    request = MeetingRequest(
        "m", mode=Mode.STORED, audio=pcm, differentiate_speakers=apart, max_speakers=3
    )
    session = await backend.open_session(request)
    await session.push(sound)
    await session.finish()
    await session.aclose()


def test_too_long_a_meeting_is_cut_where_it_is_quiet(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.batch.job_runner._LONGEST_SECONDS", 3)

    async def work(backend: Backend) -> Transcript:
        await record_sound(backend, tones(4, quiet_at=2.0), 1)
        return await fetch(backend)

    transcript = use(properties(), work)
    (job,) = double.jobs.values()
    assert len(job.body["contentUrls"]) == 2
    first, second = transcript.utterances
    assert (first.speaker, second.speaker) == (0, 1)
    cut = second.offset - 1_000_000
    assert 20_000_000 < cut < 25_000_000, "in the quiet, which begins at 2 s"
    assert transcript.duration == 40_000_000
    assert "sent in 2 parts" in transcript.provenance.emulated[0]
    assert len({utterance.id for utterance in transcript.utterances}) == 2


def test_where_nobody_is_told_apart_nothing_is_cut(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.batch.job_runner._LONGEST_SECONDS", 3)
    use(properties(), lambda backend: record_sound(backend, tones(4, 2.0), 1, apart=False))
    (job,) = double.jobs.values()
    assert len(job.body["contentUrls"]) == 1


@pytest.mark.parametrize("channels", [2, 8])
@pytest.mark.parametrize(("policy", "diarized"), [("split", True), ("speakers", False)])
def test_channels_can_be_kept_apart(
    properties: Properties,
    double: ServiceDouble,
    tmp_path: Path,
    channels: int,
    policy: str,
    diarized: bool,
) -> None:
    changed = properties(channels=policy)

    async def work(backend: Backend) -> Transcript:
        await record_sound(backend, tones(1, 0.0, channels), channels)
        return await fetch(backend)

    transcript = use(changed, work)
    (job,) = double.jobs.values()
    assert len(job.body["contentUrls"]) == channels
    assert ("diarization" in job.body["properties"]) == diarized
    assert [u.speaker for u in transcript.utterances] == list(range(channels))
    assert [u.channel for u in transcript.utterances] == list(range(channels))
    assert {u.text for u in transcript.utterances} == {"A double heard 1.000 seconds."}
    elsewhere = {**changed, "state_dir": str(tmp_path / "elsewhere")}
    assert use(elsewhere, fetch) == transcript, "put together without anything of this machine"


@pytest.mark.parametrize("policy", ["split", "speakers"])
def test_one_channel_is_diarized_whatever_is_said_of_several(
    properties: Properties, double: ServiceDouble, policy: str
) -> None:
    assert use(properties(channels=policy), whole).utterances[0].speaker == 0
    (job,) = double.jobs.values()
    assert job.body["properties"]["diarization"]["enabled"]


def test_each_channel_is_sent_as_it_is(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second channel is silent: nobody is heard there."""
    stereo = b"\x11\x00\x00\x00" * 16_000

    async def work(backend: Backend) -> Transcript:
        await record_sound(backend, stereo, 2)
        return await fetch(backend)

    (said,) = use(properties(channels="split"), work).utterances
    assert said.channel == 0


async def take(backend: Backend, *addresses: str) -> None:
    request = MeetingRequest("m", mode=Mode.STORED, addresses=addresses)
    session = await backend.open_session(request)
    with pytest.raises(SpeechError, match="none can be pushed"):
        await session.push(b"\x00\x00")
    await session.finish()
    assert [event async for event in session.events()] == []
    await session.aclose()
    await session.aclose()


@pytest.fixture
def uploaded(storage: str) -> Iterator[str]:
    """Give the address of a container with two recordings, signed for a short while."""
    with BlobServiceClient.from_connection_string(storage) as service:
        container = service.create_container(f"mine-{uuid.uuid4().hex}")
        for name in ("second.wav", "first.wav"):
            data = io.BytesIO()
            with wave.open(data, "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(SOUND * (2 if name == "second.wav" else 1))
            container.upload_blob(name, data.getvalue())
        signature = generate_container_sas(
            str(service.account_name),
            container.container_name,
            account_key=service.credential.account_key,
            permission="rl",
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        yield f"{container.url}/?{signature}"


@pytest.mark.parametrize(
    ("folder", "names"),
    [(False, ("first", "second")), (False, ("second", "first")), (True, ("first", "second"))],
)
def test_audio_at_addresses_of_the_programs_own(
    properties: Properties,
    double: ServiceDouble,
    uploaded: str,
    folder: bool,
    names: tuple[str, ...],
) -> None:
    files = [uploaded.replace("/?", f"/{name}.wav?") for name in names]
    addresses = (uploaded,) if folder else tuple(files)

    async def work(backend: Backend) -> Transcript:
        await take(backend, *addresses)
        return await fetch(backend)

    transcript = use(properties(storage_connection_string=""), work)
    seconds = {"first": 1, "second": 2}
    assert [u.text for u in transcript.utterances] == [
        f"A double heard {seconds[name]}.000 seconds." for name in names
    ]
    begins = seconds[names[0]] * 10_000_000
    assert [u.offset for u in transcript.utterances] == [1_000_000, begins + 1_000_000]
    assert [u.speaker for u in transcript.utterances] == [0, 1]
    assert transcript.duration == 30_000_000
    (job,) = double.jobs.values()
    assert ("contentContainerUrl" in job.body) == folder
    state = Path(properties()["state_dir"])
    assert not any(b"sig=" in file.read_bytes() for file in state.rglob("meetings*"))


@pytest.mark.parametrize(
    "addresses",
    [
        ("/a/file.wav",),
        ("ftp://host/a.wav",),
        ("https://a/b/", "https://a/c.wav"),
        ("https://a",) * 1001,
    ],
)
def test_addresses_that_are_none_are_refused(
    properties: Properties, addresses: tuple[str, ...]
) -> None:
    request = MeetingRequest("m", mode=Mode.STORED, addresses=addresses)
    with pytest.raises(AudioError, match=r"address"):
        use(properties(), lambda backend: backend.open_session(request))


def test_a_meeting_that_failed_is_resumed_with_a_job_of_its_own(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(backend: Backend) -> Transcript:
        await record(backend)
        double.jobs[double.submitted[0]].body["contentUrls"] = ["http://127.0.0.1:9/a"]
        with pytest.raises(MeetingFailedError):
            await fetch(backend)
        double.faults = [Fault(SUBMIT, PlainTextResponse("busy", 503))]
        with pytest.raises(UnavailableError):  # and the job that failed is not taken for it
            await backend.resume("m")
        return await fetch(backend)

    assert len(use(properties(), work).utterances) == 1
    assert len(double.submitted) == 2


def test_a_deadline_ends_the_wait_and_a_resumed_meeting_waits_for_the_same_job(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls = None

    async def give_up(backend: Backend) -> None:
        await record(backend)
        with pytest.raises(MeetingFailedError, match=r"in 1e-06 hours \(deadline_hours\)"):
            await fetch(backend)

    async def go_on(backend: Backend) -> Transcript:
        assert (await backend.resume("m")).state is JobState.PROCESSING
        double.finish(double.submitted[0])
        return await fetch(backend)

    use(properties(deadline_hours="0.000001"), give_up)
    assert len(use(properties(), go_on).utterances) == 1
    assert len(double.submitted) == 1


def test_a_job_that_takes_long_is_warned_about_once(
    properties: Properties, double: ServiceDouble, caplog: pytest.LogCaptureFixture
) -> None:
    double.polls = None

    async def work(backend: Backend) -> str:
        await record(backend)
        steps = [(await backend.status("m")).step for _ in range(3)]
        return steps[-1]

    assert use(properties(warn_hours="0.000001"), work).startswith("being transcribed at the servi")
    (warning,) = [r for r in caplog.records if r.levelname == "WARNING"]
    assert warning.getMessage().startswith("Meeting 'm' is being transcribed at the service for")


def test_the_pause_that_the_service_asks_for_is_kept(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls, double.retry_after = None, "3600"

    async def work(backend: Backend) -> None:
        await record(backend)
        for _ in range(5):
            await backend.status("m")

    use(properties(), work)
    assert sum(line.startswith("GET") for line in double.requests) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"endpoint": ""}, r"backends.batch.region or endpoint"),
        ({"key": ""}, r"backends.batch.key or credential"),
        ({"api_version": "v1"}, "api_version: Input should be"),
        ({"max_speakers": "36"}, "max_speakers: Input should be less than or equal to 35"),
    ],
)
def test_what_is_missing_is_named(
    properties: Properties, changes: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        create_backend(load_settings(properties(**changes)))


def test_audio_needs_a_storage_account(properties: Properties) -> None:
    with pytest.raises(ConfigurationError, match=r"backends.batch.storage_connection_string or"):
        use(properties(storage_connection_string=""), record)


def test_a_storage_account_that_refuses_is_told(
    properties: Properties, double: ServiceDouble, storage: str
) -> None:
    wrong = storage.replace("AccountKey=Eby8", "AccountKey=Abcd")
    with pytest.raises(AuthenticationError, match=r"storage container 'speech-compat'.*\(403"):
        use(properties(storage_connection_string=wrong), record)
    assert use(properties(), fetch).utterances


def test_a_storage_account_that_is_not_there_is_told(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "azure.storage.blob._shared.policies.StorageRetryPolicy.sleep", lambda *_: None
    )
    nowhere = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=AAAA;"
        "BlobEndpoint=http://127.0.0.1:9/a;"
    )
    with pytest.raises(UnavailableError, match="account cannot be reached"):
        use(properties(storage_connection_string=nowhere), record)
