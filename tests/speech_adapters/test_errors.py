from __future__ import annotations

import re

from speech_adapters import errors
from speech_adapters.errors import NoBackendError, SpeechError


def _tree(root: type[SpeechError]) -> dict[str, tuple[str, bool]]:
    found = {root.__name__: (root.__mro__[1].__name__, root.retryable)}
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            found |= _tree(child)
    return found


def _drawn() -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    parents: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.search(r"[A-Z]\w+Error\b", line)
        if line.startswith("    ") and match:
            parents[match.start()] = match[0]
            above = [parents[depth] for depth in sorted(parents) if depth < match.start()]
            found[match[0]] = (above[-1] if above else "Exception", "(retryable)" in line)
    return found


def test_the_tree_is_as_drawn_in_the_docstring() -> None:
    assert _tree(SpeechError) == _drawn()


def test_every_error_is_exported() -> None:
    assert sorted(_tree(SpeechError)) == sorted(errors.__all__)


def test_no_backend_lists_the_reason_for_each_rejection() -> None:
    error = NoBackendError("None fits.", {"a": "too small", "b": "too big"})
    assert str(error) == "None fits.\n  a: too small\n  b: too big"
    assert error.rejected == {"a": "too small", "b": "too big"}
