"""The conformance tests again, on a store of which only the interface is there.

They show that another database can replace the present one: services, recovery, backends and
workers call nothing else.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from double.counting_store import counting_stores
from double.engine import ENGINE_MODULE, engine_module
from double.recorder import Recorder, stored, use
from double.service import KEY
from speech_adapters import meetings as module
from speech_adapters.backends.local import worker
from speech_adapters.backends.local.job import Processing
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import Host
from speech_adapters.store import Store


@pytest.fixture(autouse=True)
def calls(database: str) -> Iterator[Counter[str]]:
    with counting_stores() as calls:
        yield calls


@pytest.mark.parametrize("backend", ["batch", "fast", "auto"])
class TestStoreInterface(DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, storage: str, service: str, backend: str) -> Settings:
        return load_settings(
            {
                "backend": backend,
                "state_dir": str(tmp_path / "state"),
                "service.endpoint": service,
                "service.key": KEY,
                "backends.batch.storage_connection_string": storage,
                "backends.batch.poll_seconds": "0",
            }
        )


class TestStoreInterfaceRealtime(DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, loopback: str) -> Settings:
        return load_settings(
            {
                "backend": "realtime",
                "state_dir": str(tmp_path / "state"),
                "backends.realtime.endpoint": loopback,
                "backends.realtime.key": "any",
                "backends.realtime.pace": "100",
            }
        )


def test_a_worker_needs_only_the_interface(
    tmp_path: Path, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, ENGINE_MODULE, engine_module())
    with Store.open(tmp_path) as store:
        recording = store.create(MeetingRequest("m", mode=Mode.STORED), "local")
        recording.audio_path.write_bytes(bytes(64_000))
        store.close_audio(recording.id, 64_000)
        store.update(recording.id, backend_state=Processing(LocalOptions(), "auto").dump())
        calls.clear()
        assert worker.main(["stored", str(tmp_path), recording.id]) == 0
        assert store.get(recording.id).state is JobState.COMPLETED
    assert {"open_recordings", "lock_recording", "begin_attempt", "complete"} <= calls.keys()


def test_a_sweep_and_a_list_need_only_the_interface(
    calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(_: Settings, name: str, host: Host) -> Recorder:
        return Recorder(host, name)

    monkeypatch.setattr(module, "create_backend", create)
    stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        await meetings.sweep(0.0)
        assert [found.meeting_id for found in await meetings.summaries("", 9)] == ["m"]
        await meetings.recordings()

    use(work, backend="ours")
    assert {"unfinished", "due_cleanups", "summaries", "remove_leftovers"} <= calls.keys()
