"""The options of the backend, and the two addresses of its service."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final
from urllib.parse import SplitResult, urlsplit

import attrs
from pydantic import Field

from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.azure.endpoint import ClientOptions
from speech_adapters.config import Settings, parse_options
from speech_adapters.errors import ConfigurationError
from speech_adapters.masking import mask, masked_repr
from speech_adapters.speech_sdk.options import Access, DriverOptions
from speech_adapters.transcript import Provenance

__all__ = [
    "NAME",
    "Addresses",
    "RemoteMeetingOptions",
    "access_of",
    "addresses_of",
    "provenance",
    "remote_meeting_options",
]

NAME: Final = "remote_meeting"
# See docs/protocol/legacy-interface.md, 2.5 and 5.1, for host and paths.
_HOST: Final = "transcribe.{}.cts.speech.microsoft.com"
_WEBSOCKET: Final = "/speech/recognition/multiaudio"
_REST: Final = "/api/v1"
# What programs and their documentation name as endpoint, each below the same base.
_PATHS: Final = (
    _WEBSOCKET,
    "/speech/recognition/dynamicaudio",
    "/speech/recognition/conversation/cognitiveservices/v1",
    "/stt/speech/universal/v2",
    "/speech/universal/v2",
    _REST,
)
# Those of websocket and REST, by that of the endpoint.
_SCHEMES: Final = {
    "https": ("wss", "https"),
    "wss": ("wss", "https"),
    "http": ("ws", "http"),
    "ws": ("ws", "http"),
}
_NO_SERVICE: Final = (
    "The remote_meeting backend needs a service with the interface of the retired one, which"
    " exists no more: set backends.remote_meeting.endpoint to the address of a gateway"
    " (speech-compat serve) or of a private deployment, or choose another backend. See"
    " docs/configuration.md."
)


class RemoteMeetingOptions(DriverOptions, ClientOptions):
    """Options of ``backends.remote_meeting``, with those of the driver and of the REST client.

    Attributes:
        endpoint: address of the service, ``http``, ``https``, ``ws`` or ``wss``, from which the
            next two are derived; or
        websocket_endpoint: address of the websocket, with its path; and
        rest_endpoint: address to which ``/offlinetask`` is added; or
        region: region of a deployment at the host of the retired service.
        patience_seconds: longest silence of the service after all audio was sent.
        poll_seconds: shortest pause between two questions about a meeting.
        result_minutes: longest time of an answer, in minutes.
        result_megabytes: largest transcript, in millions of bytes.
    """

    endpoint: str = ""
    websocket_endpoint: str = ""
    rest_endpoint: str = ""
    region: str = ""
    patience_seconds: float = Field(default=300.0, ge=1.0)
    poll_seconds: float = Field(default=10.0, ge=0.0)
    retry_seconds: float = Field(default=1.0, ge=0.0)
    result_minutes: float = Field(default=5.0, gt=0.0)
    result_megabytes: float = Field(default=256.0, gt=0.0)


@attrs.frozen
class Addresses:
    """The addresses of a service.

    Attributes:
        websocket: that of the websocket, with its path.
        rest: that to which ``/offlinetask`` is added.
    """

    websocket: str = attrs.field(repr=masked_repr)
    rest: str = attrs.field(repr=masked_repr)


def remote_meeting_options(settings: Settings) -> RemoteMeetingOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong.
    """
    return parse_options(RemoteMeetingOptions, NAME, settings.backends.get(NAME, {}))


def addresses_of(options: RemoteMeetingOptions, settings: Settings) -> Addresses:
    """Return the addresses of the service; a missing one comes from the program's endpoint.

    A region counts only as an option of this backend: that of a program names the retired
    service.

    Raises:
        ConfigurationError: no service is named, or an address cannot be used.
    """
    endpoint = options.endpoint or (
        f"https://{_HOST.format(options.region)}" if options.region else settings.service.endpoint
    )
    derived = _derived(endpoint) if endpoint else Addresses("", "")
    found = Addresses(
        options.websocket_endpoint or derived.websocket,
        options.rest_endpoint.rstrip("/") or derived.rest,
    )
    if not (found.websocket and found.rest):
        raise ConfigurationError(_NO_SERVICE)
    _check(found.websocket, ("ws", "wss"), "websocket_endpoint")
    _check(found.rest, ("http", "https"), "rest_endpoint")
    return found


def access_of(options: RemoteMeetingOptions, addresses: Addresses, settings: Settings) -> Access:
    """Return the endpoint of the websocket and the credentials.

    Raises:
        ConfigurationError: there is no credential.
        MissingExtraError: azure-identity is needed and not installed.
    """
    chosen = choose_credentials(NAME, options, settings.service)
    return Access(
        key=chosen.key,
        credential=chosen.credential,
        token=chosen.token,
        endpoint=addresses.websocket,
    )


def provenance() -> Provenance:
    """Return the provenance of transcripts."""
    sdk = version("azure-cognitiveservices-speech")
    return Provenance(NAME, f"Remote meeting transcription, Speech SDK {sdk}")


def _derived(endpoint: str) -> Addresses:
    """Return the addresses below an endpoint, which may be the address of the websocket."""
    parts = _split(endpoint, "endpoint")
    schemes = _SCHEMES.get(parts.scheme)
    if schemes is None or not parts.hostname:
        raise _no_address(endpoint, "endpoint", "http, https, ws or wss")
    path = parts.path.rstrip("/")
    prefix = next((path.removesuffix(known) for known in _PATHS if path.endswith(known)), path)
    websocket, rest = schemes
    base = parts._replace(query="", fragment="")
    return Addresses(
        base._replace(scheme=websocket, path=prefix + _WEBSOCKET).geturl(),
        base._replace(scheme=rest, path=prefix + _REST).geturl(),
    )


def _check(address: str, schemes: tuple[str, ...], option: str) -> None:
    parts = _split(address, option)
    if parts.scheme not in schemes or not parts.hostname:
        raise _no_address(address, option, " or ".join(schemes))


def _split(address: str, option: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # which is parsed only now
    except ValueError:
        raise _no_address(address, option, "host and port") from None
    return parts


def _no_address(address: str, option: str, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"backends.{NAME}.{option} is no address of a service: {mask(address)!r}. It needs"
        f" {wanted}: see docs/configuration.md."
    )
