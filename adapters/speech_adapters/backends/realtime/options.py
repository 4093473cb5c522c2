"""The options of the realtime backend, and the endpoint and credentials it uses."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from speech_adapters.azure.credentials import choose_credentials
from speech_adapters.config import Service, Settings, missing_option, parse_options
from speech_adapters.errors import ConfigurationError
from speech_adapters.speech_sdk.options import Access, DriverOptions
from speech_adapters.transcript import Provenance

__all__ = [
    "NAME",
    "RealtimeOptions",
    "access_of",
    "provenance",
    "realtime_options",
    "resource_of",
]

NAME: Final = "realtime"
_PATH: Final = "/stt/speech/universal/v2"
_RETIRED: Final = "multiaudio"


class RealtimeOptions(DriverOptions):
    """Options of ``backends.realtime``, with those of the driver.

    Attributes:
        region: the Speech resource's region; or
        endpoint: its address: ``https://NAME.cognitiveservices.azure.com``, or a websocket.
        key: its key; or
        credential: ``default`` for azure-identity's DefaultAzureCredential, with a custom
            domain as endpoint, or with a region and
        resource_id: the resource's id in Azure, ``/subscriptions/...``.
        final: name of the backend that transcribes the stored meeting from the same audio.
        backfill_seconds: utterances of an unknown speaker are assigned to a new speaker who
            appears within this time after them; 0 leaves them unknown.
    """

    region: str = ""
    endpoint: str = ""
    key: SecretStr = SecretStr("")
    credential: Literal["", "default"] = ""
    resource_id: str = ""
    final: str = NAME
    backfill_seconds: float = Field(default=2.0, ge=0.0, le=60.0)


def realtime_options(settings: Settings) -> RealtimeOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong.
    """
    return parse_options(RealtimeOptions, NAME, settings.backends.get(NAME, {}))


def resource_of(options: RealtimeOptions, service: Service) -> tuple[str, str]:
    """Return region and endpoint of the Speech resource, of which one is empty.

    Raises:
        ConfigurationError: neither is set.
    """
    region, endpoint = options.region, options.endpoint
    if not (region or endpoint):
        region, endpoint = service.region, service.endpoint
    if not (region or endpoint):
        raise missing_option(NAME, "region or endpoint", "of your Speech resource")
    return ("", _endpoint(endpoint)) if endpoint else (region, "")


def access_of(options: RealtimeOptions, settings: Settings) -> Access:
    """Return endpoint and credentials; missing values come from the program's configuration.

    Raises:
        ConfigurationError: an option that is needed is missing.
        MissingExtraError: azure-identity is needed and not installed.
    """
    service = settings.service
    region, endpoint = resource_of(options, service)
    chosen = choose_credentials(NAME, options, service)
    if chosen.credential is not None and not (endpoint or options.resource_id):
        raise ConfigurationError(
            "A credential with a region needs backends.realtime.resource_id too, or a custom"
            " domain as backends.realtime.endpoint instead of the region."
        )
    return Access(
        key=chosen.key,
        credential=chosen.credential,
        token=chosen.token,
        region=region,
        endpoint=endpoint,
        resource_id=options.resource_id,
    )


def provenance() -> Provenance:
    """Return the provenance of transcripts, without the estimates made in a meeting."""
    sdk = version("azure-cognitiveservices-speech")
    return Provenance(NAME, f"Azure real-time diarization, Speech SDK {sdk}")


def _endpoint(endpoint: str) -> str:
    """Return the endpoint with a path, as every version of the SDK accepts it."""
    if not endpoint:
        return ""
    parts = urlsplit(endpoint)
    if _RETIRED in parts.path:
        raise ConfigurationError(
            f"The endpoint names the retired service ({parts.path}): leave it out and set the"
            " region instead."
        )
    return parts._replace(path=_PATH).geturl() if parts.path in ("", "/") else endpoint
