from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from double.postgres import PASSWORD, Server
from speech_adapters.config import StoreOptions
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.diagnosis import Finding, Level, run_check
from speech_adapters.store.diagnose import store_checks
from speech_adapters.store.postgres.schema import SCHEMA_VERSION
from speech_adapters.store.postgres.store import PostgresStore


def findings(folder: Path, options: StoreOptions) -> dict[str, Finding]:
    async def work() -> dict[str, Finding]:
        checks = store_checks(folder, options)
        return {c.id.removeprefix("store."): await run_check(c, online=False) for c in checks}

    return anyio.run(work)


def test_a_store_is_whole(store: PostgresStore, options: StoreOptions) -> None:
    store.create(MeetingRequest("m", mode=Mode.STORED), "local")
    found = findings(store.directory, options)
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["integrity"].text.endswith(f"without TLS), format {SCHEMA_VERSION}")
    assert found["files"].text == "1 recordings, 1 of them not finished"
    assert not any(PASSWORD in finding.text for finding in found.values())


def test_a_database_without_the_store_will_be_set_up(options: StoreOptions, tmp_path: Path) -> None:
    found = findings(tmp_path / "here", options)
    assert found["integrity"].text.endswith(f"from format 0 to {SCHEMA_VERSION}")
    assert found["files"].level is Level.SKIPPED


def test_missing_audio_and_files_of_no_meeting_are_found(
    store: PostgresStore, options: StoreOptions
) -> None:
    key = store.create(MeetingRequest("m", mode=Mode.STORED), "local").id
    store.close_audio(key, 3200)
    assert "'m'" in findings(store.directory, options)["files"].text
    store.get(key).audio_path.touch(mode=0o600)
    assert options.audio_dir is not None
    (options.audio_dir / "stray.pcm").touch(mode=0o600)
    assert "stray.pcm" in findings(store.directory, options)["files"].text


def test_missing_rights_are_named(
    store: PostgresStore, postgres: Server, url: str, tmp_path: Path, options: StoreOptions
) -> None:
    name = url.rpartition("/")[2]
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    poor = StoreOptions.model_validate({**options.plain, "url": postgres.url(name, name)})
    assert "USAGE on the schema" in findings(tmp_path, poor)["integrity"].text
    postgres.execute(f"GRANT USAGE ON SCHEMA speech_compat TO {name}", name)
    postgres.execute(
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA speech_compat TO {name}", name
    )
    found = findings(tmp_path, poor)["integrity"]
    assert found.level is Level.FAILED
    assert "DELETE on speech_compat.format" in found.text


@pytest.mark.parametrize("version", [99])
def test_a_newer_version_is_named(
    store: PostgresStore, options: StoreOptions, version: int
) -> None:
    with store._database.transaction() as transaction:
        transaction.execute("UPDATE format SET version = ?", (version,))
    found = findings(store.directory, options)
    assert "newer version" in found["integrity"].text
    assert found["files"].level is Level.SKIPPED


def test_a_server_that_cannot_be_reached_is_a_finding(tmp_path: Path) -> None:
    options = StoreOptions.model_validate({"url": "postgresql://joe:secret@127.0.0.1:1/m"})
    found = findings(tmp_path, options)["integrity"]
    assert found.level is Level.FAILED
    assert "127.0.0.1:1" in found.text
    assert "joe:secret" not in found.text
