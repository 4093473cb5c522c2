"""Options that the backends on Azure's REST services share: endpoint and speakers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

from pydantic import Field, SecretStr

from speech_adapters.azure.credentials import Credentials, TokenProvider, check_credentials
from speech_adapters.azure.speakers import MOST_SPEAKERS
from speech_adapters.config import Options, Service, Settings, missing_option, parse_options

if TYPE_CHECKING:
    import httpx
    from anyio import CapacityLimiter

    from speech_adapters.azure.http import ServiceClient

__all__ = [
    "ClientOptions",
    "ServiceOptions",
    "address",
    "request_auth",
    "resource_options",
    "service_client",
    "service_options",
]

# Sovereign clouds have their own hosts (docs/protocol/batch-and-fast-rest.md, 1).
_CLOUDS: Final = {
    "usgov": "api.cognitive.microsoft.us",
    "china": "api.cognitive.azure.cn",
    "": "api.cognitive.microsoft.com",
}


class ClientOptions(Options):
    """Options of every client of a REST service.

    Attributes:
        key: key of the Speech resource; or
        credential: ``default`` for azure-identity's DefaultAzureCredential, which
            needs a custom domain.
        retry_seconds: upper limit of the first pause after a failed request.
        result_minutes: longest time of a request that has audio or a result, in minutes.
        result_megabytes: largest result after decompression, in millions of bytes.
        deadline_hours: a meeting that takes longer, to be sent or to be transcribed, fails,
            and can be resumed; 0 for no deadline.
    """

    key: SecretStr = SecretStr("")
    credential: Literal["", "default"] = ""
    retry_seconds: float = Field(default=1.0, ge=0.0)
    result_minutes: float = Field(default=60.0, gt=0.0)
    result_megabytes: float = Field(default=2048.0, gt=0.0)
    deadline_hours: float = Field(default=48.0, ge=0.0)


class ServiceOptions(ClientOptions):
    """Options of every backend on Azure's REST services.

    Attributes:
        region: the Speech resource's region; or
        endpoint: its custom domain, ``https://NAME.cognitiveservices.azure.com``.
        max_speakers: largest number of speakers, 2 to 35, if the program names neither a
            number nor participants.  Two voices with one number are a larger error than one
            voice with two, so the default is the largest that other clients choose.
    """

    region: str = ""
    endpoint: str = ""
    max_speakers: int = Field(default=10, ge=2, le=MOST_SPEAKERS)


OptionsT = TypeVar("OptionsT", bound=ServiceOptions)


def service_options(model: type[OptionsT], backend: str, settings: Settings) -> OptionsT:
    """Return a backend's options; missing values come from the program's configuration.

    Raises:
        ConfigurationError: an option is wrong, or one that is needed is missing.
    """
    options = resource_options(model, backend, settings)
    check_credentials(backend, options, settings.service)
    return options


def resource_options(model: type[OptionsT], backend: str, settings: Settings) -> OptionsT:
    """Return a backend's options as :func:`service_options`, also without a credential.

    Raises:
        ConfigurationError: an option is wrong, or the resource is not named.
    """
    options = parse_options(model, backend, settings.backends.get(backend, {}))
    options = options.model_copy(update=_from_program(options, settings.service))
    if not (options.region or options.endpoint):
        raise missing_option(backend, "region or endpoint", "of your Speech resource")
    return options


def address(options: ServiceOptions) -> str:
    """Return the address to which all paths are added."""
    if options.endpoint:
        return f"{options.endpoint.rstrip('/')}/speechtotext"
    cloud = next(host for prefix, host in _CLOUDS.items() if options.region.startswith(prefix))
    return f"https://{options.region}.{cloud}/speechtotext"


def service_client(
    base: str,
    options: ClientOptions,
    credentials: Credentials,
    limiter: CapacityLimiter | None = None,
) -> ServiceClient:
    """Return a client of a service.

    Args:
        base: the address to which all paths are added.
        options: retry policy and limits.
        credentials: what every request is signed in with.
        limiter: limits the worker threads in which tokens are requested.
    """
    # Not imported before it is needed: httpx may be missing.
    from speech_adapters.azure.http import RetryPolicy, ServiceClient
    from speech_adapters.azure.limits import AnswerLimits

    auth = request_auth(credentials, limiter)
    limits = AnswerLimits(
        result_bytes=int(options.result_megabytes * 1_000_000),
        result_seconds=options.result_minutes * 60,
    )
    return ServiceClient(base, auth, RetryPolicy(first=options.retry_seconds), limits=limits)


def request_auth(credentials: Credentials, limiter: CapacityLimiter | None = None) -> httpx.Auth:
    """Return what signs requests in: with a key, or with a token that is read for each request.

    Args:
        credentials: the credential.
        limiter: limits the worker threads in which tokens are requested.
    """
    from speech_adapters.azure.http import KeyAuth, TokenAuth

    if credentials.key:
        return KeyAuth(credentials.key)
    return TokenAuth(TokenProvider(credentials), limiter)


def _from_program(options: ServiceOptions, service: Service) -> dict[str, str]:
    """Return region and endpoint of the program, if the options name neither."""
    if options.region or options.endpoint:
        return {}
    # The address of a websocket belongs to the real-time service only.
    endpoint = service.endpoint if service.endpoint.startswith("http") else ""
    return {"region": service.region, "endpoint": endpoint}
