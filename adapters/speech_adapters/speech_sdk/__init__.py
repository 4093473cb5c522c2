"""The driver of the Speech SDK: it sends a recording while it grows, and returns events.

::

    session ──▶ spool file ──feeder (a thread)──▶ Speech SDK ──▶ normalizer ──▶ events
                                                                     └──▶ journal, store

``recognizer.py``, ``meeting_recognizer.py`` and ``sdk_*.py`` import the SDK; all other modules
are free of it.
"""

from __future__ import annotations

__all__: list[str] = []
