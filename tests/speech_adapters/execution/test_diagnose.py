"""The checks of the executor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from double.dask_cluster import add_worker, cluster, free_port
from double.missing import hide_package
from double.recorder import stored
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState
from speech_adapters.diagnosis import Finding, Level, run_check
from speech_adapters.execution import dask_worker, diagnose
from speech_adapters.execution.diagnose import executor_checks


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(address: str, **properties: Any) -> Settings:
    named = {f"dask.{name}": value for name, value in properties.items()}
    return load_settings({"executor": "dask", "dask.scheduler": address, **named})


async def findings(found: Settings, *, online: bool = True) -> dict[str, Finding]:
    return {check.id: await run_check(check, online=online) for check in executor_checks(found)}


def levels(found: dict[str, Finding]) -> dict[str, Level]:
    return {name: finding.level for name, finding in found.items()}


def test_a_cluster_that_fits_is_fine() -> None:
    stored(JobState.PROCESSING)

    async def work() -> dict[str, Finding]:
        async with cluster({}, {}) as address:
            return await findings(settings(address))

    found = anyio.run(work)
    assert set(levels(found).values()) == {Level.OK}
    assert found["cluster"].text == "workers: 2, threads: 2"
    assert found["equality"].text == "equal"


def test_nothing_is_connected_without_the_users_wish() -> None:
    found = anyio.run(lambda: findings(settings(f"tcp://127.0.0.1:{free_port()}"), online=False))
    assert found["scheduler"].level is Level.OK
    assert found["cluster"].level is found["equality"].level is Level.SKIPPED


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = anyio.run(lambda: findings(settings("")))
    assert found["scheduler"].level is Level.FAILED
    assert "dask.scheduler" in found["scheduler"].fix
    hide_package(monkeypatch, "distributed")
    found = anyio.run(lambda: findings(settings("tcp://127.0.0.1:1")))
    assert found["packages"].fix == 'pip install "speech-compat[dask]"'


def test_a_cluster_without_the_right_workers_is_a_warning() -> None:
    async def work() -> tuple[Finding, Finding]:
        async with cluster() as address:
            none = (await findings(settings(address)))["cluster"]
            wanted = settings(address, **{"resources.local.GPU": 1})
            async with add_worker(address):
                return none, (await findings(wanted))["cluster"]

    none, unfit = anyio.run(work)
    assert none.level is unfit.level is Level.WARNING
    assert none.text == "The scheduler has no workers, so stored meetings wait."
    assert unfit.text.startswith("No worker has the resources GPU=1")
    assert '--resources "GPU=1"' in unfit.fix


def test_other_versions_and_other_stores_are_failures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def equality() -> Finding:
        async with cluster({}) as address:
            found = settings(address)
            # The settings of the worker are those of the environment; ours are of the program.
            monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(tmp_path / "other"))
            return (await findings(found))["equality"]

    stored(JobState.PROCESSING)
    other_store = anyio.run(equality)
    assert other_store.level is Level.FAILED
    assert "is not in the meeting store of this worker" in other_store.text
    monkeypatch.setattr(dask_worker, "version", lambda _: "0.0.1")
    other_version = anyio.run(equality)
    assert other_version.level is Level.FAILED
    assert "has speech-compat 0.0.1" in other_version.text


def test_other_packages_are_named() -> None:
    ours = {"packages": {"python": "3.11.7.final.0", "dask": "2"}}
    theirs = {"packages": {"python": "3.11.7.final.0", "dask": "3"}}
    versions = {"client": ours, "scheduler": ours, "workers": {"tcp://a:1": theirs}}
    assert list(diagnose._differing(versions)) == ["tcp://a:1 has dask 3, not 2"]


def test_an_unreachable_scheduler_is_a_failure() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    found = anyio.run(lambda: findings(settings(address, connect_seconds="0.2")))
    assert found["cluster"].level is Level.FAILED
    assert address in found["cluster"].text
