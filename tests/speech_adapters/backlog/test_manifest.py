"""Manifests of all kinds, and the lines of them that cannot be used."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import attrs
import pytest

from speech_adapters.backlog.items import Entry, Problem
from speech_adapters.backlog.manifest import manifest_label, read_manifest
from speech_adapters.errors import ConfigurationError


@pytest.fixture(autouse=True)
def recordings(tmp_path: Path) -> Path:
    """Create recordings in a folder; their content does not matter here."""
    for name in ("a.wav", "b b.wav", "sub/c.MP3", "sub/.hidden.wav", ".git/d.wav", "notes.txt"):
        path = tmp_path / "calls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "calls"


def read(manifest: Path | str) -> list[Entry | Problem]:
    return list(read_manifest(str(manifest)))


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def sources(found: list[Entry | Problem], folder: Path) -> list[str]:
    return [os.path.relpath(one.source, folder) for one in found if isinstance(one, Entry)]


def reasons(found: list[Entry | Problem]) -> dict[int, str]:
    return {one.line: one.reason for one in found if isinstance(one, Problem)}


def test_a_csv_file_has_recordings_with_optional_columns(recordings: Path) -> None:
    path = write(
        recordings,
        "list.csv",
        "file,id,language,title,max_speakers,unknown\n"
        'a.wav,17,de-DE,"a, b",3,x\n\n"b b.wav",,,,,\n',
    )
    first, second = read(path)
    status = (recordings / "a.wav").stat()
    assert first == Entry(
        2,
        str(recordings / "a.wav"),
        stamp=f"{status.st_size} {status.st_mtime_ns}",
        size=5,
        id="17",
        title="a, b",
        language="de-DE",
        speakers=3,
    )
    assert isinstance(second, Entry)
    assert (second.line, second.language, second.speakers) == (4, "", None)


@pytest.mark.parametrize(
    "head", ["File;Id", "\ufeffpath\tid", "URL,ID", " recording , id ", "source;locale"]
)
def test_columns_have_several_names_and_separators(recordings: Path, head: str) -> None:
    path = write(recordings, "list.csv", f"{head}\na.wav\n")
    assert sources(read(path), recordings) == ["a.wav"]


def test_json_lines_have_the_same_names_or_only_the_recording(recordings: Path) -> None:
    lines = [{"file": "a.wav", "id": 5, "speakers": 2, "title": None}, "sub/c.MP3"]
    path = write(recordings, "list.jsonl", "\n".join(map(json.dumps, lines)))
    first, second = read(path)
    assert isinstance(first, Entry)
    assert (first.id, first.speakers, first.title) == ("5", 2, "")
    assert isinstance(second, Entry)
    assert second.line == 2


def test_an_address_is_kept_apart_from_its_signature(recordings: Path) -> None:
    path = write(recordings, "list.csv", "url\nhttps://host/a%20b.wav?sig=secret#x\n")
    (found,) = read(path)
    assert isinstance(found, Entry)
    assert found.source == "https://host/a%20b.wav"
    assert found.address == "https://host/a%20b.wav?sig=secret#x"
    assert "secret" not in repr(found)
    assert found.size is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("missing.wav,,", "The file cannot be read: No such file or directory."),
        ("sub,,", "It is not a file."),
        (",,", None),
        (" ,1,", "It names no recording."),
        ("a.wav,,,,", "It has 5 fields, and the first line 3: quote fields."),
        ("a.wav,,12x", "The number of speakers must be 1 to 1000."),
        ("a.wav,,0", "The number of speakers must be 1 to 1000."),
        ("a.wav,english please,", "'english please' is no language: write a tag such as en-US."),
        ("https:///x.wav,,", "The address has no host."),
        ("https://[/x.wav,,", "The address has no host."),
        ("https://host/folder/,,", "The address names no file, but a folder."),
        ("a\0.wav,,", "It is no valid UTF-8."),
        (b"\xff.wav,,", "It is no valid UTF-8."),
        ('"a.wav,,', "It is no valid CSV (unexpected end of data)."),
    ],
)
def test_a_line_that_cannot_be_used_has_its_number_and_the_reason(
    recordings: Path, line: str | bytes, reason: str | None
) -> None:
    data = line if isinstance(line, bytes) else line.encode()
    path = write(recordings, "list.csv", b"file,language,speakers\na.wav,,\n" + data + b"\n")
    found = read(path)
    assert sources(found, recordings)[:1] == ["a.wav"]
    assert reasons(found) == ({} if reason is None else {3: reason})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "It is no valid JSON."),
        ("[" * 100_000, "It is no valid JSON."),
        ("3", "It is neither a JSON object nor a text."),
        ("{}", "It names no recording."),
        ('{"file": 1.5}', "The value of file is neither a text nor a whole number."),
        ('{"file": "a.wav", "path": "b.wav"}', "It has two values for file."),
        ('{"file": "a.wav", "speakers": true}', None),
        ('{"file": "a.wav", "id": {"a": 1}}', None),
        ('{"file": "\\ud800.wav"}', "It is no valid UTF-8."),
        (
            '{"file": "a.wav", "title": "' + "x" * 2001 + '"}',
            "A value has more than 2000 characters.",
        ),
    ],
)
def test_a_line_of_json_that_cannot_be_used_has_the_reason(
    recordings: Path, line: str, reason: str | None
) -> None:
    path = write(recordings, "list.jsonl", f'"a.wav"\n{line}\n')
    found = read(path)
    assert sources(found, recordings) == ["a.wav"]
    (text,) = reasons(found).values()
    assert text == reason or (reason is None and text.endswith("nor a whole number."))


def test_a_folder_and_a_glob_have_their_audio_files(recordings: Path) -> None:
    assert sources(read(recordings), recordings) == ["a.wav", "b b.wav", "sub/c.MP3"]
    assert sources(read(recordings / "*.wav"), recordings) == ["a.wav", "b b.wav"] or sources(
        read(recordings / "*.wav"), recordings
    ) == ["b b.wav", "a.wav"]
    assert sources(read(recordings / "**/*.MP3"), recordings) == ["sub/c.MP3"]
    assert read(recordings / "*.flac") == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list.csv", "id,language\n1,en-US\n", "called file"),
        ("list.csv", "", "called file"),
        ("list.wav", "x", "is no manifest"),
        ("none.csv", None, "cannot be read: No such file"),
        ("list.jsonl", "x" * 1_048_576, "Line 1 of the manifest"),
    ],
)
def test_what_is_no_manifest_is_refused(
    recordings: Path, name: str, text: str | None, message: str
) -> None:
    path = recordings / name if text is None else write(recordings, name, text)
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert message in str(caught.value)


def test_a_manifest_of_any_length_is_read_at_constant_memory(recordings: Path) -> None:
    path = recordings / "list.csv"
    with path.open("w") as file:
        file.write("file,title\n")
        file.writelines(f"a.wav,{'t' * 100} {number}\n" for number in range(20_000))
    tracemalloc.start()
    count = sum(1 for _ in read_manifest(str(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000


def test_the_label_of_a_manifest_has_no_signature(recordings: Path) -> None:
    assert manifest_label("https://host/c?sig=secret") == "https://host/c"
    assert manifest_label("list.csv") == str(Path.cwd() / "list.csv")


def test_a_changed_file_has_another_stamp(recordings: Path) -> None:
    (before,) = read(write(recordings, "list.csv", "file\na.wav\n"))
    (recordings / "a.wav").write_bytes(b"other")
    os.utime(recordings / "a.wav", (1, 1))
    (after,) = read(recordings / "list.csv")
    assert isinstance(before, Entry)
    assert isinstance(after, Entry)
    assert before.stamp != after.stamp
    assert attrs.evolve(before, stamp="") == attrs.evolve(after, stamp="")
