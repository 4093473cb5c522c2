"""What comes before the start of a backlog."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_adapters.backlog import planning
from speech_adapters.backlog.items import Counts, Item, ItemState
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.backlog.planning import examine, read_into
from speech_adapters.errors import ConfigurationError


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(journal_path(tmp_path / "state", "calls"), create=True) as journal:
        yield journal


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for name, value, seconds in (("a", 1, 2), ("b", 2, 1), ("c", 1, 2)):
        path = tmp_path / "calls" / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(value.to_bytes(2, "little") * 16_000 * seconds)
    (tmp_path / "calls" / "empty.wav").touch()
    return tmp_path / "calls"


def plan(journal: Journal, manifest: Path | str, *, skip: bool = False) -> list[int]:
    shown: list[int] = []
    read_into(
        journal,
        str(manifest),
        language="en-US",
        speakers=None,
        skip_invalid=skip,
        on_progress=shown.append,
    )
    examine(journal, shown.append)
    return shown


def test_each_recording_has_its_length_and_duplicates_are_found(
    journal: Journal, recordings: Path
) -> None:
    assert plan(journal, recordings) == [4, 4]
    found = {Path(item.source).stem: item for item in journal.items()}
    assert found["a"].duration == 20_000_000
    assert found["b"].state is ItemState.WAITING
    assert found["c"].original == found["a"].number
    assert found["empty"].state is ItemState.FAILED
    assert "is empty" in found["empty"].reason
    assert journal.counts() == Counts(waiting=2, duplicate=1, failed=1)


def test_a_second_plan_reads_only_what_is_new(
    journal: Journal, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(journal, recordings)
    (recordings / "b.wav").write_bytes((recordings / "b.wav").read_bytes()[:-2])
    read: list[str] = []
    real = planning._examine

    def spied(item: Item) -> tuple[Item, str, int | None, str]:
        read.append(Path(item.source).name)
        return real(item)

    monkeypatch.setattr(planning, "_examine", spied)
    plan(journal, recordings)
    assert read == ["b.wav"]


def test_nothing_starts_before_all_lines_can_be_used(journal: Journal, recordings: Path) -> None:
    manifest = recordings / "list.csv"
    lines = ["file", "a.wav", *(f"none{number}.wav" for number in range(21)), "b.wav,x"]
    manifest.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError) as caught:
        plan(journal, manifest)
    message = str(caught.value)
    assert message.startswith("The manifest has 22 lines that cannot be used:\n  line 3: The file")
    assert f"({recordings / 'none0.wav'})" in message
    assert "  and 2 more\n" in message
    assert "--skip-invalid" in message
    assert all(not item.key for item in journal.items())
    plan(journal, manifest, skip=True)
    assert journal.counts() == Counts(waiting=1, invalid=22)


def test_a_manifest_without_a_recording_is_an_error(journal: Journal, recordings: Path) -> None:
    with pytest.raises(ConfigurationError, match="names no recording"):
        plan(journal, recordings / "*.mp3")


def test_addresses_are_the_same_recording_whatever_their_signature(
    journal: Journal, recordings: Path
) -> None:
    manifest = recordings / "list.csv"
    manifest.write_text("url\nhttps://host/a.wav?sig=1\nhttps://host/a.wav?sig=2\n")
    plan(journal, manifest)
    assert journal.counts() == Counts(waiting=1, duplicate=1)
    assert journal.estimate().unknown == 1


def test_the_language_of_the_backlog_is_that_of_recordings_that_name_none(
    journal: Journal, recordings: Path
) -> None:
    manifest = recordings / "list.csv"
    manifest.write_text("file,language,speakers\na.wav,de-DE,2\nb.wav,,\n")
    read_into(
        journal,
        str(manifest),
        language="fr-FR",
        speakers=4,
        skip_invalid=False,
        on_progress=lambda _: None,
    )
    found = [(item.language, item.speakers) for item in journal.items()]
    assert found == [("de-DE", 2), ("fr-FR", 4)]
