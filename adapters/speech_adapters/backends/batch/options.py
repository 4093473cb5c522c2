"""The options of the batch backend."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, SecretStr

from speech_adapters.azure.endpoint import ServiceOptions, service_options
from speech_adapters.config import Service, Settings, missing_option
from speech_adapters.errors import ConfigurationError
from speech_adapters.request import MeetingRequest

__all__ = [
    "NAME",
    "BatchOptions",
    "batch_options",
    "check_storage_credential",
    "has_storage",
    "need_storage",
    "punctuation_mode",
]

NAME: Final = "batch"


class BatchOptions(ServiceOptions):
    """Options of ``backends.batch``, beside those of :class:`ServiceOptions`.

    Attributes:
        api_version: ``2025-10-15``, ``2024-11-15`` or ``v3.2``.
        storage_connection_string: of the storage account for uploaded audio; or
        storage_account_url: ``https://NAME.blob.core.windows.net``, with the credential.
        storage_container: created if it is missing.
        upload_connections: how many blocks of 4 MB are uploaded at a time, by all meetings of
            the program together.
        flac: whether recordings are uploaded as FLAC, which is lossless and about half as large;
            it needs the extra ``audio``.
        channels: what happens to several channels: ``mix`` downmixes them (setting
            ``downmix``), ``split`` transcribes each separately and distinguishes speakers
            within it, ``speakers`` transcribes each as one speaker.
        audio_access: ``sas`` signs the audio's address; ``plain`` needs a Speech resource
            whose own identity may read the container (trusted service).
        sas_hours: how long the service may read the audio.  A job may wait in the queue
            for a day, and a signature by an identity lasts 7 days at most.
        keep_audio: whether the audio stays in the storage account after the result.
        ttl_hours: how long the service keeps job and result, 6 hours to 31 days.
        poll_seconds: shortest time between two queries of a job, in seconds.
        recordings_per_job: how many recordings of the same group share a job at most; 1 for a
            job each.
        group_seconds: how long a recording of a group waits for others, in seconds.
        warn_hours: a job that takes longer causes one warning in the log.
        model: address of a custom model of the Speech resource, for the request's language.
        punctuation: where punctuation comes from; empty for the service's default, or
            dictated and automatic if the program switches dictation on.
    """

    api_version: Literal["2025-10-15", "2024-11-15", "v3.2"] = "2025-10-15"
    storage_connection_string: SecretStr = SecretStr("")
    storage_account_url: str = ""
    storage_container: str = "speech-compat"
    # The library keeps 10 connections open; more would be opened for each block.
    upload_connections: int = Field(default=8, ge=1, le=10)
    flac: bool = False
    channels: Literal["mix", "split", "speakers"] = "mix"
    audio_access: Literal["sas", "plain"] = "sas"
    sas_hours: int = Field(default=48, ge=24, le=168)
    keep_audio: bool = False
    ttl_hours: int = Field(default=48, ge=6, le=744)
    poll_seconds: float = Field(default=60.0, ge=0.0)
    # The service accepts 1000 files in a job (docs/protocol/batch-and-fast-rest.md, 2.5).
    recordings_per_job: int = Field(default=100, ge=1, le=1000)
    group_seconds: float = Field(default=30.0, ge=0.0, le=3600.0)
    warn_hours: float = Field(default=6.0, gt=0.0)
    model: str = ""
    punctuation: Literal["", "None", "Dictated", "Automatic", "DictatedAndAutomatic"] = ""


def batch_options(settings: Settings) -> BatchOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong, or one that is needed is missing.
    """
    options = service_options(BatchOptions, NAME, settings)
    check_storage_credential(options, settings.service)
    return options


def punctuation_mode(request: MeetingRequest, options: BatchOptions) -> str:
    """Return the value of ``punctuationMode``, or an empty text for the service's default."""
    dictation = "DictatedAndAutomatic" if "dictation" in request.settings else ""
    return options.punctuation or dictation


def has_storage(options: BatchOptions) -> bool:
    """Return whether a storage account is named."""
    return bool(options.storage_connection_string.get_secret_value() or options.storage_account_url)


def need_storage(options: BatchOptions) -> None:
    """Check that a storage account is named.

    Raises:
        ConfigurationError: no storage account is named.
    """
    if not has_storage(options):
        raise missing_option(
            NAME,
            "storage_connection_string or storage_account_url",
            "of a storage account, where the service reads the audio",
        )


def check_storage_credential(options: BatchOptions, service: Service) -> None:
    """Refuse a storage account that no credential opens: the Speech resource's key does not.

    Raises:
        ConfigurationError: the account is named by its address, without a credential.
    """
    if options.storage_connection_string.get_secret_value() or not options.storage_account_url:
        return
    if not options.credential and service.credential is None:
        raise ConfigurationError(
            "backends.batch.storage_account_url needs an azure-identity credential, because Blob"
            " Storage accepts neither the key nor the token of the Speech resource: set"
            ' backends.batch.credential to "default", or use storage_connection_string instead.'
        )
