"""Checks that the backends on Azure services share: credential, connection, version, clock."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import attrs

from speech_adapters.azure.credentials import (
    CredentialOptions,
    Credentials,
    CredentialSource,
    check_credentials,
    choose_credentials,
    find_source,
)
from speech_adapters.azure.endpoint import ServiceOptions, address, request_auth, resource_options
from speech_adapters.config import Service, Settings, parse_options
from speech_adapters.diagnosis import Check, Finding, failed, failure, ok, skipped, warning
from speech_adapters.errors import AuthenticationError, SpeechError

__all__ = [
    "Contact",
    "Reply",
    "address_finding",
    "contact_checks",
    "credential_check",
    "date_of",
    "request_once",
    "resource_checks",
]

_UNAUTHORIZED: Final = (401, 403)
_TIMEOUT_SECONDS: Final = 30.0
# The header Date has whole seconds, and the answer takes time.
_TOLERATED_SKEW: Final = timedelta(minutes=2)
# Signatures of batch begin so long before they are made.
_SIGNED_SKEW: Final = timedelta(minutes=15)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_SOURCES: Final = {
    CredentialSource.OPTIONS_KEY: "the key in backends.{}.key",
    CredentialSource.OPTIONS_CREDENTIAL: "DefaultAzureCredential (backends.{}.credential)",
    CredentialSource.PROGRAM_CREDENTIAL: "the azure-identity credential of the program",
    CredentialSource.PROGRAM_TOKEN: "the authorization token of the program",
    CredentialSource.PROGRAM_KEY: "the key of the program (service.key)",
}
_KEYS: Final = (CredentialSource.OPTIONS_KEY, CredentialSource.PROGRAM_KEY)


@attrs.frozen
class Reply:
    """The answer of a service to one request.

    Attributes:
        status: the HTTP status.
        date: the time of the service, if the answer states it.
        refusal: the error for the answer; ``None`` if the service did what was requested.
        unsigned: why the request carried no credential, if one should have been sent.
    """

    status: int
    date: datetime | None
    refusal: SpeechError | None = None
    unsigned: SpeechError | None = None


class Contact:
    """One request to a service, which several checks read; the first of them sends it.

    Args:
        address_of: returns the address of the service.
        send: sends the request; raises what prevents an answer.
    """

    def __init__(self, address_of: Callable[[], str], send: Callable[[], Awaitable[Reply]]) -> None:
        self._address_of = address_of
        self._send = send
        self._reply: Reply | None = None
        self._error: Exception | None = None

    @property
    def host(self) -> str:
        """The host of the service.

        Raises:
            ConfigurationError: the settings do not name it.
        """
        return urlsplit(self._address_of()).hostname or "the service"

    async def reply(self) -> Reply:
        """Return the answer.

        Raises:
            Exception: what prevented it; the same at each call.
        """
        if self._reply is None and self._error is None:
            try:
                self._reply = await self._send()
            except Exception as error:
                self._error = error
        if self._error is not None:
            raise self._error
        assert self._reply is not None
        return self._reply

    async def connection(self) -> Finding:
        """Check that the service answers."""
        host = self.host
        try:
            reply = await self.reply()
        except SpeechError:
            raise
        except Exception as error:
            return _unreachable(host, error)
        return ok(f"{host} answers (HTTP status {reply.status})")

    async def sign_in(self) -> Finding:
        """Check that the service accepts the credential."""
        reply = await self._reply_or_none()
        if reply is None:
            return skipped("the service has not answered")
        if reply.unsigned is not None:
            return failure(reply.unsigned, "Sign in, for example with az login.")
        if reply.status in _UNAUTHORIZED:
            return _refused(reply)
        return ok(f"{self.host} accepts the credential")

    async def api_version(self, version: str) -> Finding:
        """Check that the service accepts the version that the request names."""
        reply = await self._reply_or_none()
        if reply is None or reply.unsigned is not None or reply.status in _UNAUTHORIZED:
            return skipped("the service has accepted no request")
        if reply.refusal is not None:
            return failed(
                str(reply.refusal),
                f"The service may not have version {version} in this region, or not for this"
                " pricing tier: set api_version to another one, or use the tier Standard.",
            )
        return ok(f"{self.host} accepts version {version}")

    async def clock(self, *, signs: bool) -> Finding:
        """Compare the clock of this machine with that of the service."""
        reply = await self._reply_or_none()
        return clock_finding(None if reply is None else reply.date, signs=signs)

    async def _reply_or_none(self) -> Reply | None:
        """Return the answer, or ``None`` if there is none: the check of the connection fails."""
        try:
            return await self.reply()
        except Exception:
            return None


def credential_check(
    backend: str, read_options: Callable[[], CredentialOptions], service: Service
) -> Check:
    """Return the check of where the credential is set; nothing is sent."""

    async def run() -> Finding:
        options = read_options()
        source = check_credentials(backend, options, service)
        chosen = choose_credentials(backend, options, service)
        name = _SOURCES[source].format(backend)
        if source not in _KEYS:
            return ok(f"{name} is used")
        key = chosen.key
        if key != key.strip() or not key.isascii() or not key.isprintable():
            return failed(
                f"{name[0].upper()}{name[1:]} has characters that cannot be sent, such as line"
                " breaks, or spaces around it.",
                "Copy the key again from the page of the Speech resource.",
            )
        return ok(f"{name} is used ({len(key)} characters)")

    return Check("credential", "Credential", run)


def resource_checks(
    model: type[ServiceOptions], backend: str, settings: Settings
) -> Iterator[Check]:
    """Yield the checks of the options that name a Speech resource; nothing is sent."""

    async def endpoint() -> Finding:
        options = resource_options(model, backend, settings)
        source = find_source(options, settings.service)
        identity = source not in (None, *_KEYS)
        return address_finding(address(options), identity=identity, regional=not options.endpoint)

    def table() -> ServiceOptions:
        return parse_options(model, backend, settings.backends.get(backend, {}))

    yield Check("endpoint", "Endpoint", endpoint)
    yield credential_check(backend, table, settings.service)


def address_finding(url: str, *, identity: bool = False, regional: bool = False) -> Finding:
    """Return whether an address can be one of a service.

    Args:
        url: the address.
        identity: whether tokens of an identity are sent.
        regional: whether it is the address of a region and not of a resource.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        return failed(
            f"{shown!r} is no address of a service.",
            "Set endpoint to the address with https:// that the page of the resource shows.",
        )
    if parts.scheme in ("http", "ws") and parts.hostname not in _LOOPBACK:
        return warning(
            f"{shown} is not encrypted: others on the network can read key and audio.",
            "Use an address that begins with https:// or wss://.",
        )
    # docs/protocol/batch-and-fast-rest.md, 1: "Entra requires a custom domain".
    if identity and regional:
        return warning(
            f"{shown} is the address of a region, which accepts no tokens of identities.",
            "Create a custom domain for the resource, and set endpoint to its address.",
        )
    return ok(shown)


