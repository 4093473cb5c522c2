"""Client and operation of the remote clients."""

from __future__ import annotations

__all__: list[str] = []
