"""The way from audio to events over the real Speech SDK, and what goes wrong on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from azure.core.credentials import AccessToken

from double.service import KEY, ServiceDouble, running
from speech_adapters.audio import PcmFormat
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Backend,
    JobState,
    MeetingRequest,
    Mode,
    Recognized,
    SessionEvent,
)
from speech_adapters.errors import (
    AuthenticationError,
    ConfigurationError,
    RefusedError,
    SpeechError,
    StoreError,
    ThrottledError,
    TimedOutError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.registry import create_backend, meeting_backend
from speech_adapters.store import Store
from speech_adapters.transcript import Transcript
from speech_compat.testing.loopback import (
    ABORT,
    Line,
    LoopbackService,
    Script,
    clock_audio,
)

Play = Callable[[Script], tuple[LoopbackService, str]]
Configure = Callable[..., Settings]
SECOND = 10_000_000


def lines(count: int, speaker: str = "Guest-1") -> tuple[Line, ...]:
    """Give one line a second, of 0.8 seconds."""
    return tuple(Line(f"line {n}", n * SECOND, 8_000_000, speaker) for n in range(count))


def audio(start: float, seconds: float, channels: int = 1) -> bytes:
    """Give sound that tells its own time."""
    mono = clock_audio(round(start * 10), round(seconds * 10))
    pairs = (mono[n : n + 2] for n in range(0, len(mono), 2))
    return mono if channels == 1 else b"".join(pair * channels for pair in pairs)


def run(settings: Settings, work: Callable[[Backend], Awaitable[Any]]) -> Any:
    async def closing() -> Any:
        backend = create_backend(settings)
        try:
            return await work(backend)
        finally:
            await backend.aclose()

    return anyio.run(closing)


async def transcribe(
    backend: Backend, seconds: float, mode: Mode = Mode.LIVE, **asked: Any
) -> list[SessionEvent]:
    request = MeetingRequest("m", mode=mode, **asked)
    session = await backend.open_session(request)
    try:
        await session.push(audio(0, seconds, request.audio.channels))
        await session.finish()
        return [event async for event in session.events()]
    finally:
        await session.aclose()


def texts(events: list[SessionEvent]) -> list[str]:
    return [e.utterance.text for e in events if isinstance(e, Recognized) and not e.correction]


def offsets(events: list[SessionEvent]) -> list[int]:
    return [e.utterance.offset for e in events if isinstance(e, Recognized) and not e.correction]


async def fetch(backend: Backend) -> Transcript:
    with anyio.fail_after(60):
        while not (await backend.status("m")).state.final:
            await anyio.sleep(0.05)
    return await backend.transcript("m")


@pytest.mark.parametrize("code", [ABORT, 1000, 1011])
def test_a_connection_that_is_cut_loses_and_doubles_nothing(
    play: Play, configure: Configure, code: int
) -> None:
    cuts = tuple((at * SECOND + SECOND // 2, code) for at in (2, 5, 6))
    service, url = play(Script(lines(10), cuts=cuts))
    events = run(configure(url), lambda backend: transcribe(backend, 10))
    assert texts(events) == [f"line {n}" for n in range(10)]
    assert offsets(events) == [n * SECOND for n in range(10)]
    assert len(service.connections) >= 4


def test_a_result_that_comes_twice_is_told_once(play: Play, configure: Configure) -> None:
    _, url = play(Script(lines(3), twice=True))
    assert texts(run(configure(url), lambda b: transcribe(b, 3))) == ["line 0", "line 1", "line 2"]


def test_an_answer_that_cannot_be_read_is_asked_for_again(play: Play, configure: Configure) -> None:
    _, url = play(Script(lines(3), malformed=True))
    assert texts(run(configure(url), lambda b: transcribe(b, 4))) == ["line 0", "line 1", "line 2"]


def test_a_silent_service_is_left_for_a_new_connection(play: Play, configure: Configure) -> None:
    service, url = play(Script(lines(20), stall=9 * SECOND, clock=True))
    settings = configure(url, patience_seconds="1", ahead_seconds="5")
    events = run(settings, lambda backend: transcribe(backend, 20))
    assert texts(events) == [f"line {n}" for n in range(20)]
    assert len({found.connection_id for found in service.connections}) == 2
    speakers = {e.utterance.speaker for e in events if isinstance(e, Recognized)}
    assert speakers == {0, 1}, "a new connection knows no voice of before"


def test_what_nothing_is_heard_of_goes_at_the_speed_of_speech(
    play: Play, configure: Configure
) -> None:
    """Nothing is ever answered, and a minute is there at once."""
    service, url = play(Script(stall=0))

    async def work(backend: Backend) -> list[int]:
        session = await backend.open_session(MeetingRequest("m"))
        await session.push(audio(0, 60))
        sent = []
        for _ in range(2):
            await anyio.sleep(2)
            sent.append(service.heard // SECOND)
        await session.aclose()
        return sent

    first, second = run(configure(url, ahead_seconds="5"), work)
    assert 5 <= first <= 8
    assert 1 <= second - first <= 3


def test_a_service_that_never_comes_to_an_end_is_waited_for_in_bounds(
    play: Play, configure: Configure
) -> None:
    _, url = play(Script(stall=0))
    settings = configure(url, patience_seconds="1", attempts="1")
    with pytest.raises(TimedOutError, match="silent for 1 s while it owed an answer"):
        run(settings, lambda backend: transcribe(backend, 3))


def test_a_service_that_acknowledges_nothing_is_left_for_a_new_connection(
    play: Play, configure: Configure
) -> None:
    """The SDK gives up by itself; the audio since the last result is sent again."""
    service, url = play(Script(lines(80), stall=10 * SECOND, clock=True))
    events = run(configure(url, ahead_seconds="60"), lambda b: transcribe(b, 80))
    assert texts(events) == [f"line {n}" for n in range(80)]
    assert len(service.connections) == 2


def test_acknowledged_silence_needs_no_results(play: Play, configure: Configure) -> None:
    """More than the SDK bears unacknowledged; it is, in a way that no program sees."""
    service, url = play(Script((Line("late", 68 * SECOND, SECOND),), acknowledge=True))
    events = run(configure(url, ahead_seconds="60"), lambda b: transcribe(b, 70))
    assert texts(events) == ["late"]
    assert len(service.connections) == 1


@pytest.mark.parametrize(
    ("script", "kind", "complaint"),
    [
        (Script(refuse=401), AuthenticationError, r"401.*Check key, token, region and roles"),
        (Script(refuse=403), AuthenticationError, "403"),
        (Script(refuse=400), RefusedError, "Check language, custom model and the audio's format"),
        (Script(refuse=429), ThrottledError, "429"),
        (Script(refuse=503), UnavailableError, "503"),
        (Script(lines(1), close=1007), RefusedError, "1007"),
        (Script((Line("", 0, 1, status="Forbidden"),)), AuthenticationError, "Forbidden"),
    ],
)
def test_what_the_service_refuses(
    play: Play, configure: Configure, script: Script, kind: type[SpeechError], complaint: str
) -> None:
    _, url = play(script)
    with pytest.raises(kind, match=complaint) as caught:
        run(configure(url, attempts="1"), lambda backend: transcribe(backend, 2))
    assert "CALL STACK" not in str(caught.value)


def test_nobody_there(configure: Configure, play: Play) -> None:
    with pytest.raises(UnreachableError, match="Check the network, the region and the endpoint"):
        run(configure("ws://127.0.0.1:9", attempts="2"), lambda backend: transcribe(backend, 1))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_that_passes_is_waited_out(play: Play, configure: Configure, status: int) -> None:
    service, url = play(Script(lines(2), refusals=(status,) * 7))
    assert len(texts(run(configure(url), lambda backend: transcribe(backend, 2)))) == 2
    assert len(service.connections) == 1


def test_what_is_asked_for_reaches_the_service(play: Play, configure: Configure) -> None:
    words = {"NBest": [{"Display": "Hi there.", "Words": [
        {"Word": "hi", "Offset": SECOND + 5, "Duration": 7}]}]}  # fmt: skip
    service, url = play(Script((Line("Hi there.", SECOND, SECOND, fields=words),)))
    events = run(
        configure(url),
        lambda backend: transcribe(
            backend,
            3,
            language="de-DE",
            phrases=("Contoso",),
            word_timestamps=True,
            settings={
                "diarize_hypotheses": "true",
                "profanity": "raw",
                "endpoint_id": "my-model",
                "segmentation_silence_ms": "700",
            },
        ),
    )
    (context,) = service.contexts
    (connected,) = service.connections
    assert connected.query["language"] == "de-DE"
    assert connected.query["profanity"] == "raw"
    assert connected.query["cid"] == "my-model"
    assert context["phraseDetection"]["speakerDiarization"]["diarizeIntermediates"] == "True"
    assert "Contoso" in str(context["dgi"])
    assert "700" in str(context)
    (said,) = [e.utterance for e in events if isinstance(e, Recognized)]
    assert [(w.text, w.offset, w.duration) for w in said.words] == [("hi", SECOND + 5, 7)]


def test_several_languages_are_told_apart(play: Play, configure: Configure) -> None:
    found = {"PrimaryLanguage": {"Language": "de-DE", "Confidence": "High"}}
    service, url = play(Script((Line("Guten Tag.", 0, SECOND, fields=found),)))
    asked = (("en-US", ""), ("de-DE", "my-model"))
    events = run(configure(url), lambda backend: transcribe(backend, 2, languages=asked))
    assert service.contexts[0]["languageId"]["languages"] == ["en-US", "de-DE"]
    (said,) = [e.utterance for e in events if isinstance(e, Recognized)]
    assert said.language == "de-DE"


def test_several_channels_are_sent_as_one(play: Play, configure: Configure) -> None:
    service, url = play(Script(lines(1)))
    run(configure(url), lambda b: transcribe(b, 3, audio=PcmFormat(16_000, 8)))
    assert service.heard == 3 * SECOND


class Credential:
    """Its tokens are valid for a second."""

    def __init__(self) -> None:
        self.asked = 0

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += 1
        return AccessToken(f"token-{self.asked}", int(time.time()) + 1)


def test_a_programs_credential_signs_in_and_is_asked_again_in_time(
    play: Play, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.realtime.feeder._REFRESH_SECONDS", 0.0)
    service, url = play(Script(lines(6), cuts=((3 * SECOND, 1011),)))
    given = configure(url, key="", pace="2")
    settings = given.model_copy(
        update={"service": given.service.model_copy(update={"credential": Credential()})}
    )
    assert len(texts(run(settings, slowly))) == 6
    first, later = [found.credential for found in service.connections]
    assert first == "token-1"
    assert later.startswith("token-")
    assert later != first


async def slowly(backend: Backend) -> list[SessionEvent]:
    session = await backend.open_session(MeetingRequest("m"))
    await session.push(audio(0, 2))
    await anyio.sleep(2)
    await session.push(audio(2, 4))
    await session.finish()
    events = [event async for event in session.events()]
    await session.aclose()
    return events


def test_a_token_that_expires_is_renewed(
    play: Play, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program renews its token; a connection made later shows the new one."""
    monkeypatch.setattr("speech_adapters.backends.realtime.feeder._REFRESH_SECONDS", 0.0)
    valid = ["first"]
    service, url = play(
        Script(lines(6), tokens=frozenset({"first", "second"}), cuts=((3 * SECOND, 1011),))
    )
    given = configure(url, key="", pace="2")
    settings = given.model_copy(
        update={"service": given.service.model_copy(update={"token": lambda: valid[-1]})}
    )

    timer = threading.Timer(0.5, valid.append, ["second"])
    timer.start()
    assert len(texts(run(settings, slowly))) == 6
    timer.join()
    assert [found.credential for found in service.connections] == ["first", "second"]


