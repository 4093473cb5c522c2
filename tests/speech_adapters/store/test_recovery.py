from __future__ import annotations

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.store import Store
from speech_adapters.store.recovery import (
    CUT_SHORT,
    NO_AUDIO,
    close_abandoned,
    close_audio,
    is_locked,
    recover,
)

STEREO = MeetingRequest("standup", PcmFormat(16_000, 2), Mode.STORED)


def test_audio_is_closed_with_its_size_and_notes(store: Store) -> None:
    recording = store.create(STEREO, "local")
    close_audio(store, recording, 3200, ("Cut.",))
    closed = store.get(recording.id)
    assert (closed.state, closed.audio_bytes) == (JobState.PROCESSING, 3200)
    assert closed.notes == ("Cut.",)


def test_a_recording_without_audio_has_failed(store: Store) -> None:
    recording = store.create(STEREO, "local")
    close_audio(store, recording, 0)
    failed = store.get(recording.id)
    assert (failed.state, failed.reason) == (JobState.FAILED, NO_AUDIO)


def test_an_abandoned_recording_keeps_its_whole_frames(store: Store) -> None:
    recording = store.create(STEREO, "local")
    recording.audio_path.write_bytes(bytes(4 * 100 + 3))
    close_abandoned(store, recording)
    closed = store.get(recording.id)
    assert (closed.state, closed.audio_bytes) == (JobState.PROCESSING, 400)
    assert closed.notes == (CUT_SHORT,)


@pytest.mark.parametrize("audio", [None, b"", b"abc"])  # less than a frame is no audio
def test_an_abandoned_recording_without_audio_has_failed(store: Store, audio: bytes | None) -> None:
    recording = store.create(STEREO, "local")
    if audio is not None:
        recording.audio_path.write_bytes(audio)
    close_abandoned(store, recording)
    assert store.get(recording.id).reason == NO_AUDIO
    assert not recording.audio_path.exists()


def test_a_recording_is_locked_while_another_owner_works_on_it(store: Store) -> None:
    recording = store.create(STEREO, "local")
    with store.lock_recording(recording.id):
        assert is_locked(store, recording)
    assert not is_locked(store, recording)
    store.lock_recording(recording.id).release()  # the question left no lock behind


def test_recovery_closes_only_what_no_worker_owns(store: Store) -> None:
    dead, owned, other = (
        store.create(request, "local")
        for request in (STEREO, STEREO, MeetingRequest("other", mode=Mode.STORED))
    )
    for recording in (dead, owned, other):
        recording.audio_path.write_bytes(bytes(400))
    done = store.create(STEREO, "local")
    store.close_audio(done.id, 800)
    with store.lock_meeting("standup"), store.lock_recording(owned.id):
        recover(store, "standup")
    states = {r.id: r.state for r in store.recordings()}
    assert states == {
        dead.id: JobState.PROCESSING,
        owned.id: JobState.UPLOADING,
        other.id: JobState.UPLOADING,
        done.id: JobState.PROCESSING,
    }
    assert store.get(done.id).audio_bytes == 800
    assert store.get(done.id).notes == ()
