"""What `speech-compat run` puts on PYTHONPATH: Python imports ``sitecustomize`` when it starts."""

from __future__ import annotations

__all__: list[str] = []
