"""The service's side of the speech websocket protocol, without any I/O.

:mod:`~speech_compat.gateway.framing` parses and writes messages, and
:mod:`~speech_compat.gateway.dialogue` answers them.  The test service
:mod:`speech_compat.testing.loopback` uses both; it needs the extra ``gateway``.
"""

from __future__ import annotations

__all__: list[str] = []
