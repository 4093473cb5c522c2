"""Recording a meeting: the audio spool, recording sessions and worker processes."""

from __future__ import annotations

__all__: list[str] = []
