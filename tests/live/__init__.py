"""The live kit: one short test per backend and API version against the real services.

It compares the answers with those of the doubles in ``tests/double`` and records cassettes; see
CONTRIBUTING.md, "Against real Azure".  ``make live`` runs it.
"""

from __future__ import annotations

__all__: list[str] = []
