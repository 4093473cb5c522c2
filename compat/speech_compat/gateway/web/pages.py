"""The files of the web page: HTML, style and scripts, as they are in the package."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

__all__ = ["routes"]

_MEDIA_TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
_INDEX: Final = "index.html"
# The page uses nothing from elsewhere and runs nothing that is not a file of it.  Browsers that
# know trusted types also refuse to parse a text as HTML.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " media-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    # Asked for again each time, so that page and scripts are always of one version.
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def routes() -> list[BaseRoute]:
    """Return a route for each file; the page itself is ``/``."""
    folder = files("speech_compat.gateway.web") / "static"
    return [
        Route(
            "/" if file.name == _INDEX else f"/web/{file.name}",
            _serve(file.name, file.read_bytes()),
        )
        for file in folder.iterdir()
        # Others are no part of the page, such as the copies of an editor.
        if file.is_file() and file.name.rpartition(".")[2] in _MEDIA_TYPES
    ]


def _serve(name: str, content: bytes) -> Callable[[Request], Awaitable[Response]]:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "etag": etag}
    media_type = _MEDIA_TYPES[name.rpartition(".")[2]]

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return answer
