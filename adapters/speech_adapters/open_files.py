"""The limit of open files: advice for errors that a process meets when it has reached it."""

from __future__ import annotations

import errno
import os
from types import ModuleType

# Not later: at the limit no module can be loaded any more.
resource: ModuleType | None
try:
    import resource
except ImportError:  # Windows has another limit, which no call returns
    resource = None

__all__ = ["advice", "is_limit_reached", "share"]


def advice(error: BaseException, otherwise: str) -> str:
    """Return one or two sentences on what to do about an error of the system.

    Args:
        error: the error.
        otherwise: the advice for any other error than too many open files.
    """
    number = getattr(error, "errno", None)
    if number == errno.EMFILE:
        return (
            f"This process may have {_limit()} files open at a time, and a meeting that is"
            " recorded needs two of them: raise the limit (ulimit -n, or LimitNOFILE= of a systemd"
            " service), or record fewer meetings in one process."
        )
    if number == errno.ENFILE:
        return "The limit of all processes of this machine is reached: raise fs.file-max."
    return otherwise


def share(wanted: int, divisor: int) -> int:
    """Return how many files may be open for one purpose: ``wanted``, or a part of the limit.

    Args:
        wanted: how many are wanted.
        divisor: the part of the limit of this process that the purpose may use at most.
    """
    if resource is None:
        return wanted
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if limit == resource.RLIM_INFINITY else min(wanted, limit // divisor)


def is_limit_reached() -> OSError | None:
    """Return the error of opening one more file, for libraries that do not state the reason."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error if error.errno in (errno.EMFILE, errno.ENFILE) else None
    return None


def _limit() -> str:
    if resource is None:
        return "no more"
    return f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}"
