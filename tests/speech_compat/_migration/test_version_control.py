from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from speech_compat._migration.version_control import irrecoverable


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / ":[a] b.py").write_text("1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "x")
    return tmp_path


def test_a_committed_file_can_be_restored(repository: Path) -> None:
    # Others may have changes.
    (repository / "other.py").write_text("")
    assert irrecoverable([repository / ":[a] b.py"]) == []


@pytest.mark.parametrize("staged", [False, True])
def test_a_changed_file_cannot_be_restored(repository: Path, staged: bool) -> None:
    path = repository / ":[a] b.py"
    path.write_text("2\n")
    if staged:
        git(repository, "add", "-A")
    assert irrecoverable([path]) == [(path, "it has changes that are not committed")]


def test_an_untracked_or_ignored_file_cannot_be_restored(repository: Path) -> None:
    (repository / ".gitignore").write_text("ignored.py\n")
    new, ignored = repository / "new.py", repository / "ignored.py"
    new.write_text("")
    ignored.write_text("")
    assert irrecoverable([new, ignored]) == [
        (new, "git does not track it"),
        (ignored, "git ignores it"),
    ]


def test_a_link_counts_as_what_it_points_to(repository: Path, tmp_path: Path) -> None:
    link = repository / "link.py"
    link.symlink_to(":[a] b.py")
    assert irrecoverable([link]) == []


def test_without_a_repository_or_git_nothing_can_be_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    path = tmp_path / "x.py"
    path.write_text("")
    assert irrecoverable([path]) == [(path, "it is in no git repository")]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert irrecoverable([path]) == [(path, "git cannot be run")]


def test_no_program_that_the_repository_names_is_run(repository: Path) -> None:
    mark = repository / "ran"
    hook = repository / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(hook))
    irrecoverable([repository / ":[a] b.py"])
    assert not mark.exists()
