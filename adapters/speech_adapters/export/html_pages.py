"""What all HTML pages have in common: they need no other file, no network and no server.

A page's policy permits only the style and the script that are in the page, by their digests.  The
style sheet of ``export`` is that of all; a page may have one of its own after it.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from string import Template
from typing import Final

__all__ = ["VOICES", "fill_page"]

# Colors of speakers in the style sheet.
VOICES: Final = 8
_COMMON: Final = "speech_adapters.export"


def fill_page(package: str, title: str, *, media: bool = False, **values: object) -> str:
    """Return the page of a package, filled in.

    Args:
        package: the package with ``page.html``, which is the body, and perhaps ``page.css`` and
            ``page.js``.
        title: the title, escaped.
        media: whether the page plays files that the reader opens.
        values: what the body needs, by name, escaped; ``title`` and ``script`` are added.
    """
    style = _text(_COMMON, "page.css")
    if package != _COMMON:
        style += _text(package, "page.css")
    script = _text(package, "page.js")
    body = Template(_text(package, "page.html")).substitute(values, title=title, script=script)
    return Template(_text(_COMMON, "frame.html")).substitute(
        policy=_policy(style, script, media=media), title=title, style=style, body=body
    )


def _text(package: str, name: str) -> str:
    """Return the text of a file of a package; empty if it has none of that name."""
    file = files(package).joinpath(name)
    return file.read_text("utf-8") if file.is_file() else ""


def _policy(style: str, script: str, *, media: bool) -> str:
    parts = ["default-src 'none'", f"style-src {_source(style)}"]
    if script:
        parts.append(f"script-src {_source(script)}")
    if media:
        parts.append("media-src blob:")
    return "; ".join([*parts, "base-uri 'none'", "form-action 'none'"])


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
