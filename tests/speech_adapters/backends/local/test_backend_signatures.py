"""Voice signatures in the local backend: used where they can be, and seen nowhere else."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import attrs
import pytest

from double.leaks import COMMANDS, everything_logged
from double.meetings import run
from double.voices import MODEL, RETIRED, signature, signature_text
from speech_adapters import Attendee, MeetingRequest, Mode, gaps
from speech_adapters.backends.local import backend as module
from speech_adapters.backends.local.enrollment import EnrollmentOrder, run_order
from speech_adapters.backends.local.job import Processing
from speech_adapters.backends.local.options import LocalOptions, signature_model
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState
from speech_adapters.enrollment import Enrollment, enroll
from speech_adapters.errors import SpeechError
from speech_adapters.isolated import run_isolated
from speech_adapters.meetings import MeetingService
from speech_adapters.signatures import VoiceSignature
from speech_adapters.store import Recording, Store

Fake = Callable[..., Settings]
SECOND = bytes(32_000)
OURS = signature_model(LocalOptions())
NAME = "PLANTED.person@example.org"
# Their text is nowhere else.
PLANTED = VoiceSignature(OURS, (0.718281, 0.695755), 20.0).dump()
SECRETS = ("PLANTED", "0.718281", "0.695755")


def request(mode: Mode, *signatures: str) -> MeetingRequest:
    people = tuple(Attendee(f"{n}.{NAME}", "en", text) for n, text in enumerate(signatures))
    return MeetingRequest("m", mode=mode, attendees=people)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with everything_logged() as text:
        yield text


def found_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def on_disk(folder: Path) -> str:
    files = (path for path in folder.rglob("*") if path.is_file())
    return "".join(path.read_bytes().decode("latin-1") for path in files)


async def final(meetings: MeetingService) -> Recording:
    with anyio.fail_after(60):
        while not (await meetings.status("m")).state.final:
            await anyio.sleep(0.05)
    return await meetings.store.run(Store.newest, "m")


async def record(meetings: MeetingService, mode: Mode) -> list[str]:
    """Record a second with a planted signature; return the texts of errors."""
    errors = []
    try:
        async with await meetings.open_session(request(mode, PLANTED)) as session:
            await session.push(SECOND)
            await session.finish()
            async for event in session.events():
                assert not found_in(repr(event))
    except SpeechError as error:
        errors.append(f"{error} {error!r} {error.__cause__!r}")
    return errors


@pytest.mark.parametrize("behavior", ["speak", "fail", "die"])
@pytest.mark.parametrize("mode", Mode)
def test_they_are_on_no_command_line_in_no_log_and_not_left_on_the_disk(
    fake_engine: Fake, tmp_path: Path, log: io.StringIO, mode: Mode, behavior: str
) -> None:
    COMMANDS.clear()

    async def work(meetings: MeetingService) -> list[str]:
        errors = await record(meetings, mode)
        if mode.stored:
            ended = await final(meetings)
            expected = JobState.COMPLETED if behavior == "speak" else JobState.FAILED
            assert ended.state is expected
            errors += [ended.reason, repr(ended)]
            # The state is final an instant before the worker empties the store's log.
            with anyio.fail_after(60):
                while found_in(on_disk(tmp_path / "state")):
                    await anyio.sleep(0.05)
        return errors

    errors = run(fake_engine(behavior), work)
    workers = [command for command in COMMANDS if "engine.py" in command]
    assert workers, "a worker was started"
    assert found_in("".join(COMMANDS)) == []
    assert found_in(log.getvalue()) == []
    assert found_in("".join(errors)) == []
    assert found_in(on_disk(tmp_path / "state")) == []


def test_they_are_removed_when_a_meeting_is_deleted_while_it_is_processed(
    fake_engine: Fake, tmp_path: Path
) -> None:
    state = tmp_path / "state"

    async def work(meetings: MeetingService) -> None:
        await record(meetings, Mode.STORED)
        # Else the test proves nothing: the worker needs them, and waits.
        assert found_in(on_disk(state)) == list(SECRETS)
        (tmp_path / "models" / "wait").rename(tmp_path / "models" / "gone")
        await meetings.delete("m")
        assert found_in(on_disk(state)) == []

    run(fake_engine("wait"), work)


def test_only_the_usable_ones_reach_the_worker_of_a_live_meeting() -> None:
    theirs = signature_text(0, MODEL)

    async def work(meetings: MeetingService) -> None:
        wanted = request(Mode.LIVE, PLANTED, theirs, RETIRED, "")
        async with await meetings.open_session(wanted) as session:
            assert isinstance(session, LocalSession)
            assert session._job.attendees == wanted.attendees[:1]

    run(load_settings({"backend": "local"}), work)


@pytest.mark.parametrize(
    ("signatures", "announced", "most"),
    [
        (("", ""), None, 2),
        (("",), None, None),
        ((PLANTED, ""), None, None),
        ((PLANTED, PLANTED), 5, 5),
        ((RETIRED, ""), None, 2),
    ],
)
def test_enrolled_participants_do_not_limit_the_number_of_guests(
    signatures: tuple[str, ...], announced: int | None, most: int | None
) -> None:
    async def work(meetings: MeetingService) -> None:
        wanted = attrs.evolve(request(Mode.LIVE, *signatures), max_speakers=announced)
        async with await meetings.open_session(wanted) as session:
            assert isinstance(session, LocalSession)
            assert session._job.max_speakers == most

    run(load_settings({"backend": "local"}), work)


def test_the_backend_identifies_speakers_unless_moonshine_separates_them() -> None:
    async def capable(meetings: MeetingService) -> tuple[bool, list[str]]:
        can = meetings.backend().capabilities
        found = gaps(request(Mode.LIVE, PLANTED), can)
        return can.identification, [gap.id for gap in found]

    assert run(load_settings({"backend": "local"}), capable) == (True, [])
    theirs = load_settings({"backend": "local", "backends.local.diarizer": "moonshine"})
    assert run(theirs, capable) == (False, ["voice-signature"])


def test_a_signature_that_cannot_be_used_is_a_gap_and_the_meeting_goes_on() -> None:
    async def work(meetings: MeetingService) -> str:
        _, found = await meetings.choose(request(Mode.LIVE, RETIRED, signature_text(0, MODEL)))
        (gap,) = found
        assert (gap.id, gap.blocking) == ("voice-signature", False)
        return gap.reason

    reason = run(load_settings({"backend": "local"}), work)
    assert reason.startswith("2 of the voice signatures cannot be used")


def test_enrollment_runs_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[EnrollmentOrder] = []

    async def isolated(function: Callable[[str], str], order: str) -> str:
        assert function is run_order
        orders.append(EnrollmentOrder.load(order))
        return Enrollment(signature(2), ("Too short.",)).dump()

    monkeypatch.setattr(module, "run_isolated", isolated)
    settings = load_settings({"backend": "local", "downmix": "first"})
    made = run(settings, lambda meetings: enroll(meetings, [Path("a.wav"), Path("b.wav")]))
    assert made == Enrollment(signature(2), ("Too short.",))
    files = (Path("a.wav"), Path("b.wav"))
    assert orders == [EnrollmentOrder(files, Processing(LocalOptions(), "first"))]


@pytest.mark.engine
def test_an_unusable_file_is_an_error_of_its_own_class(tmp_path: Path) -> None:
    order = EnrollmentOrder((tmp_path / "missing.wav",), Processing(LocalOptions(), "auto"))

    async def work() -> None:
        await run_isolated(run_order, order.dump())

    with pytest.raises(SpeechError, match=r"missing\.wav cannot be read") as caught:
        anyio.run(work)
    assert type(caught.value).__name__ == "AudioError"


def test_attendees_in_the_store_are_those_of_the_job(fake_engine: Fake, tmp_path: Path) -> None:
    async def work(meetings: MeetingService) -> Recording:
        wanted = request(Mode.STORED, PLANTED, RETIRED)
        async with await meetings.open_session(wanted) as session:
            await session.push(SECOND)
            return await meetings.store.run(Store.newest, "m")

    stored = run(fake_engine("fail"), work)
    assert stored.request.attendees == (Attendee(f"0.{NAME}", "en", PLANTED),)
    assert attrs.evolve(stored).request.participants == 2
