"""Owners see their own meetings only, and nothing of the inside."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import attrs
import pytest

from double.gateway import completed, settings_of, uploading
from double.meetings import SOUND
from double.voices import signature
from speech_adapters import MeetingRequest, Mode
from speech_adapters.backends.local.options import LocalOptions, signature_model
from speech_adapters.contract import Attendee, JobState
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    StoreError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_adapters.transcript import Utterance
from speech_compat.gateway.access import Caller
from speech_compat.gateway.owned import OwnedMeetings

HELLO = Utterance("a" * 32, "Hello.", 0, 10, 0)


def use(
    state: Path, work: Callable[[OwnedMeetings], Awaitable[None]], owner: str = "alice"
) -> None:
    async def run() -> None:
        async with MeetingService(settings_of(state)) as meetings:
            await work(OwnedMeetings(meetings, Caller(owner)))

    anyio.run(run)


def test_ids_of_clients_lead_only_to_their_owners_meetings(tmp_path: Path) -> None:
    completed(tmp_path, "alice/m", HELLO)
    completed(tmp_path, "bob/m")

    async def alice(meetings: OwnedMeetings) -> None:
        found = await meetings.transcript("m")
        assert (found.meeting_id, found.utterances) == ("m", (HELLO,))
        assert (await meetings.status("m")).meeting_id == "m"
        for meeting_id in ("alice/m", "bob/m", "../bob/m", "/bob/m", ""):
            with pytest.raises(MeetingNotFoundError):
                await meetings.status(meeting_id)

    use(tmp_path, alice)


def test_an_id_with_slashes_stays_with_its_owner(tmp_path: Path) -> None:
    completed(tmp_path, "alice/bob/m", HELLO)

    async def alice(meetings: OwnedMeetings) -> None:
        assert (await meetings.transcript("bob/m")).meeting_id == "bob/m"

    async def bob(meetings: OwnedMeetings) -> None:
        with pytest.raises(MeetingNotFoundError):
            await meetings.transcript("m")

    use(tmp_path, alice)
    use(tmp_path, bob, "bob")


def test_a_deletion_concerns_one_owner_and_can_be_repeated(tmp_path: Path) -> None:
    completed(tmp_path, "alice/m", HELLO)
    completed(tmp_path, "bob/m", HELLO)

    async def alice(meetings: OwnedMeetings) -> None:
        await meetings.delete("m")
        await meetings.delete("m")
        assert (await meetings.status("m")).state is JobState.DELETED
        with pytest.raises(MeetingNotFoundError):
            await meetings.transcript("m")
        with pytest.raises(MeetingNotFoundError):
            await meetings.delete("another")

    async def bob(meetings: OwnedMeetings) -> None:
        assert (await meetings.transcript("m")).utterances == (HELLO,)

    use(tmp_path, alice)
    use(tmp_path, bob, "bob")


def test_a_session_is_stored_under_its_owner(tmp_path: Path) -> None:
    # Only attendees whose signature the backend can use are stored.
    voice = signature(1, signature_model(LocalOptions())).dump()
    request = MeetingRequest("m", mode=Mode.STORED)
    present = attrs.evolve(request, attendees=(Attendee("katie", "en-US", voice),))

    async def alice(meetings: OwnedMeetings) -> None:
        async with await meetings.open_session(request) as session:
            await session.push(SOUND)
            await meetings.replace_attendees(present)
            with pytest.raises(MeetingBusyError, match="being recorded") as caught:
                await meetings.open_session(request)
            assert "alice" not in str(caught.value)
            with pytest.raises(MeetingBusyError):
                await meetings.delete("m")
            stored = await meetings.meetings.store.run(Store.newest, "alice/m")
            assert stored.request.attendees == present.attendees
        await meetings.delete("m")

    use(tmp_path, alice)


def test_the_list_and_the_audio_are_those_of_the_owner(tmp_path: Path) -> None:
    for number in range(3):
        completed(tmp_path, f"alice/{number}", HELLO, audio=bytes([number, 0]))
        completed(tmp_path, f"bob/{number}", HELLO, audio=b"\xff\xff")
    # Its name begins with that of another owner.
    completed(tmp_path, "alice-2/m", HELLO, audio=b"\xff\xff")

    async def alice(meetings: OwnedMeetings) -> None:
        first = await meetings.list(2)
        assert [summary.meeting_id for summary in first] == ["2", "1"]
        rest = await meetings.list(2, first[-1].recording_id)
        assert [summary.meeting_id for summary in rest] == ["0"]
        summary = await meetings.summary("1")
        assert (summary.meeting_id, summary.has_audio) == ("1", True)
        assert (await meetings.audio("1")).path.read_bytes() == b"\x01\x00"
        for meeting_id in ("m", "bob/1", "../bob/1", "-2/m", ""):
            with pytest.raises(MeetingNotFoundError):
                await meetings.summary(meeting_id)
            with pytest.raises(MeetingNotFoundError):
                await meetings.audio(meeting_id)

    use(tmp_path, alice)


def test_only_the_owner_takes_a_meeting_over(tmp_path: Path) -> None:
    """A recording that was cut off is continued with its audio."""
    recording = uploading(tmp_path, "alice/m")
    recording.audio_path.parent.mkdir(exist_ok=True)
    recording.audio_path.write_bytes(SOUND)
    request = MeetingRequest("m", mode=Mode.STORED)

    async def bob(meetings: OwnedMeetings) -> None:
        for meeting_id in ("m", "alice/m", "../alice/m"):
            with pytest.raises(MeetingNotFoundError) as caught:
                await meetings.take_over_session(
                    attrs.evolve(request, meeting_id=meeting_id), 10_000_000
                )
            assert "alice" not in str(caught.value)

    async def alice(meetings: OwnedMeetings) -> None:
        async with await meetings.take_over_session(request, 10_000_000) as session:
            await session.push(SOUND)
            newest = await meetings.meetings.store.run(Store.newest, "alice/m")
            assert newest.audio_path.read_bytes() == SOUND + SOUND
        await meetings.delete("m")

    use(tmp_path, bob, "bob")
    use(tmp_path, alice)


def failed(state: Path, reason: str) -> None:
    with Store.open(state) as store:
        recording = uploading(state, "alice/it's é")
        store.close_audio(recording.id, 2)
        store.fail(recording.id, reason)


def test_a_failure_has_its_reason_without_anything_of_the_inside(tmp_path: Path) -> None:
    failed(
        tmp_path,
        f'Meeting "alice/it\'s é" failed: {tmp_path}/audio/x.pcm is damaged, see'
        " https://storage.example/box/blob?sig=abc or C:\\logs\\x and/or alice/it's é; 16 kHz/s.",
    )

    async def alice(meetings: OwnedMeetings) -> None:
        status = await meetings.status("it's é")
        assert status.state is JobState.FAILED
        assert status.reason == (
            "Meeting \"it's é\" failed: … is damaged, see … or … and/or it's é; 16 kHz/s."
        )
        with pytest.raises(MeetingFailedError) as caught:
            await meetings.transcript("it's é")
        assert "alice" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
        with pytest.raises(MeetingFailedError):
            await meetings.resume("it's é")

    use(tmp_path, alice)


def test_errors_of_the_inside_are_for_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        stored = "alice/Katie's\ntalk"
        raise StoreError(f"The store /secret/folder has no meeting {stored!r} ({stored}).")

    monkeypatch.setattr(MeetingService, "status", fail)

    async def alice(meetings: OwnedMeetings) -> None:
        with pytest.raises(StoreError) as caught:
            await meetings.status("Katie's\ntalk")
        assert "secret" not in str(caught.value)
        assert caught.value.__suppress_context__

    with caplog.at_level(logging.WARNING):
        use(tmp_path, alice)
    assert "/secret/folder" in caplog.text
    assert "StoreError" in caplog.text
    assert "Katie" not in caplog.text
