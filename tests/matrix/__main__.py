"""Generated pages: the matrix of backends, warnings, commands, the JSON format.

::

    python -m matrix            write docs/backends.md, docs/commands.md, docs/warnings.md, the
                                schema of the JSON format, the tables of README.md and
                                docs/json-format.md, and the capabilities that
                                `speech-compat scan` reads
    python -m matrix --check    fail if one of them is out of date

``make matrix`` runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matrix.catalog import all_capabilities
from matrix.commands import commands_page
from matrix.json_format import schema_text, tables
from matrix.report import BEGIN, END, backends_page, readme_table, warnings_page, with_table
from speech_adapters import Capabilities
from speech_compat._migration.backends import dump_capabilities

__all__ = ["choices", "documents", "main"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_CAPABILITIES: Final = "compat/speech_compat/_migration/capabilities.json"


def documents() -> dict[Path, str]:
    """Return the text of each generated file."""
    capabilities = all_capabilities()
    docs = _ROOT / "docs"
    readme, json_format = _ROOT / "README.md", docs / "json-format.md"
    return {
        docs / "backends.md": backends_page(capabilities),
        docs / "warnings.md": warnings_page(capabilities),
        docs / "commands.md": commands_page(),
        docs / "schema" / "transcript.schema.json": schema_text(),
        json_format: with_table(json_format.read_text("utf-8"), f"{BEGIN}\n{tables()}\n{END}"),
        readme: with_table(readme.read_text("utf-8"), readme_table(capabilities)),
        _ROOT / _CAPABILITIES: dump_capabilities(choices(capabilities)),
    }


def choices(capabilities: Mapping[str, Capabilities]) -> dict[str, Capabilities]:
    """Return the backends that a program chooses between; ``shadow`` can do what another can."""
    return {name: claimed for name, claimed in capabilities.items() if name != "shadow"}


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    code = 0
    for path, text in documents().items():
        if options.check and path.read_text("utf-8") != text:
            sys.stderr.write(f"{path.relative_to(_ROOT)} is out of date: run make matrix.\n")
            code = 1
        elif not options.check:
            path.write_text(text, "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
