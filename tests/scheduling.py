"""The division of the tests among processes: a file at a time, and to the end after a crash."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

__all__ = ["Scheduler"]


class Scheduler(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Divides the tests as ``--dist loadfile`` does.

    After the crash of a process, pytest-xdist 3.8 assigns all files of that process again, also
    those that had ended.  A process that receives such a file has nothing to run, so it reports
    no end, receives no other file, and the run never ends.
    """

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a process that has ended; return the test that was running if it crashed."""
        work = self.assigned_work[node]
        for file in [file for file, tests in work.items() if all(tests.values())]:
            del work[file]
        crashed: str | None = super().remove_node(node)
        return crashed


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler | None:
    """Return the scheduler for ``--dist loadfile``."""
    return Scheduler(config, log) if config.getvalue("dist") == "loadfile" else None
