"""The options of the realtime backend, and whom it connects to."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import urlsplit

import attrs
from pydantic import Field, SecretStr

from speech_adapters.azure.endpoint import default_credential, is_installed
from speech_adapters.config import Options, Settings, parse_options
from speech_adapters.errors import ConfigurationError, MissingExtraError

__all__ = ["NAME", "Access", "RealtimeOptions", "access_of", "need_sdk", "realtime_options"]

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
        final: who transcribes the stored meeting: this backend, or another by its name,
            with the same audio.
        backfill_seconds: utterances of an unknown speaker are given a new speaker who
            appears within so many seconds after them; 0 leaves them unknown.
        pace: how much faster than real time audio may be sent; the SDK's own is 2.
        ahead_seconds: how much audio may be under way that nothing was heard of yet;
            more goes at the speed of speech only, and the SDK gives up at about 66
            (docs/protocol/speech-websocket.md, 3).
        patience_seconds: how long the service may be silent when all audio was sent.
        attempts: connections tried one after another without any progress.
        retry_seconds: pause before the second, doubled for each further one.
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


@attrs.frozen
class Access:
    """Whom to connect to, and as whom.

    Attributes:
        region: of the resource, or empty where there is an endpoint.
        endpoint: its address.
        key: its key, or empty where there is one of the following.
        credential: an azure-identity credential.
        token: what gives the token that is valid now.
        resource_id: goes before a credential's token where there is no endpoint.
    """

    region: str = ""
    endpoint: str = ""
    key: str = attrs.field(default="", repr=False)
    credential: Any = attrs.field(default=None, repr=False)
    token: Any = attrs.field(default=None, repr=False)
    resource_id: str = ""


def need_sdk() -> None:
    """Check that the Speech SDK is installed; it is not loaded.

    Raises:
        MissingExtraError: it is not.
    """
    if not is_installed("azure.cognitiveservices.speech"):
        raise MissingExtraError(
            "The realtime backend needs the package azure-cognitiveservices-speech, which is not"
            ' installed: pip install "speech-compat[realtime]"'
        )


def realtime_options(settings: Settings) -> RealtimeOptions:
    """Take this backend's options from the settings.

    Raises:
        ConfigurationError: one is wrong.
    """
    return parse_options(RealtimeOptions, NAME, settings.backends.get(NAME, {}))


def access_of(options: RealtimeOptions, settings: Settings) -> Access:
    """Give whom to connect to; what the options lack, the program may have said.

    Raises:
        ConfigurationError: something needed is missing.
        MissingExtraError: azure-identity is needed and not installed.
    """
    service = settings.service
    region, endpoint = options.region, options.endpoint
    if not (region or endpoint):
        region, endpoint = service.region, service.endpoint
    if not (region or endpoint):
        raise _missing("region or endpoint")
    access = Access(region="" if endpoint else region, endpoint=_endpoint(endpoint))
    key = options.key.get_secret_value()
    if key:
        return attrs.evolve(access, key=key)
    if options.credential:
        return _with_credential(access, default_credential(NAME), options.resource_id)
    if service.credential is not None:
        return _with_credential(access, service.credential, options.resource_id)
    if service.token is not None:
        return attrs.evolve(access, token=service.token)
    if service.key.get_secret_value():
        return attrs.evolve(access, key=service.key.get_secret_value())
    raise _missing("key or credential")


def _with_credential(access: Access, credential: Any, resource_id: str) -> Access:
    if not access.endpoint and not resource_id:
        raise ConfigurationError(
            "A credential with a region needs backends.realtime.resource_id too, or a custom"
            " domain as backends.realtime.endpoint instead of the region."
        )
    return attrs.evolve(access, credential=credential, resource_id=resource_id)


def _endpoint(endpoint: str) -> str:
    """Return an address with a path (docs/protocol/speech-websocket.md, 1)."""
    if not endpoint:
        return ""
    parts = urlsplit(endpoint)
    if _RETIRED in parts.path:
        raise ConfigurationError(
            f"The endpoint names the retired service ({parts.path}): leave it out and give the"
            " region instead."
        )
    return parts._replace(path=_PATH).geturl() if parts.path in ("", "/") else endpoint


def _missing(names: str) -> ConfigurationError:
    return ConfigurationError(
        f"The realtime backend needs backends.realtime.{names} of your Speech resource: see"
        " docs/configuration.md."
    )
