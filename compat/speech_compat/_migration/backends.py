"""What each backend would do of a program's requests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import attrs

from speech_adapters.capabilities import Capabilities, Gap, gaps
from speech_adapters.contract import MeetingRequest

__all__ = ["Verdict", "dump_capabilities", "known_capabilities", "verdicts"]

_FILE = "capabilities.json"


@dataclass(frozen=True)
class Verdict:
    """Whether a backend would serve a program.

    Attributes:
        backend: its name.
        gaps: what it would not do; if one of them blocks, it would refuse the program.
    """

    backend: str
    gaps: tuple[Gap, ...]

    @property
    def serves(self) -> bool:
        """Whether it would serve the program."""
        return not any(gap.blocking for gap in self.gaps)


def verdicts(requests: Iterable[MeetingRequest]) -> tuple[Verdict, ...]:
    """Compare the requests of a program with each backend of this project."""
    asked = tuple(requests)
    found = []
    for name, capabilities in known_capabilities().items():
        missing = (gap for request in asked for gap in gaps(request, capabilities))
        found.append(Verdict(name, tuple(dict.fromkeys(missing))))
    return tuple(found) if asked else ()


@cache
def known_capabilities() -> dict[str, Capabilities]:
    """Return what the backends can do with their default options, by name.

    A backend's own capabilities need its packages, so they were written to a file when this
    package was built.  The answer is thus the same on every machine.
    """
    data: dict[str, dict[str, Any]] = json.loads(
        files("speech_compat._migration").joinpath(_FILE).read_text("utf-8")
    )
    return {name: _load(values) for name, values in data.items()}


def dump_capabilities(capabilities: dict[str, Capabilities]) -> str:
    """Return the text of the file."""
    data = {name: attrs.asdict(each) for name, each in capabilities.items()}
    return json.dumps(data, indent=1, default=sorted) + "\n"


def _load(values: dict[str, Any]) -> Capabilities:
    sets = {name: frozenset(v) for name, v in values.items() if isinstance(v, list)}
    return Capabilities(**{**values, **sets})