def test_a_token_that_is_not_renewed_ends_the_meeting_and_loses_nothing(
    play: Play, configure: Configure
) -> None:
    """What was told is kept; the rest is recognised when somebody comes with a good token."""
    service, url = play(
        Script(
            lines(6), tokens=frozenset({"first", "good"}), cuts=((3 * SECOND, 1011),), clock=True
        )
    )
    given = configure(url, key="")
    told: list[str] = []

    async def listen(events: Any) -> None:
        async for event in events:
            told.extend(texts([event]))

    async def record(backend: Backend) -> None:
        session = await backend.open_session(MeetingRequest("m", mode=Mode.BOTH))
        try:
            await session.push(audio(0, 2))
            await anyio.sleep(1)
            service.script = Script(lines(6), tokens=frozenset({"good"}), clock=True)
            await session.push(audio(2, 4))
            await session.finish()
            with pytest.raises(AuthenticationError):
                await listen(session.events())
        finally:
            await session.aclose()

    async def later(backend: Backend) -> Transcript:
        await backend.resume("m")
        return await fetch(backend)

    def with_token(token: str) -> Settings:
        service = given.service.model_copy(update={"token": lambda: token})
        return given.model_copy(update={"service": service})

    run(with_token("first"), record)
    assert 2 <= len(told) < 6
    with Store.open(given.state_dir) as store:
        deadline = time.monotonic() + 60
        while (recording := store.newest("m")).state is not JobState.FAILED:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "Check key, token, region and roles" in recording.reason
    transcript = run(with_token("good"), later)
    assert [u.text for u in transcript.utterances] == [f"line {n}" for n in range(6)]


