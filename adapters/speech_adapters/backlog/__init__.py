"""Backlogs: many recordings that are transcribed in one run or in several.

::

    manifest ──plan──▶ journal ──feed──▶ meeting store ──▶ service or engine
                          ▲                    │
                          └─────collect────────┘

The meeting store owns each recording, and knows what became of it.  The journal only has the list
of recordings, and a copy of their states.  The id of a recording's meeting follows from its
content, so a process that was killed at any instant is continued by another one, which transcribes
nothing twice.
"""

from __future__ import annotations

__all__: list[str] = []
