"""The command ``serve``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from speech_adapters.config import Settings, load_settings
from speech_adapters.errors import SpeechError
from speech_adapters.extras import need_packages
from speech_compat.cli.output import report

__all__ = ["serve"]


def serve(options: argparse.Namespace) -> int:
    """Run a gateway until a signal ends it, or check whether it could run.

    Returns:
        The exit code: 0, or 1 if a check failed.

    Raises:
        SpeechError: the gateway cannot start.
    """
    need_packages(
        "gateway",
        "cryptography",
        "jwt",
        "prometheus_client",
        "python_multipart",
        "starlette",
        "uvicorn",
        "websockets",
    )
    if options.check:
        return asyncio.run(_check(options))
    settings = _settings(options)
    # Only now: the packages may be missing, and a check needs less of them.
    from speech_compat.gateway.generated_key import with_generated_key
    from speech_compat.gateway.logs import configure_logs
    from speech_compat.gateway.options import check_exposure, gateway_options

    gateway = gateway_options(settings)
    check_exposure(gateway)
    settings, key = with_generated_key(settings, gateway)
    configure_logs()
    asyncio.run(_serve(settings, key))
    return 0


async def _serve(settings: Settings, key: str) -> None:
    from speech_compat.gateway.generated_key import OWNER, key_file
    from speech_compat.gateway.options import gateway_options
    from speech_compat.gateway.server import Server, bind
    from speech_compat.gateway.service import Gateway

    options = gateway_options(settings)
    with bind(options) as bound:
        host, port = bound.getsockname()[:2]
        async with Gateway(settings) as gateway:
            server = Server(gateway, bound)
            name = f"[{host}]" if ":" in host else host
            scheme = "https" if options.tls else "http"
            report(f"The gateway listens on {scheme}://{name}:{port} with {settings.backend!r}.")
            if key:
                # Only a terminal shows it: other output ends up in logs.
                shown = f"{key}, also in" if sys.stderr.isatty() else "in"
                sys.stderr.write(
                    f"speech-compat: The access key of {OWNER!r} is {shown} {key_file(settings)}\n"
                )
            await server.serve()


async def _check(options: argparse.Namespace) -> int:
    from speech_compat.gateway.checks import Check, Level, run_checks

    def show(check: Check) -> bool:
        sys.stdout.write(f"{check.level.value:8}{check.name:10}{check.text}\n")
        return check.level is Level.FAILED

    try:
        settings = _settings(options)
    except SpeechError as error:
        show(Check("settings", Level.FAILED, str(error)))
        return 1
    show(Check("settings", Level.OK, f"backend {settings.backend!r}"))
    return int(any([show(check) async for check in run_checks(settings)]))


def _settings(options: argparse.Namespace) -> Settings:
    given = {
        "backend": options.backend,
        "gateway.host": options.host,
        "gateway.port": options.port,
        "gateway.insecure": options.insecure or None,
    }
    properties: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return load_settings(properties)
