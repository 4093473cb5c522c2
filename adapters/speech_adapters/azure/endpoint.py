"""What the backends on Azure's REST services share: address, credential, packages."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr

from speech_adapters.config import Options, Service, Settings, parse_options
from speech_adapters.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from speech_adapters.azure.http import ServiceClient

__all__ = [
    "MOST_SPEAKERS",
    "ServiceOptions",
    "address",
    "credential_of",
    "default_credential",
    "is_installed",
    "missing",
    "need_packages",
    "service_client",
    "service_options",
]

# The service refuses more (docs/protocol/batch-and-fast-rest.md, 2.5).
MOST_SPEAKERS: Final = 35
# Sovereign clouds have hosts of their own (docs/protocol/batch-and-fast-rest.md, 1).
_CLOUDS: Final = {
    "usgov": "api.cognitive.microsoft.us",
    "china": "api.cognitive.azure.cn",
    "": "api.cognitive.microsoft.com",
}


class ServiceOptions(Options):
    """Options of every backend on Azure's REST services.

    Attributes:
        region: the Speech resource's region; or
        endpoint: its custom domain, ``https://NAME.cognitiveservices.azure.com``.
        key: its key; or
        credential: ``default`` for azure-identity's DefaultAzureCredential, which
            needs a custom domain.
        max_speakers: how many speakers at most, 2 to 35, where the program does not say.
        retry_seconds: first pause after a failed request.
    """

    region: str = ""
    endpoint: str = ""
    key: SecretStr = SecretStr("")
    credential: Literal["", "default"] = ""
    max_speakers: int = Field(default=2, ge=2, le=MOST_SPEAKERS)
    retry_seconds: float = Field(default=1.0, ge=0.0)


OptionsT = TypeVar("OptionsT", bound=ServiceOptions)


def service_options(model: type[OptionsT], backend: str, settings: Settings) -> OptionsT:
    """Take a backend's options from the settings; what they lack, the program may have said.

    Raises:
        ConfigurationError: an option is wrong, or one that is needed is missing.
    """
    options = parse_options(model, backend, settings.backends.get(backend, {}))
    options = options.model_copy(update=_of_program(options, settings.service))
    if not (options.region or options.endpoint):
        raise missing(backend, "region or endpoint", "of your Speech resource")
    if not (options.key.get_secret_value() or options.credential or settings.service.credential):
        raise missing(backend, "key or credential", "of your Speech resource")
    return options


def missing(backend: str, names: str, what: str) -> ConfigurationError:
    """Give the error for options that are needed."""
    return ConfigurationError(
        f"The {backend} backend needs backends.{backend}.{names} {what}: see docs/configuration.md."
    )


def address(options: ServiceOptions) -> str:
    """Give the address that all paths are added to."""
    if options.endpoint:
        return f"{options.endpoint.rstrip('/')}/speechtotext"
    cloud = next(host for prefix, host in _CLOUDS.items() if options.region.startswith(prefix))
    return f"https://{options.region}.{cloud}/speechtotext"


def credential_of(options: ServiceOptions, service: Service) -> Any:
    """Give the azure-identity credential that the options name, or else the program's.

    ``None`` where there is neither.

    Raises:
        MissingExtraError: azure-identity is not installed.
    """
    return default_credential("batch") if options.credential else service.credential


def default_credential(extra: str) -> Any:
    """Give azure-identity's DefaultAzureCredential; ``extra`` is what installs the package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise _absent("azure-identity", extra) from error
    return DefaultAzureCredential()


def service_client(options: ServiceOptions, credential: Any) -> ServiceClient:
    """Give the client of the service that the options name, by key or else credential."""
    # Not before it is needed: the packages may be missing, and that is said elsewhere.
    from speech_adapters.azure.http import KeyAuth, Patience, ServiceClient, TokenAuth

    key = options.key.get_secret_value()
    auth = KeyAuth(key) if key else TokenAuth(credential)
    return ServiceClient(address(options), auth, Patience(first=options.retry_seconds))


def need_packages(*names: str) -> None:
    """Check that packages of the extra ``batch`` are installed.

    Raises:
        MissingExtraError: one is not.
    """
    for name in names:
        if not is_installed(name):
            raise _absent(name, "batch")


def is_installed(name: str) -> bool:
    """Whether a package is there; it is not loaded."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def _absent(name: str, extra: str) -> MissingExtraError:
    return MissingExtraError(
        f"Azure's services need the package {name}, which is not installed:"
        f' pip install "speech-compat[{extra}]"'
    )


def _of_program(options: ServiceOptions, service: Service) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not (options.region or options.endpoint):
        # A websocket means nothing to these services.
        endpoint = service.endpoint if service.endpoint.startswith("http") else ""
        found = {"region": service.region, "endpoint": endpoint}
    if not (options.key.get_secret_value() or options.credential):
        found["key"] = service.key
    return found
