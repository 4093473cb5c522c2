from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from double.postgres import PASSWORD, Server
from speech_adapters.config import StoreOptions
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.errors import StoreError
from speech_adapters.store import Store
from speech_adapters.store.postgres import database as module
from speech_adapters.store.postgres.store import PostgresStore

REQUEST = MeetingRequest("standup", mode=Mode.STORED)


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes the next commit lose its connection."""
    execute = psycopg.Connection.execute

    def arm(*, committed: bool) -> None:
        armed = [True]

        def execute_and_lose(self: Any, query: Any, *args: Any, **more: Any) -> Any:
            if query == "COMMIT" and armed and armed.pop():
                if committed:
                    execute(self, query, *args, **more)
                self.close()
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return execute(self, query, *args, **more)

        monkeypatch.setattr(psycopg.Connection, "execute", execute_and_lose)

    return arm


@pytest.mark.parametrize("committed", [True, False])
def test_a_change_whose_commit_is_lost_is_made_once(
    store: PostgresStore, lose: Callable[..., None], committed: bool
) -> None:
    key = store.create(REQUEST, "local").id
    lose(committed=committed)
    assert store.begin_attempt(key) == 1
    assert store.get(key).attempts == 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_calls_wait_for_a_server_that_restarts(
    store: PostgresStore, postgres: Server, mode: str
) -> None:
    key = store.create(REQUEST, "local").id
    postgres.stop(mode)
    thread = threading.Timer(0.5, postgres.start)
    thread.start()
    try:
        store.update(key, step="transcribing")
    finally:
        thread.join()
    assert store.get(key).step == "transcribing"


def test_a_server_that_stays_away_is_an_error_of_the_store(
    store: PostgresStore, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.Database.retry, "__defaults__", (0.3,))
    key = store.create(REQUEST, "local").id
    postgres.stop()
    try:
        with pytest.raises(StoreError, match="cannot be used") as caught:
            store.get(key)
    finally:
        postgres.start()
    assert type(caught.value) is StoreError
    assert PASSWORD not in str(caught.value)
    assert store.get(key).id == key


def test_a_report_does_not_wait_for_a_server(store: PostgresStore, postgres: Server) -> None:
    key = store.create(REQUEST, "local").id
    postgres.stop()
    try:
        store.report(key, progress=0.5)
    finally:
        postgres.start()
    assert store.get(key).progress is None


def test_a_wrong_password_is_refused_at_once_and_not_shown(
    postgres: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", None)  # it would sleep before it tries again
    monkeypatch.setattr(module.Database, "retry", lambda self, call, wait: call())
    wrong = url.replace(PASSWORD, "chrysanthemum")
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        Store.open(tmp_path, StoreOptions.model_validate({"url": wrong}))
    assert "chrysanthemum" not in str(caught.value)
    assert not isinstance(caught.value, module._LostError)


def test_a_database_of_a_newer_version_is_refused(
    store: PostgresStore, options: StoreOptions, postgres: Server, tmp_path: Path
) -> None:
    with store._database.transaction() as transaction:
        transaction.execute("UPDATE format SET version = 99")
    with pytest.raises(StoreError, match="newer version"):
        Store.open(tmp_path / "other", options)


def test_a_database_that_cannot_hold_all_texts_is_refused(postgres: Server, tmp_path: Path) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(StoreError, match="encoding LATIN1"):
            Store.open(tmp_path, StoreOptions.model_validate({"url": postgres.url("latin")}))
    finally:
        postgres.execute("DROP DATABASE latin")


def test_a_user_without_the_right_to_create_schemas_can_use_one(
    postgres: Server, url: str, tmp_path: Path
) -> None:
    name = url.rpartition("/")[2]
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    plain = {"url": postgres.url(name, name)}
    with pytest.raises(StoreError, match="permission denied"):
        Store.open(tmp_path, StoreOptions.model_validate(plain))
    postgres.execute(f"CREATE SCHEMA speech_compat AUTHORIZATION {name}", name)
    with Store.open(tmp_path, StoreOptions.model_validate(plain)) as store:
        assert store.get(store.create(REQUEST, "local").id).meeting_id == "standup"


def test_threads_share_a_bounded_number_of_connections(
    open_host: Callable[..., PostgresStore], postgres: Server, url: str
) -> None:
    store = open_host(connections=2)
    key = store.create(REQUEST, "local").id
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: store.begin_attempt(key), range(64)))
    assert store.get(key).attempts == 64
    name = url.rpartition("/")[2]
    found = postgres.execute(f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}'")
    assert 1 <= len(found) <= 2


def test_a_text_that_cannot_be_stored_is_not_shown(store: PostgresStore) -> None:
    with pytest.raises(StoreError, match="NUL") as caught:
        store.create(MeetingRequest("chrysanthemum\0"), "local")
    assert "chrysanthemum" not in str(caught.value)


def test_queries_for_work_use_their_indexes(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        store.create(MeetingRequest(f"a/{number}"), "local")
    plans: list[str] = []
    rows = store._database.rows

    def explain(statement: str, *values: object) -> list[tuple[Any, ...]]:
        with store._database.transaction() as transaction:
            # A table of a page is read as a whole otherwise.
            transaction.connection.execute("SET LOCAL enable_seqscan = off")
            transaction.connection.execute("SET LOCAL enable_sort = off")
            text = module._translated(f"EXPLAIN {statement}").encode()
            plans.append(str(transaction.connection.execute(text, values).fetchall()))
        return rows(statement, *values)

    monkeypatch.setattr(store._database, "rows", explain)
    store.open_recordings("local")
    store.unfinished(1e12)
    store.due_cleanups(1e12)
    store.summaries("a/", 5)
    store.summaries("a", 5)
    # Of two small indexes the server may choose either.
    indexes = ("open|unfinished", "unfinished", "to_clean", "by_group", "by_meeting")
    for plan, names in zip(plans, indexes, strict=True):
        assert re.search(
            rf"Scan\b[^']* using recordings_({names})|on recordings_({names})", plan
        ), plan
