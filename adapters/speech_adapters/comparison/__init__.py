"""The comparison of two transcripts of one meeting: error rates, speakers, differences.

::

    reading ──▶ Document ─┬─▶ compare ──▶ Comparison ──▶ report (text, JSON)
                          └─▶ line_up ──▶ rows ────────▶ report, page (HTML)

The libraries are those of the extra ``compare``.  A figure whose library is not installed is not
computed, and the comparison has the reason.
"""

from __future__ import annotations

from speech_adapters.comparison.comparing import Comparison, Side, compare
from speech_adapters.comparison.page import render_comparison
from speech_adapters.comparison.report import comparison_document, format_report
from speech_adapters.comparison.rows import Row, line_up

__all__ = [
    "Comparison",
    "Row",
    "Side",
    "compare",
    "comparison_document",
    "format_report",
    "line_up",
    "render_comparison",
]