def contact_checks(
    contact: Contact, *, service: str = "", signs: bool = False, version: str = ""
) -> Iterator[Check]:
    """Yield the checks that read the answer to one request.

    Args:
        contact: the request.
        service: a prefix for the ids, if a backend has several services.
        signs: whether this machine signs addresses with its own clock.
        version: the API version that the request names; empty for a service without.
    """
    prefix = f"{service}_" if service else ""
    label = f" ({service})" if service else ""
    yield Check(f"{prefix}connection", f"Connection{label}", contact.connection, online=True)
    yield Check(f"{prefix}sign_in", f"Sign-in{label}", contact.sign_in, online=True)
    if version:
        check = partial(contact.api_version, version)
        yield Check("api_version", "API version", check, online=True)
    if not service:
        yield Check("clock", "Clock", partial(contact.clock, signs=signs), online=True)


def clock_finding(date: datetime | None, *, signs: bool) -> Finding:
    """Return how far the clock of this machine is from that of a service."""
    if date is None:
        return skipped("the service has not stated its time")
    skew = datetime.now(UTC) - date
    if abs(skew) <= _TOLERATED_SKEW:
        return ok(f"differs from the service's by {abs(skew).total_seconds():.0f} s")
    direction = "ahead of" if skew > timedelta() else "behind"
    cause = f"The clock is {abs(skew).total_seconds() / 60:.0f} minutes {direction} the service's"
    fix = "Set the clock of this machine, or start its time synchronization (NTP)."
    if signs and skew > _SIGNED_SKEW:
        return failed(
            f"{cause}: the signed addresses (SAS) of uploaded audio are not valid yet, so the"
            " service cannot read the audio.",
            fix,
        )
    effect = "signed addresses (SAS) begin and end at a wrong time" if signs else "tokens can fail"
    return warning(f"{cause}: {effect}.", fix)