@pytest.mark.parametrize("final", ["realtime", "fast", "batch"])
def test_a_meeting_cut_off_is_finished_by_whom_the_route_names(
    play: Play, configure: Configure, final: str, request: pytest.FixtureRequest
) -> None:
    service, url = play(Script(lines(8), clock=True))
    double = ServiceDouble()
    with running(double):
        given = configure(url, final=final)
        rest = {"endpoint": double.url, "key": KEY}
        others: dict[str, dict[str, Any]] = {"fast": rest, "batch": {**rest, "poll_seconds": 0}}
        if final == "batch":
            storage = request.getfixturevalue("storage")
            others["batch"]["storage_connection_string"] = storage
        settings = given.model_copy(update={"backends": {**given.backends, **others}})

        async def cut_off(backend: Backend) -> list[str]:
            session = await backend.open_session(MeetingRequest("m", mode=Mode.BOTH))
            await session.push(audio(0, 4))
            events = session.events()
            told = [await anext(events) for _ in range(4)]
            await session.push(audio(4, 4))
            await session.aclose()
            return texts(told)

        told = run(settings, cut_off)
        assert told[0] == "line 0"

        def again() -> Backend:
            return meeting_backend(settings, "m")

        async def ask() -> Transcript:
            backend = again()
            try:
                return await fetch(backend)
            finally:
                await backend.aclose()

        transcript = anyio.run(ask)
    assert transcript.provenance.backend == final
    if final == "realtime":
        assert [u.text for u in transcript.utterances] == [f"line {n}" for n in range(8)]
        assert [u.offset for u in transcript.utterances] == [n * SECOND for n in range(8)]
        assert service.begun[-1] > 0, "what was told before is not heard again"
    else:
        assert [u.text for u in transcript.utterances] == ["A double heard 8.000 seconds."]
        assert double.heard_seconds == 8.0


