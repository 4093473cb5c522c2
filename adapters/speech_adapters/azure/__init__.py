"""What the backends on Azure share: endpoints, credentials, the HTTP client, result parsing."""

from __future__ import annotations

__all__: list[str] = []
