"""The options of the batch backend."""

from __future__ import annotations

import importlib.util
from typing import Any, Final, Literal

from pydantic import Field, SecretStr

from speech_adapters.config import Options, Service, Settings, parse_options
from speech_adapters.errors import ConfigurationError, MissingExtraError

__all__ = ["NAME", "BatchOptions", "address", "batch_options", "need_packages"]

NAME: Final = "batch"
_PACKAGES: Final = ("httpx", "tenacity", "azure.storage.blob")
# Sovereign clouds have hosts of their own (facts of batch and fast REST, 1).
_CLOUDS: Final = {
    "usgov": "api.cognitive.microsoft.us",
    "china": "api.cognitive.azure.cn",
    "": "api.cognitive.microsoft.com",
}


class BatchOptions(Options):
    """Options of ``backends.batch``.

    Attributes:
        api_version: ``2025-10-15``, ``2024-11-15`` or ``v3.2``.
        region: the Speech resource's region; or
        endpoint: its custom domain, ``https://NAME.cognitiveservices.azure.com``.
        key: its key; or
        credential: ``default`` for azure-identity's DefaultAzureCredential, which
            needs a custom domain.
        storage_connection_string: of the storage account that audio is uploaded to; or
        storage_account_url: ``https://NAME.blob.core.windows.net``, with the credential.
        storage_container: made when missing.
        audio_access: ``sas`` signs the audio's address; ``plain`` leaves it to the Speech
            resource's own identity (trusted service).
        sas_hours: how long the service may read the audio; its queue may take a day.
        keep_audio: leave the audio in the storage account after the result.
        ttl_hours: how long the service keeps job and result, 6 hours to 31 days.
        max_speakers: how many speakers at most, 2 to 35, where the program does not say.
        poll_seconds: shortest time between two questions about a job.
        retry_seconds: first pause after a failed request.
    """

    api_version: Literal["2025-10-15", "2024-11-15", "v3.2"] = "2025-10-15"
    region: str = ""
    endpoint: str = ""
    key: SecretStr = SecretStr("")
    credential: Literal["", "default"] = ""
    storage_connection_string: SecretStr = SecretStr("")
    storage_account_url: str = ""
    storage_container: str = "speech-compat"
    audio_access: Literal["sas", "plain"] = "sas"
    sas_hours: int = Field(default=48, ge=1, le=168)
    keep_audio: bool = False
    ttl_hours: int = Field(default=48, ge=6, le=744)
    max_speakers: int = Field(default=2, ge=2, le=35)
    poll_seconds: float = Field(default=60.0, ge=0.0)
    retry_seconds: float = Field(default=1.0, ge=0.0)


def batch_options(settings: Settings) -> BatchOptions:
    """Take this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong, or one that is needed is missing.
    """
    options = parse_options(BatchOptions, NAME, settings.backends.get(NAME, {}))
    options = options.model_copy(update=_of_program(options, settings.service))
    if not (options.region or options.endpoint):
        raise _missing("region or endpoint", "of your Speech resource")
    if not (options.key.get_secret_value() or options.credential):
        raise _missing("key or credential", "of your Speech resource")
    if not (options.storage_connection_string.get_secret_value() or options.storage_account_url):
        raise _missing(
            "storage_connection_string or storage_account_url",
            "of a storage account, where the service reads the audio",
        )
    return options


def _of_program(options: BatchOptions, service: Service) -> dict[str, Any]:
    """Give what the program itself says where the options do not."""
    found: dict[str, Any] = {}
    if not (options.region or options.endpoint):
        found = {"region": service.region, "endpoint": service.endpoint}
    if not (options.key.get_secret_value() or options.credential):
        found["key"] = service.key
    return found


def address(options: BatchOptions) -> str:
    """Give the address that all paths are added to."""
    if options.endpoint:
        return f"{options.endpoint.rstrip('/')}/speechtotext"
    cloud = next(host for prefix, host in _CLOUDS.items() if options.region.startswith(prefix))
    return f"https://{options.region}.{cloud}/speechtotext"


def need_packages() -> None:
    """Check that the extra is installed.

    Raises:
        MissingExtraError: it is not.
    """
    for name in _PACKAGES:
        if importlib.util.find_spec(name.split(".", maxsplit=1)[0]) is None:
            raise MissingExtraError(
                f"The batch backend needs the package {name}, which is not installed:"
                ' pip install "speech-compat[batch]"'
            )


def _missing(names: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The batch backend needs backends.batch.{names} {what}: see docs/configuration.md."
    )
