"""Redirects the imports of this process, then imports the ``sitecustomize`` that this one hides.

Python imports it in every process that `speech-compat run` starts, also with other interpreters,
so it needs neither this package nor a new version of Python.
"""

import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from types import ModuleType

__all__ = ()


def _start() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    # The program sees the path that it would have without this folder.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    if sys.version_info >= (3, 11):  # noqa: UP036 - the program may start an older Python
        # By its file: an import of the package would take longer than many a process runs.
        module = ModuleType("speech_compat._startup.redirect")
        SourceFileLoader(module.__name__, os.path.join(here, "redirect.py")).exec_module(module)
        third_party = os.environ.get("SPEECH_COMPAT_THIRD_PARTY", "")
        module.install(third_party.split(","))
    _import_next()


def _import_next() -> None:
    this = sys.modules.pop("sitecustomize", None)
    if PathFinder.find_spec("sitecustomize") is not None:
        __import__("sitecustomize")
    elif this is not None:
        sys.modules["sitecustomize"] = this


if __name__ == "sitecustomize":
    _start()
