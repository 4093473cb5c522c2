"""The command ``list`` with a real store."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from speech_adapters.config import load_settings
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.store.sqlite import SqliteStore
from speech_compat.cli import main
from speech_compat.cli.listing import parse_since

Output = pytest.CaptureFixture[str]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five recordings, which began 4, 3, 2, 1 and 0 hours and a half ago."""
    monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(tmp_path))
    with SqliteStore.open(load_settings().state_dir) as store:
        for hours in range(4, -1, -1):
            recording = store.create(MeetingRequest(f"m{hours}", mode=Mode.STORED), "local")
            if hours % 2:
                store.fail(recording.id, "the reason")
            began = datetime.now(UTC) - hours * HOUR - HOUR / 2
            with store._database.transaction() as connection:
                connection.execute(
                    "UPDATE recordings SET created = ? WHERE id = ?",
                    (began.isoformat(), recording.id),
                )


def listed(capsys: Output, *arguments: str) -> list[str]:
    assert main(["list", *arguments]) == 0
    return [line.split()[-1] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ((), ["m0", "m1", "m2", "m3", "m4"]),
        (("--limit", "2"), ["m0", "m1"]),
        (("--state", "failed"), ["m1", "m3"]),
        (("--state", "Failed", "--limit", "1"), ["m1"]),
        (("--state", "failed", "--state", "uploading"), ["m0", "m1", "m2", "m3", "m4"]),
        (("--since", "2h"), ["m0", "m1"]),
        (("--since", "180m", "--state", "uploading"), ["m0", "m2"]),
        (("--since", "1d"), ["m0", "m1", "m2", "m3", "m4"]),
        (("--since", "2001-01-01"), ["m0", "m1", "m2", "m3", "m4"]),
    ],
)
def test_a_list_is_limited(arguments: tuple[str, ...], ids: list[str], capsys: Output) -> None:
    assert listed(capsys, *arguments) == ids


@pytest.mark.parametrize("arguments", [("--state", "completed"), ("--since", "0m")])
def test_a_list_without_a_match_states_so(arguments: tuple[str, ...], capsys: Output) -> None:
    assert main(["list", *arguments]) == 0
    assert "no stored meeting matches" in capsys.readouterr().err


def test_a_list_cleans_up_after_deleted_meetings(tmp_path: Path, capsys: Output) -> None:
    with SqliteStore.open(tmp_path) as store:
        deleted = store.newest("m1")
        left = deleted.audio_path.with_suffix(".journal")
        store.delete(deleted.id)
        store.clean_later(deleted.id, 0.0)
        left.write_text("what was said")
    assert listed(capsys) == ["m0", "m1", "m2", "m3", "m4"]
    assert not left.exists()
    with SqliteStore.open(tmp_path) as store:
        assert not store.due_cleanups(2.0**40)


def test_a_list_uses_the_service_where_settings_must_be_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_TAKE_OVER_SECONDS", "5")
    assert listed(capsys, "--limit", "1") == ["m0"]
    monkeypatch.setenv("SPEECH_COMPAT_TAKE_OVER_SECONDS", "soon")
    assert main(["list"]) == 1
    assert "take_over_seconds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "yesterday"), "30m, 2h, 7d or 4w"),
        (("--since", "-2h"), "expected one argument"),
        (("--since", "2"), "30m, 2h, 7d or 4w"),
        (("--since", "99999999999d"), "30m, 2h, 7d or 4w"),
        (("--since", "2026-13-01"), "30m, 2h, 7d or 4w"),
        (("--limit", "0"), "at least 1"),
        (("--state", "done"), "processing"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_the_formats(
    arguments: tuple[str, ...], message: str, capsys: Output
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["list", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("2h", 2), ("7d", 7 * 24), ("4w", 4 * 7 * 24)]
)
def test_a_duration_counts_back_from_now(text: str, hours: float) -> None:
    before = datetime.now(UTC) - hours * HOUR
    assert before <= parse_since(text) <= datetime.now(UTC) - hours * HOUR


def test_a_date_is_local_unless_it_has_a_time_zone() -> None:
    assert parse_since("2026-11-20") == datetime(2026, 11, 20).astimezone()
    assert parse_since("2026-11-20T14:30").astimezone().hour == 14
    assert parse_since("2026-11-20T14:30+00:00") == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    with pytest.raises(argparse.ArgumentTypeError):
        parse_since("")
