from __future__ import annotations

import os
import sys
from pathlib import Path, PurePath

import pytest

from speech_compat.cli.sources import Source, expand
from speech_compat.cli.targets import assign_targets


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create recordings and other files, and make their folder the current one."""
    for name in (
        "calls/a/x.wav",
        "calls/b/x.WAV",
        "calls/b/deep/y.wave",
        "calls/.hidden/z.wav",
        "calls/b/._x.wav",
        "calls/b/notes.txt",
        "calls/b/talk.mp4",
        "talk [1].wav",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*arguments: str) -> list[tuple[str, str]]:
    """Return label and relative result of each recording."""
    return [(s.label, s.relative.as_posix()) for s in expand(arguments)[0]]


def test_a_folder_has_the_recordings_below_it_in_order() -> None:
    assert found("calls") == [
        ("calls/a/x.wav", "a/x.wav"),
        ("calls/b/deep/y.wave", "b/deep/y.wave"),
        ("calls/b/x.WAV", "b/x.WAV"),
    ]


def test_several_arguments_keep_the_folders_below_the_one_they_share() -> None:
    assert found("calls/a", "calls/b/deep/y.wave") == [
        ("calls/a/x.wav", "a/x.wav"),
        ("calls/b/deep/y.wave", "b/deep/y.wave"),
    ]


@pytest.mark.parametrize(
    ("pattern", "results"),
    [
        ("calls/*/*.wav", ["a/x.wav"]),
        ("calls/**/*.wav*", ["a/x.wav", "b/deep/y.wave"]),
        ("calls/?", ["a/x.wav", "b/deep/y.wave", "b/x.WAV"]),
        ("calls/b/[d]*/*", ["deep/y.wave"]),
    ],
)
def test_a_glob_names_files_and_folders(pattern: str, results: list[str]) -> None:
    assert [result for _, result in found(pattern)] == results
    absolute = str(Path(pattern).absolute())
    assert [result for _, result in found(absolute)] == results


def test_an_existing_file_is_no_pattern() -> None:
    assert found("talk [1].wav") == [("talk [1].wav", "talk [1].wav")]


def test_a_recording_is_there_once() -> None:
    assert len(found("calls", "calls/a/x.wav", "./calls/a", "-", "-")) == 4


def test_what_is_no_recording_has_a_problem(folder: Path) -> None:
    (folder / "empty").mkdir()
    sources, _ = expand(["empty", "none/*.wav", "missing.wav"])
    assert [source.problem for source in sources] == [
        "empty is a folder without audio files.",
        "No file matches the pattern none/*.wav.",
        "",  # opening it fails, with the reason of the system
    ]


@pytest.mark.skipif(
    sys.platform == "win32" or os.getuid() == 0, reason="needs a folder that cannot be read"
)
def test_a_folder_that_cannot_be_read_has_a_problem(folder: Path) -> None:
    (folder / "calls" / "a").chmod(0)
    sources, _ = expand(["calls"])
    (folder / "calls" / "a").chmod(0o700)
    assert "calls/a cannot be read: Permission denied." in [s.problem for s in sources]
    assert len(sources) == 3


def test_videos_in_a_folder_are_reported() -> None:
    _, notes = expand(["calls"])
    assert notes == [
        "calls: 1 video is not transcribed, such as calls/b/talk.mp4: pass their names."
    ]
    assert found("calls/b/talk.mp4") == [("calls/b/talk.mp4", "talk.mp4")]


def test_a_folder_has_audio_files_of_all_kinds(folder: Path) -> None:
    for name in ("a.mp3", "b.OPUS", "c.m4a", "d.flac", "e.webm", "f.ogg"):
        (folder / "calls" / "a" / name).touch()
    names = [result for _, result in found("calls/a")]
    assert names == ["a.mp3", "b.OPUS", "c.m4a", "d.flac", "e.webm", "f.ogg", "x.wav"]


def test_an_address_shows_no_signature() -> None:
    (source,), _ = expand(["https://host/calls/x.wav?sig=SECRET"])
    assert (source.label, source.name) == ("https://host/calls/x.wav", "x.wav")
    assert source.address == "https://host/calls/x.wav?sig=SECRET"
    assert source.path is None


def targets(*names: str) -> list[str]:
    sources = [Source(name, name, PurePath(name)) for name in names]
    return [str(path) for path in assign_targets(sources, Path("out"), "txt")]


def test_each_recording_has_a_result_of_its_own() -> None:
    assert targets("a/x.wav", "b/x.wav", "b/v1.2.wav") == [
        "out/a/x.txt",
        "out/b/x.txt",
        "out/b/v1.2.txt",
    ]
    assert targets("x.wav", "x.wave", "x.wav.wav") == [
        "out/x.wav-2.txt",
        "out/x.wave.txt",
        "out/x.wav.txt",
    ]
    assert targets("x.wav", "x.wav", "x.wav") == [
        "out/x.wav.txt",
        "out/x.wav-2.txt",
        "out/x.wav-3.txt",
    ]


def test_names_that_differ_in_case_are_one_name_on_some_disks() -> None:
    assert len({name.casefold() for name in targets("Talk.wav", "talk.wav", "TALK.WAV")}) == 3
