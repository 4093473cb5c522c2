"""The web application of a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from speech_compat.gateway.service import Gateway

__all__ = ["create_app"]


def create_app(gateway: Gateway) -> Starlette:
    """Return the application, which closes the gateway at its end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with gateway:
            yield

    return Starlette(routes=_routes(), lifespan=lifespan)


def _routes() -> list[BaseRoute]:
    return []
