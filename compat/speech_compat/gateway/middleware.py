"""What happens to every request: limits, log, metrics, headers, and unexpected errors."""

from __future__ import annotations

import logging
import secrets
import time
from http import HTTPStatus
from typing import Final

import attrs
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from speech_compat.gateway.context import RequestContext, serving
from speech_compat.gateway.errors import BodyTooLargeError, RequestError, error_response
from speech_compat.gateway.logs import log_request
from speech_compat.gateway.service import Gateway

__all__ = ["RequestMiddleware"]

# For answers that are no pages.
_HEADERS: Final = {
    "Cache-Control": "no-store",  # transcripts stay in no cache
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HSTS: Final = "max-age=31536000"
# Routes that no request matched; the path itself may be anything.
_UNMATCHED: Final = "(none)"
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_INTERNAL: Final = 1011
_ABNORMAL: Final = 1006
# In logs and metrics, as nginx has it: the client left before it had an answer.
_GONE: Final = 499


@attrs.define
class _Outcome:
    """The answer to a request so far.

    Attributes:
        status: its HTTP status; 101 for an accepted websocket; 0 if there is none yet.
        error: the exception that ended the request.
    """

    status: int = 0
    error: BaseException | None = None


class RequestMiddleware:
    """Wraps the application; an exception that reaches it is answered without details.

    Args:
        app: the application.
        gateway: its gateway.
    """

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as an ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        client = scope.get("client")
        request = RequestContext(
            secrets.token_hex(8), client[0] if client else "", scope["type"] == "websocket"
        )
        outcome = _Outcome()
        with serving(request):
            try:
                await self._serve(request, outcome, scope, receive, send)
            finally:
                self._report(request, outcome, scope, time.monotonic() - started)

    async def _serve(
        self, request: RequestContext, outcome: _Outcome, scope: Scope, receive: Receive, send: Send
    ) -> None:
        counted = False

        async def sending(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start":
                self._add_headers(request, message)
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                outcome.status = message["status"]
            elif message["type"] == "websocket.accept":
                outcome.status = HTTPStatus.SWITCHING_PROTOCOLS
                counted = True
                self._gateway.metrics.connections.inc()
            try:
                await send(message)
            except OSError:
                # By which a server of ASGI reports that the client is gone.
                raise _gone(request) from None

        try:
            if request.websocket and self._gateway.draining:
                raise self._gateway.limits.draining()
            await self._app(scope, self._limited(scope, receive), sending)
        except (ClientDisconnect, WebSocketDisconnect):
            outcome.status = outcome.status or _GONE
        except Exception as error:
            outcome.error = None if isinstance(error, RequestError) else error
            await self._answer(error, outcome, scope, receive, sending)
        finally:
            if counted:
                self._gateway.metrics.connections.dec()

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Return ``receive`` with a limit on the size of the body."""
        limit = self._gateway.options.body_bytes
        size = 0
        refusal = BodyTooLargeError(f"The body has more than {limit} bytes.")
        if int(Headers(scope=scope).get("content-length", "0")) > limit:
            raise refusal  # before any of it is read

        async def receiving() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > limit:
                    raise refusal
            return message

        return receiving

    def _add_headers(self, request: RequestContext, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers["X-Request-Id"] = request.id
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)  # the page has a stricter policy
        if self._gateway.options.tls:
            headers["Strict-Transport-Security"] = _HSTS

    async def _answer(
        self, error: Exception, outcome: _Outcome, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if outcome.status == HTTPStatus.SWITCHING_PROTOCOLS:
            await send({"type": "websocket.close", "code": _INTERNAL})
        elif not outcome.status:
            response = _response_to(error)
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send).send_denial_response(response)
            else:
                await response(scope, receive, send)
        # Otherwise the answer has begun, and uvicorn breaks off the connection.

    def _report(
        self, request: RequestContext, outcome: _Outcome, scope: Scope, seconds: float
    ) -> None:
        # The template: an address may contain ids, its query credentials.
        route = getattr(scope.get("route"), "path", "") or _UNMATCHED
        method = "WEBSOCKET" if request.websocket else scope["method"]
        known = method if method in _METHODS or request.websocket else "OTHER"
        metrics = self._gateway.metrics
        metrics.requests.labels(route, known, str(outcome.status)).inc()
        if not request.websocket:
            metrics.durations.labels(route).observe(seconds)
        if outcome.error is not None:
            metrics.error(outcome.error)
        log_request(
            logging.INFO if outcome.error is None else logging.ERROR,
            outcome.error,
            method=known,
            route=route,
            status=int(outcome.status),
            ms=round(seconds * 1000),
            owner=request.owner,
            request=request.id,
        )


def _gone(request: RequestContext) -> Exception:
    return WebSocketDisconnect(_ABNORMAL) if request.websocket else ClientDisconnect()


def _response_to(error: Exception) -> Response:
    if isinstance(error, RequestError):
        return error_response(error.status, error.message, error.headers)
    return error_response(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway failed; its log has the reason."
    )