def test_a_meeting_that_is_recognised_live_is_recognised_by_nobody_else(
    play: Play, configure: Configure
) -> None:
    """Its program is not done with it, though all of the audio is there."""
    service, url = play(Script(lines(2), stall=SECOND, clock=True))
    settings = configure(url)

    async def work(backend: Backend) -> None:
        session = await backend.open_session(MeetingRequest("m", mode=Mode.BOTH))
        await session.push(audio(0, 2))
        await session.finish()
        for _ in range(20):
            assert (await backend.status("m")).state is JobState.PROCESSING
            await anyio.sleep(0.1)
        assert len(service.connections) == 1
        await session.aclose()
        transcript = await fetch(backend)
        assert [u.text for u in transcript.utterances] == ["line 0", "line 1"]

    run(settings, work)


def test_a_meeting_that_no_attempt_finishes_fails_with_the_reason_and_can_be_resumed(
    play: Play, configure: Configure
) -> None:
    service, url = play(Script(lines(2), refuse=503))
    settings = configure(url, attempts="1")

    async def give_up(backend: Backend) -> str:
        session = await backend.open_session(MeetingRequest("m", mode=Mode.STORED))
        await session.push(bytes(2 * 32_000))
        await session.finish()
        await session.aclose()
        with anyio.fail_after(60):
            while not (status := await backend.status("m")).state.final:
                await anyio.sleep(0.05)
        return status.reason

    reason = run(settings, give_up)
    assert "3 attempts came to no end: Real-time transcription ended" in reason
    service.script = Script(lines(2))

    async def again(backend: Backend) -> Transcript:
        assert (await backend.resume("m")).state is JobState.PROCESSING
        return await fetch(backend)

    assert len(run(settings, again).utterances) == 2


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"endpoint": ""}, "needs backends.realtime.region or endpoint"),
        ({"key": ""}, "needs backends.realtime.key or credential"),
        ({"endpoint": "wss://x/speech/recognition/multiaudio"}, "names the retired service"),
        ({"endpoint": "", "region": "r", "key": "", "credential": "default"}, "resource_id"),
        ({"pace": "0.5"}, "pace: Input should be greater than or equal to 1"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    configure: Configure, play: Play, changes: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        create_backend(configure("ws://127.0.0.1:9", **changes))


def test_a_route_that_leads_nowhere_is_told_before_the_meeting(
    play: Play, configure: Configure
) -> None:
    settings = configure("ws://127.0.0.1:9", final="batch")
    request = MeetingRequest("m", mode=Mode.BOTH)
    with pytest.raises(ConfigurationError, match=r"needs backends\.batch"):
        run(settings, lambda backend: backend.open_session(request))


def test_nothing_is_left_of_a_meeting_that_was_deleted(play: Play, configure: Configure) -> None:
    _, url = play(Script(lines(2), refuse=503))
    settings = configure(url, attempts="1")

    async def work(backend: Backend) -> None:
        session = await backend.open_session(MeetingRequest("m", mode=Mode.BOTH))
        await session.push(bytes(32_000))
        await session.finish()
        await session.aclose()
        with anyio.fail_after(30):
            while not (await backend.status("m")).state.final:
                await anyio.sleep(0.05)
        await backend.delete("m")

    run(settings, work)
    with Store.open(settings.state_dir) as store:
        assert store.newest("m").state is JobState.DELETED
    assert [path.name for path in (settings.state_dir / "audio").iterdir()] == []


def test_what_cannot_be_noted_is_an_error_and_not_lost_in_silence(
    play: Play, configure: Configure
) -> None:
    _, url = play(Script(lines(2)))
    settings = configure(url)

    async def work(backend: Backend) -> None:
        session = await backend.open_session(MeetingRequest("m", mode=Mode.BOTH))
        with Store.open(settings.state_dir) as store:
            store.newest("m").audio_path.with_suffix(".said").mkdir()
        try:
            await session.push(audio(0, 2))
            await session.finish()
            with pytest.raises(StoreError, match="What was said cannot be written"):
                await anext(e async for e in session.events() if isinstance(e, Recognized))
        finally:
            await session.aclose()

    run(settings, work)
