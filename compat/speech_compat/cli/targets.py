"""The files in a folder that the results of several recordings are written to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from speech_compat.cli.sources import Source

__all__ = ["assign_targets"]


def assign_targets(sources: Sequence[Source], folder: Path, suffix: str) -> list[Path]:
    """Return a file of its own for each source, below ``folder``.

    ``a/x.wav`` becomes ``a/x.txt``.  Where two recordings differ only in their suffix, the
    name has it too: ``a/x.wav.txt`` and ``a/x.WAV.txt``.  The same sources have the same files
    in each run, so the results of an earlier run are found again.
    """
    plain = [source.relative.with_name(source.relative.stem) for source in sources]
    # Upper and lower case are one name on some file systems, even on a mounted one.
    count = Counter(str(name).casefold() for name in plain)
    used = {name for name, number in count.items() if number == 1}
    names = (
        name if count[str(name).casefold()] == 1 else _free(source.relative, used)
        for source, name in zip(sources, plain, strict=True)
    )
    return [folder / name.with_name(f"{name.name}.{suffix}") for name in names]


def _free(name: PurePath, used: set[str]) -> PurePath:
    """Return the name, with a number if another recording has it; it is used then."""
    candidate, number = name, 1
    while str(candidate).casefold() in used:
        number += 1
        candidate = name.with_name(f"{name.name}-{number}")
    used.add(str(candidate).casefold())
    return candidate
