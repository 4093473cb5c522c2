from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from speech_compat._migration import sources
from speech_compat._migration.sources import find_files, project_files, read_source

IMPORT = "import azure.cognitiveservices.speech as speechsdk\n"
Write = Callable[..., Path]


def found(folder: Path, *excluded: str) -> list[str]:
    problems: list[tuple[Path, str]] = []
    files = list(find_files([folder], excluded, problems))
    assert problems == []
    return [path.relative_to(folder).as_posix() for path in files]


def test_programs_and_notebooks_are_found_in_order(program: Write, tmp_path: Path) -> None:
    for name in ("b.py", "a/z.ipynb", "a/y.pyi", "a.txt", "Makefile"):
        program("", name)
    assert found(tmp_path) == ["b.py", "a/y.pyi", "a/z.ipynb"]


@pytest.mark.parametrize("folder", [".git", ".venv", "site-packages", "node_modules", "build"])
def test_folders_that_hold_no_source_are_left_out(
    program: Write, tmp_path: Path, folder: str
) -> None:
    program("", f"a/{folder}/x.py")
    program("", "a/y.py")
    assert found(tmp_path) == ["a/y.py"]


def test_an_environment_of_any_name_is_left_out(program: Write, tmp_path: Path) -> None:
    program("", "env310/pyvenv.cfg")
    program("", "env310/lib/x.py")
    program("", "environment/y.py")
    assert found(tmp_path) == ["environment/y.py"]


@pytest.mark.parametrize("pattern", ["tests", "tests/", "*/old.py", "old.py", "tests/old.py"])
def test_patterns_exclude_names_and_paths(program: Write, tmp_path: Path, pattern: str) -> None:
    program("", "tests/old.py")
    program("", "new.py")
    assert found(tmp_path, pattern) == ["new.py"]


def test_links_make_no_loop_and_no_file_counts_twice(program: Write, tmp_path: Path) -> None:
    program("", "a/x.py")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "again.py").symlink_to(tmp_path / "a/x.py")
    (tmp_path / "broken.py").symlink_to(tmp_path / "nothing.py")
    assert len(found(tmp_path)) == 1


def test_a_fifo_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.py")
    assert found(tmp_path) == []


def test_a_file_that_is_named_is_one_whatever_its_suffix(program: Write) -> None:
    script = program(IMPORT, "transcribe")
    assert list(find_files([script], [], [])) == [script]
    assert read_source(script).cells[0].text == IMPORT


def test_a_path_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    problems: list[tuple[Path, str]] = []
    assert list(find_files([tmp_path / "none"], [], problems)) == []
    assert problems == [(tmp_path / "none", "There is no such file or folder.")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    problems: list[tuple[Path, str]] = []
    assert list(find_files([tmp_path], [], problems)) == []
    assert problems[0][0] == tmp_path / "closed"


def test_files_without_either_package_are_not_parsed(program: Write) -> None:
    source = read_source(program("import (((\n"))
    assert (source.cells, source.problem) == ((), "")


def test_the_name_is_found_across_blocks(program: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BLOCK", 13)
    assert read_source(program(IMPORT)).cells
    assert not read_source(program("import os\n" * 20, "other.py")).cells


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\0" + IMPORT.encode(), "null bytes"),
        (b"# \xff\n" + IMPORT.encode(), "encoding"),
        (b"# coding: nothing\n" + IMPORT.encode(), "encoding"),
        (IMPORT.encode() + b"#" * 100, "larger than 100 bytes"),
    ],
)
def test_files_that_are_no_text_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, problem: str
) -> None:
    monkeypatch.setattr(sources, "_LARGEST_PROGRAM", 100)
    path = tmp_path / "x.py"
    path.write_bytes(data)
    assert problem in read_source(path).problem


def test_the_declared_encoding_is_used(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"# coding: latin-1\n# \xe9\n" + IMPORT.encode())
    source = read_source(path)
    assert "é" in source.text
    assert source.text.encode(source.encoding) == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.py", IMPORT),
        ("x.ipynb", '{"cells": [{"cell_type": "code", "source": "cognitiveservices"}]}'),
    ],
)
def test_a_byte_order_mark_is_kept(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    source = read_source(path)
    assert source.text == text
    assert source.cells
    assert source.text.encode(source.encoding) == path.read_bytes()


def test_a_file_that_disappears_is_a_problem(tmp_path: Path) -> None:
    assert "cannot be read" in read_source(tmp_path / "gone.py").problem


def test_a_notebook_that_is_none_is_a_problem(program: Write) -> None:
    source = read_source(program('{"azure.cognitiveservices": ', "x.ipynb"))
    assert "its JSON is wrong in line 1" in source.problem


def test_files_of_a_project_are_found_by_name(program: Write, tmp_path: Path) -> None:
    program("", "requirements-dev.txt")
    program("", "pyproject.toml")
    program("", ".venv/requirements.txt")
    program("", "a/x.py")
    names = ["requirements*.txt", "pyproject.toml"]
    assert {p.name for p in project_files([tmp_path], [], names)} == {
        "requirements-dev.txt",
        "pyproject.toml",
    }
    # Of a file, those beside it.
    assert project_files([tmp_path / "a/x.py"], [], names) == []
