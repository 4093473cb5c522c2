"""Checks of everything that a gateway needs to start, for ``speech-compat serve --check``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs
from cryptography import x509

from speech_adapters.config import Settings
from speech_adapters.diagnosis import Level
from speech_adapters.errors import ConfigurationError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_compat.gateway.generated_key import OWNER, key_file
from speech_compat.gateway.health import check_backend, check_store
from speech_compat.gateway.options import (
    GatewayOptions,
    check_exposure,
    gateway_options,
    is_loopback,
)
from speech_compat.gateway.server import bind, tls_context
from speech_compat.gateway.tokens import IssuerKeys

__all__ = ["Check", "Level", "run_checks"]

_SOON: Final = timedelta(days=14)


@attrs.frozen
class Check:
    """One checked thing.

    Attributes:
        name: what was checked.
        level: the result.
        text: the finding; of a failure the cause and the remedy.
    """

    name: str
    level: Level
    text: str


_Finding = tuple[Level, str]


async def run_checks(settings: Settings) -> AsyncIterator[Check]:
    """Yield the result of each check; nothing is left running.

    Args:
        settings: the settings that a gateway would use.
    """
    try:
        options = gateway_options(settings)
    except SpeechError as error:
        yield Check("options", Level.FAILED, str(error))
        return
    yield Check("options", Level.OK, "the table gateway is valid")
    async with MeetingService(settings) as meetings:

        async def store() -> _Finding:
            await check_store(meetings)
            return Level.OK, f"{meetings.store.directory} can be written"

        async def backend() -> _Finding:
            await check_backend(meetings)
            return Level.OK, f"{settings.backend!r} can be created"

        checks: dict[str, Callable[[], Awaitable[_Finding]]] = {
            "access": lambda: _access(options, settings),
            "tokens": lambda: _tokens(options),
            "TLS": lambda: _tls(options),
            "address": lambda: _address(options),
            "store": store,
            "backend": backend,
        }
        for name, check in checks.items():
            yield await _run(name, check)


async def _run(name: str, check: Callable[[], Awaitable[_Finding]]) -> Check:
    try:
        level, text = await check()
    except SpeechError as error:
        return Check(name, Level.FAILED, str(error))
    return Check(name, level, text)


async def _access(options: GatewayOptions, settings: Settings) -> _Finding:
    check_exposure(options)
    if options.insecure and not is_loopback(options.host):
        return Level.WARNING, "gateway.insecure is set: others may read keys and transcripts"
    if options.keys:
        return Level.OK, f"keys of {', '.join(sorted(options.keys))}"
    if options.tokens is not None:
        return Level.OK, "tokens only"
    return Level.OK, f"no keys are set: one is generated for {OWNER!r}, in {key_file(settings)}"


async def _tokens(options: GatewayOptions) -> _Finding:
    if options.tokens is None:
        return Level.OK, "not accepted, because gateway.tokens is not set"
    reason = await IssuerKeys(options.tokens.keys_address).refresh()
    if reason:
        raise ConfigurationError(
            f"The keys of the issuer at {options.tokens.keys_address} cannot be fetched: {reason}."
            " Check gateway.tokens and the network."
        )
    return Level.OK, "the keys of the issuer were fetched"


async def _tls(options: GatewayOptions) -> _Finding:
    tls_context(options)
    if options.tls_certificate is None:
        return Level.OK, "ended by the proxy" if options.behind_proxy else "off"
    certificate = x509.load_pem_x509_certificates(options.tls_certificate.read_bytes())[0]
    end = certificate.not_valid_after_utc
    if end < datetime.now(UTC):
        raise ConfigurationError(
            f"The certificate {options.tls_certificate} expired on {end:%Y-%m-%d}: renew it, and"
            " send SIGHUP to a running gateway."
        )
    level = Level.WARNING if end < datetime.now(UTC) + _SOON else Level.OK
    return level, f"the certificate is valid until {end:%Y-%m-%d}"


async def _address(options: GatewayOptions) -> _Finding:
    bind(options).close()
    return Level.OK, f"{options.host}, port {options.port} is free"
