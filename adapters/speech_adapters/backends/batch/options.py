"""The options of the batch backend."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, SecretStr

from speech_adapters.azure.endpoint import ServiceOptions, missing, service_options
from speech_adapters.config import Settings

__all__ = ["NAME", "BatchOptions", "batch_options", "has_storage", "need_storage"]

NAME: Final = "batch"


class BatchOptions(ServiceOptions):
    """Options of ``backends.batch``, beside those of :class:`ServiceOptions`.

    Attributes:
        api_version: ``2025-10-15``, ``2024-11-15`` or ``v3.2``.
        storage_connection_string: of the storage account that audio is uploaded to; or
        storage_account_url: ``https://NAME.blob.core.windows.net``, with the credential.
        storage_container: made when missing.
        channels: of several, ``mix`` makes one (setting ``downmix``); ``split`` has each
            transcribed by itself, speakers told apart within it; ``speakers`` takes each
            for one speaker.
        audio_access: ``sas`` signs the audio's address; ``plain`` leaves it to the Speech
            resource's own identity (trusted service).
        sas_hours: how long the service may read the audio: a day at least, which its
            queue may take, and 7 days at most, as a signature by an identity can last.
        keep_audio: leave the audio in the storage account after the result.
        ttl_hours: how long the service keeps job and result, 6 hours to 31 days.
        poll_seconds: shortest time between two questions about a job.
        warn_hours: a job that takes longer is warned about in the log, once.
        deadline_hours: a meeting that takes longer has failed, until it is resumed; 0
            for none.
    """

    api_version: Literal["2025-10-15", "2024-11-15", "v3.2"] = "2025-10-15"
    storage_connection_string: SecretStr = SecretStr("")
    storage_account_url: str = ""
    storage_container: str = "speech-compat"
    channels: Literal["mix", "split", "speakers"] = "mix"
    audio_access: Literal["sas", "plain"] = "sas"
    sas_hours: int = Field(default=48, ge=24, le=168)
    keep_audio: bool = False
    ttl_hours: int = Field(default=48, ge=6, le=744)
    poll_seconds: float = Field(default=60.0, ge=0.0)
    warn_hours: float = Field(default=6.0, gt=0.0)
    deadline_hours: float = Field(default=48.0, ge=0.0)


def batch_options(settings: Settings) -> BatchOptions:
    """Take this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong, or one that is needed is missing.
    """
    return service_options(BatchOptions, NAME, settings)


def has_storage(options: BatchOptions) -> bool:
    """Whether a storage account is named."""
    return bool(options.storage_connection_string.get_secret_value() or options.storage_account_url)


def need_storage(options: BatchOptions) -> None:
    """Check that a storage account is named.

    Raises:
        ConfigurationError: none is.
    """
    if not has_storage(options):
        raise missing(
            NAME,
            "storage_connection_string or storage_account_url",
            "of a storage account, where the service reads the audio",
        )
