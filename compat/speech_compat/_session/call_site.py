"""The line of the program that a warning belongs to.

A loss is known only in the event thread, when the audio is open, so ``warnings.warn`` with a
stack level would point into this package.  The line is noted while the program is in the call.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CallSite", "call_site"]

_OWN: Final = ("speech_compat", "speech_adapters")


@dataclass(frozen=True)
class CallSite:
    """A line of the program.

    Attributes:
        filename: the file.
        line: the number of the line.
        module: the name of the module, which warning filters may select.
        registry: where :mod:`warnings` notes which of them the module has issued, so that
            each is shown once per line.
    """

    filename: str
    line: int
    module: str
    registry: dict[Any, Any]

    def warn(self, warning: Warning) -> None:
        """Issue a warning of this line, in any thread.

        Raises:
            Warning: a filter of the program makes it an error.
        """
        warnings.warn_explicit(
            warning, type(warning), self.filename, self.line, self.module, self.registry
        )


def call_site() -> CallSite:
    """Return the innermost line on the stack that is not of these packages."""
    frame = sys._getframe()
    # By module and not by file: the constructor of a dataclass has no file.
    while _is_own(frame.f_globals.get("__name__", "")) and frame.f_back is not None:
        frame = frame.f_back
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    module = frame.f_globals.get("__name__", "")
    return CallSite(frame.f_code.co_filename, frame.f_lineno, module, registry)


def _is_own(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in _OWN
