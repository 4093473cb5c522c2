"""The service's side of the legacy interface on the wire.

:mod:`~speech_compat.gateway.framing` and :mod:`~speech_compat.gateway.dialogue` know the
messages and do no I/O; :mod:`~speech_compat.testing.loopback` is a small server on top,
which plays a script to a real SDK: for tests, needs the extra ``gateway``.
"""

from __future__ import annotations

__all__: list[str] = []