async def request_once(
    base: str, path: str, params: Mapping[str, str], open_credentials: Callable[[], Credentials]
) -> Reply:
    """Send one GET request without retries; needs httpx.

    Args:
        base: the address to which the path is added.
        path: the path.
        params: the query.
        open_credentials: returns the credential.

    Raises:
        ConfigurationError: the request cannot be sent as it is.
        httpx.HTTPError: there is no answer.
    """
    import httpx

    from speech_adapters.azure.http_errors import UNSENDABLE, refusal, unsendable
    from speech_adapters.masking import mask_library_logs

    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        with mask_library_logs():
            unsigned: SpeechError | None = None
            request = client.build_request("GET", f"{base}{path}", params=dict(params))
            try:
                response = await client.send(request, auth=request_auth(open_credentials()))
            except AuthenticationError as error:
                # Without a token the connection can be checked all the same.
                unsigned = error
                response = await client.send(request)
            except UNSENDABLE as error:
                # Its text quotes the header, which is the credential.
                raise unsendable(base, error) from None
    date = date_of(response.headers.get("date", ""))
    refused = None if response.is_success else refusal(response)
    return Reply(response.status_code, date, refused, unsigned)


def date_of(text: str) -> datetime | None:
    """Return the time in a header ``Date``, or ``None``."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _refused(reply: Reply) -> Finding:
    cause = str(reply.refusal).removesuffix(" Check key, region and roles.")
    if reply.status == _UNAUTHORIZED[0]:
        return failed(
            cause,
            "Copy the key again, and check that region or endpoint are those of the same resource.",
        )
    return failed(
        cause,
        "Give the identity a role such as Cognitive Services Speech User (Owner and Contributor"
        " are not enough), and check the firewall of the resource.",
    )


def _unreachable(host: str, error: Exception) -> Finding:
    causes = list(_causes(error))
    reason = next((c for c in reversed(causes) if isinstance(c, OSError)), error)
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return failed(
            f"The name {host} cannot be resolved: {text}.",
            "Check the region or endpoint for typing errors, and the DNS or the proxy"
            " (HTTPS_PROXY) of this machine.",
        )
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return failed(
            f"The certificate of {host} is not trusted: {text}.",
            "If a proxy replaces certificates, set SSL_CERT_FILE to a file with its certificate;"
            " also check the clock.",
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return failed(
            f"{host} does not answer in TLS: {text}.",
            "Check whether the address must begin with http:// or ws://, and its port.",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return failed(
            f"{host} refuses connections: {text}.",
            "Check the port of the address and that the service runs.",
        )
    return failed(
        f"{host} cannot be reached: {text}.",
        "Check the network, the firewall and the proxy (HTTPS_PROXY) of this machine.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that caused it, also the members of a group."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__
