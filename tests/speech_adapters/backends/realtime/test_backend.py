"""The realtime backend: its routes, checks and worker orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from double.recognition import (
    Configure,
    Play,
    lines,
    record,
    run,
    texts,
    transcribe,
)
from speech_adapters.backends.realtime.worker import WorkerOrder
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings
from speech_adapters.contract import (
    JobState,
    MeetingRequest,
    Mode,
)
from speech_adapters.errors import (
    AuthenticationError,
    ConfigurationError,
    SpeechError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.workers import log_path
from speech_adapters.registry import create_backend
from speech_adapters.speech_sdk.journal import journal_path
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance
from speech_compat.testing.loopback import (
    Script,
)


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
    async def work(meetings: MeetingService) -> None:
        meetings.backend()

    with pytest.raises(ConfigurationError, match=complaint):
        run(configure("ws://127.0.0.1:9", **changes), work)


def test_a_backend_final_that_cannot_be_created_is_an_error_before_the_meeting(
    play: Play, configure: Configure
) -> None:
    settings = configure("ws://127.0.0.1:9", final="batch")
    request = MeetingRequest("m", mode=Mode.BOTH)
    with pytest.raises(ConfigurationError, match=r"needs backends\.batch"):
        run(settings, lambda meetings: meetings.open_session(request))


class Other(RecordingBackend):
    """The backend ``final``; it keeps what it has to process."""

    def __init__(self, host: Host) -> None:
        self.processed: list[Recording] = []
        super().__init__(host, "fast")

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=False, stored=True)

    @property
    def provenance(self) -> Provenance:
        return Provenance("fast", "1")

    async def process(self, recording: Recording) -> None:
        self.processed.append(recording)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> list[Other]:
    """Replace the backend ``fast``; returns the instances that were created."""
    created: list[Other] = []

    def create(settings: Settings, name: str, host: Host) -> Any:
        if name != "fast":
            return create_backend(settings, name, host)
        created.append(Other(host))
        return created[-1]

    monkeypatch.setattr("speech_adapters.meetings.create_backend", create)
    return created


def test_another_backend_transcribes_a_meeting_that_was_recognized_to_its_end(
    play: Play, configure: Configure, other: list[Other]
) -> None:
    _, url = play(Script(lines(2)))
    settings = configure(url, final="fast")

    async def work(meetings: MeetingService) -> None:
        assert texts(await transcribe(meetings, 2, Mode.BOTH)) == ["line 0", "line 1"]
        (final,) = other
        (recording,) = final.processed
        assert recording.backend == "fast"
        assert recording.audio_path.stat().st_size == 2 * 32_000
        # The utterances so far are personal data that no transcript needs any more.
        assert list(recording.audio_path.parent.iterdir()) == [recording.audio_path]

    run(settings, work)


def test_a_stored_meeting_goes_to_another_backend_at_once(
    configure: Configure, other: list[Other]
) -> None:
    async def work(meetings: MeetingService) -> None:
        await record(meetings, 1)
        assert [recording.backend for recording in other[0].processed] == ["fast"]

    run(configure("ws://127.0.0.1:9", final="fast"), work)


@pytest.mark.parametrize("final", ["realtime", "fast"])
def test_the_programs_credential_cannot_be_passed_to_a_worker(
    configure: Configure, other: list[Other], final: str
) -> None:
    given = configure("ws://127.0.0.1:9", key="", final=final)
    service = given.service.model_copy(update={"credential": object()})
    settings = given.model_copy(update={"service": service})

    async def work(meetings: MeetingService) -> None:
        for mode in (Mode.BOTH, Mode.STORED):
            async with await meetings.open_session(MeetingRequest(mode.value, mode=mode)):
                pass

    if final == "realtime":
        with pytest.raises(ConfigurationError, match=r"set backends\.realtime\.credential"):
            run(settings, work)
        with Store.open(settings.state_dir) as store:
            assert store.recordings() == [], "nothing was recorded"
    else:
        run(settings, work)


def stored_recording(settings: Settings) -> None:
    """Record a meeting ``m``, as another program did."""
    with Store.open(settings.state_dir) as store:
        key = store.create(MeetingRequest("m", mode=Mode.STORED), "realtime").id
        store.close_audio(key, 32_000)


def no_token() -> str:
    raise RuntimeError("SECRET")


@pytest.mark.parametrize(
    ("service", "kind", "message"),
    [
        ({"credential": object()}, ConfigurationError, r"set backends\.realtime\.credential"),
        ({"token": no_token}, AuthenticationError, "function for the token failed"),
    ],
)
def test_a_recording_waits_for_a_program_that_can_sign_in(
    configure: Configure, service: dict[str, Any], kind: type[SpeechError], message: str
) -> None:
    given = configure("ws://127.0.0.1:9", key="")
    settings = given.model_copy(update={"service": given.service.model_copy(update=service)})
    stored_recording(settings)
    with pytest.raises(kind, match=message):
        run(settings, lambda meetings: meetings.status("m"))
    with Store.open(settings.state_dir) as store:
        assert store.newest("m").state is JobState.PROCESSING


@pytest.mark.parametrize(
    ("options", "service", "expected"),
    [
        ({"key": "ours", "credential": "default"}, {"key": "theirs"}, ("ours", "", False)),
        ({"key": ""}, {"key": "theirs"}, ("theirs", "", False)),
        ({"key": ""}, {"token": lambda: "now"}, ("", "now", False)),
        ({"key": "", "credential": "default"}, {"key": "theirs"}, ("", "", True)),
    ],
)
def test_the_credential_that_was_chosen_is_passed_to_the_worker(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
    service: dict[str, Any],
    expected: tuple[str, str, bool],
) -> None:
    orders: list[WorkerOrder] = []

    def spawn(command: list[str], _recording: str, _log: Path, order: bytes, *_: object) -> None:
        assert b"theirs" not in " ".join(command).encode()
        orders.append(WorkerOrder.model_validate_json(order))

    monkeypatch.setattr("speech_adapters.backends.realtime.backend.spawn", spawn)
    given = configure("ws://127.0.0.1:9", **options)
    parsed = given.service.model_validate(service)
    settings = given.model_copy(update={"service": parsed})
    stored_recording(settings)
    run(settings, lambda meetings: meetings.status("m"))
    (order,) = orders
    assert (order.key, order.token, order.default_credential) == expected
    assert order.options.key.get_secret_value() == ""


def test_files_that_cannot_be_removed_are_removed_later(configure: Configure) -> None:
    settings = configure("ws://127.0.0.1:9")

    async def work(meetings: MeetingService) -> None:
        recording = await meetings.store.run(Store.create, MeetingRequest("m"), "realtime")
        backend = meetings.backend()
        assert isinstance(backend, RecordingBackend)
        blocked = journal_path(recording)
        blocked.mkdir()
        assert await backend.discard(recording) == 60
        blocked.rmdir()
        blocked.write_text("what was said")
        log_path(recording).write_text("trouble")
        assert await backend.discard(recording) is None
        assert list(blocked.parent.iterdir()) == []

    run(settings, work)
