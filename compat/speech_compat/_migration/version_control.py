"""Whether version control can restore a file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = ["irrecoverable"]

_PATIENCE = 60


def irrecoverable(paths: Iterable[Path]) -> list[tuple[Path, str]]:
    """Return the files whose present content git could not restore, each with the reason."""
    return [(path, reason) for path in paths if (reason := _reason(path))]


def _reason(path: Path) -> str:
    # A link is changed where it points to.
    real = path.resolve()
    command = [
        *("git", "--literal-pathspecs"),
        # Settings of the repository may name programs, which only its owner should run.
        *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
        *("status", "--porcelain", "--ignored", "--untracked-files=all", "--", real.name),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - the name of a file is an argument, not a command
            command,
            cwd=real.parent,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "git cannot be run"
    if done.returncode:
        return "it is in no git repository"
    if not done.stdout:
        return ""
    return {"??": "git does not track it", "!!": "git ignores it"}.get(
        done.stdout[:2], "it has changes that are not committed"
    )
