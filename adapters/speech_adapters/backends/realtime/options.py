"""The options of the realtime backend, and the endpoint and credentials it uses."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final, Literal
from urllib.parse import urlsplit

import attrs
from pydantic import Field, SecretStr

from speech_adapters.azure.credentials import (
    Credentials,
    TokenProvider,
    choose_credentials,
)
from speech_adapters.config import Options, Settings, missing_option, parse_options
from speech_adapters.errors import ConfigurationError
from speech_adapters.extras import need_packages
from speech_adapters.masking import masked_repr
from speech_adapters.transcript import Provenance

__all__ = [
    "NAME",
    "Access",
    "RealtimeOptions",
    "access_of",
    "need_sdk",
    "provenance",
    "realtime_options",
]

NAME: Final = "realtime"
_PATH: Final = "/stt/speech/universal/v2"
_RETIRED: Final = "multiaudio"


class RealtimeOptions(Options):
    """Options of ``backends.realtime``.

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
        pace: largest speed of sending audio, in multiples of real time; the SDK's own is 2.
        ahead_seconds: length of sent audio without a result after which audio is sent in
            real time; the SDK gives up at about 66.
        patience_seconds: longest silence of the service after all audio was sent.
        attempts: successive connections without any progress.
        retry_seconds: pause before the second attempt, doubled for each further one.
    """

    region: str = ""
    endpoint: str = ""
    key: SecretStr = SecretStr("")
    credential: Literal["", "default"] = ""
    resource_id: str = ""
    final: str = NAME
    backfill_seconds: float = Field(default=2.0, ge=0.0, le=60.0)
    pace: float = Field(default=2.0, ge=1.0, le=100.0)
    ahead_seconds: float = Field(default=50.0, ge=5.0, le=60.0)
    patience_seconds: float = Field(default=60.0, ge=1.0)
    attempts: int = Field(default=4, ge=1)
    retry_seconds: float = Field(default=1.0, ge=0.0)


@attrs.frozen(kw_only=True)
class Access(Credentials):
    """Endpoint and credentials of the Speech resource.

    Attributes:
        region: the resource's region, or empty if there is an endpoint.
        endpoint: the resource's address, with a path.
        resource_id: the resource's id in Azure, needed for a credential with a region.
    """

    region: str = ""
    endpoint: str = attrs.field(default="", repr=masked_repr)
    resource_id: str = ""

    def token_provider(self) -> TokenProvider:
        """Return a provider of tokens in the form that the SDK needs."""
        # A region is shared by many resources: the token alone does not name one
        # (docs/protocol/batch-and-fast-rest.md, 1).
        return TokenProvider(self, prefix="" if self.endpoint else f"aad#{self.resource_id}#")


def need_sdk() -> None:
    """Check that the Speech SDK is installed; it is not imported.

    Raises:
        MissingExtraError: the SDK is not installed.
    """
    need_packages("realtime", "azure.cognitiveservices.speech")


def realtime_options(settings: Settings) -> RealtimeOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong.
    """
    return parse_options(RealtimeOptions, NAME, settings.backends.get(NAME, {}))


def access_of(options: RealtimeOptions, settings: Settings) -> Access:
    """Return endpoint and credentials; missing values come from the program's configuration.

    Raises:
        ConfigurationError: an option that is needed is missing.
        MissingExtraError: azure-identity is needed and not installed.
    """
    service = settings.service
    region, endpoint = options.region, options.endpoint
    if not (region or endpoint):
        region, endpoint = service.region, service.endpoint
    if not (region or endpoint):
        raise missing_option(NAME, "region or endpoint", "of your Speech resource")
    endpoint = _endpoint(endpoint)
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
        region="" if endpoint else region,
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
            f"The endpoint names the retired service ({parts.path}): leave it out and give the"
            " region instead."
        )
    return parts._replace(path=_PATH).geturl() if parts.path in ("", "/") else endpoint
