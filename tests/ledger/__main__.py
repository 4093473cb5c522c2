"""The ledger of compatibility.

::

    python -m ledger                      compare, and write docs/compatibility.md
    python -m ledger --check              compare; fail on an unexplained difference
    python -m ledger --read VERSION DIR   read the public API of the real package in DIR

``make ledger`` and ``make surfaces`` run it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from ledger.compare import Row, compare, load_differences
from ledger.report import report
from ledger.surface import Surface, read_surface

__all__ = ["ledger", "main", "unexplained"]

_HERE: Final = Path(__file__).resolve().parent
_ROOT: Final = _HERE.parents[1]
_DOCUMENT: Final = _ROOT / "docs" / "compatibility.md"
_DIFFERENCES: Final = _HERE / "differences.toml"


def ledger() -> dict[str, list[Row]]:
    """Compare with every stored surface, oldest first."""
    ours = read_surface(_ROOT / "compat", "speech_compat", inherited=True)
    differences = load_differences(_DIFFERENCES)
    return {
        path.stem: compare(_load(path), ours, path.stem, differences)
        for path in sorted((_HERE / "surfaces").glob("*.json"))
    }


def unexplained(rows: dict[str, list[Row]]) -> list[str]:
    """Return a line for each unexplained difference and each unused explanation."""
    lines = [
        f"{version}: {row.path}: {row.difference}"
        for version, found in rows.items()
        for row in found
        if row.status == "unexplained"
    ]
    used = {row.explanation for found in rows.values() for row in found}
    differences = load_differences(_DIFFERENCES)
    idle = [e for e in differences.deliberate if e not in used]
    return lines + [f"differences.toml: {e.path} explains nothing" for e in idle]


def read_real(folder: Path) -> Surface:
    """Read the surface of the real package installed in ``folder``."""
    return read_surface(folder / "azure" / "cognitiveservices", "speech", inherited=False)


def document() -> str:
    """Return the text of ``docs/compatibility.md``."""
    return report(ledger(), load_differences(_DIFFERENCES))


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="ledger", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--read", nargs=2, metavar=("VERSION", "DIR"))
    options = parser.parse_args(arguments)
    if options.read:
        version, folder = options.read
        text = json.dumps(read_real(Path(folder)), indent=1, sort_keys=True)
        (_HERE / "surfaces" / f"{version}.json").write_text(text + "\n", encoding="utf-8")
        return 0
    problems = unexplained(ledger())
    sys.stderr.writelines(f"{line}\n" for line in problems)
    if not options.check:
        _DOCUMENT.write_text(document(), encoding="utf-8")
    return 1 if problems else 0


def _load(path: Path) -> Surface:
    surface: Surface = json.loads(path.read_text(encoding="utf-8"))
    return surface


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
