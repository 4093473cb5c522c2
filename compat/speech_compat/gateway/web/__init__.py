"""The web page of the gateway, and the JSON API that it uses.

:mod:`.pages` serves the files of the page, :mod:`.api` the API under ``/web/v1``.  The page
sends the access key of its user as a header; only :mod:`.links` makes addresses that work
without one, because a browser sends no headers for audio and downloads.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from speech_compat.gateway.service import Gateway
from speech_compat.gateway.web import api, pages

__all__ = ["routes"]


def routes(gateway: Gateway) -> list[BaseRoute]:
    """Return the routes of the page and of its API."""
    return [*pages.routes(), *api.routes(gateway)]
