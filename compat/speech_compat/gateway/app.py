"""The web application of a gateway."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from speech_adapters.errors import SpeechError
from speech_compat.gateway import offlinetask, probes, voice_signatures, web, websocket
from speech_compat.gateway.errors import RequestError, error_response
from speech_compat.gateway.middleware import RequestMiddleware
from speech_compat.gateway.service import Gateway
from speech_compat.gateway.speech_errors import on_speech_error

__all__ = ["create_app"]

_logger = logging.getLogger("speech_compat.gateway")

_SWEEP_SECONDS: Final = 5.0


def create_app(gateway: Gateway) -> Starlette:
    """Return the application, which closes the gateway at its end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with gateway, anyio.create_task_group() as tasks:
            tasks.start_soon(_sweep, gateway)
            yield
            tasks.cancel_scope.cancel()

    app = Starlette(
        routes=_routes(gateway),
        lifespan=lifespan,
        middleware=[Middleware(RequestMiddleware, gateway=gateway)],
        exception_handlers={
            RequestError: _refuse,
            HTTPException: _refuse,
            SpeechError: on_speech_error,
        },
    )
    # A redirect would repeat the query, with its credentials, in another address.
    app.router.redirect_slashes = False
    app.router.default = _not_found
    return app


def _routes(gateway: Gateway) -> list[BaseRoute]:
    modules = (probes, offlinetask, voice_signatures, web, websocket)
    return [route for module in modules for route in module.routes(gateway)]


async def _sweep(gateway: Gateway) -> None:
    """Continue what dead processes left, until the task is canceled."""

    async def sweep() -> None:
        try:
            await gateway.meetings.sweep()
        except SpeechError as error:
            _logger.warning("Meetings of dead processes cannot be continued: %s", error)

    async with anyio.create_task_group() as tasks:
        # One that uploads audio for minutes must not delay the next one.
        while not gateway.draining:
            tasks.start_soon(sweep)
            await anyio.sleep(_SWEEP_SECONDS)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    # The default of the library answers the handshake of a websocket with 403.
    raise HTTPException(HTTPStatus.NOT_FOUND)


async def _refuse(connection: Request | WebSocket, error: Exception) -> Response:
    response = _answer(error)
    if isinstance(connection, WebSocket):
        # Before it was accepted; the endpoint does not raise these errors later.
        await connection.send_denial_response(response)
    return response


def _answer(error: Exception) -> Response:
    if isinstance(error, RequestError):
        return error_response(error.status, error.message, error.headers)
    assert isinstance(error, HTTPException)  # the only other error with this handler
    return error_response(error.status_code, str(error.detail), error.headers)
