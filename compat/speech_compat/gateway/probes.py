"""What supervisors of a gateway read: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from speech_compat.gateway.errors import AccessDeniedError
from speech_compat.gateway.metrics import CONTENT_TYPE
from speech_compat.gateway.options import is_loopback
from speech_compat.gateway.service import Gateway

__all__ = ["routes"]


def routes(gateway: Gateway) -> list[BaseRoute]:
    """Return the routes; those of the probes need no credential, and show no details."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        if gateway.draining:
            return JSONResponse({"status": "draining"}, status_code=503)
        if await gateway.readiness.check():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, status_code=503)

    async def metrics(request: Request) -> Response:
        if not _may_read_metrics(gateway, request):
            raise AccessDeniedError
        return Response(gateway.metrics.text(), media_type=CONTENT_TYPE)

    endpoints = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in endpoints.items()]


def _may_read_metrics(gateway: Gateway, request: Request) -> bool:
    expected = gateway.options.metrics_key.get_secret_value()
    if expected:
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {expected}".encode())
    # Behind a proxy, a request from anywhere may have the address of loopback.
    address = request.client.host if request.client else ""
    return not gateway.options.behind_proxy and is_loopback(address)
