"""The checks of the batch backend: the service, the storage account, the length of a file."""

from __future__ import annotations

import base64
import math
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

import attrs

from speech_adapters.azure.credentials import choose_credentials, storage_credential
from speech_adapters.azure.diagnose import (
    Contact,
    Reply,
    contact_checks,
    request_once,
    resource_checks,
)
from speech_adapters.azure.endpoint import address
from speech_adapters.backends.batch.api import Api
from speech_adapters.backends.batch.chunks import LARGEST_BYTES, LONGEST_SECONDS
from speech_adapters.backends.batch.options import (
    NAME,
    BatchOptions,
    batch_options,
    check_storage_credential,
    need_storage,
)
from speech_adapters.config import Settings, parse_options
from speech_adapters.diagnosis import (
    AUDIO,
    AudioFile,
    Check,
    Finding,
    Subject,
    failed,
    ok,
    package_check,
    warning,
)
from speech_adapters.errors import ConfigurationError

__all__ = ["backend_checks", "signature_finding"]

_PACKAGES: Final = {
    "httpx": "httpx",
    "tenacity": "tenacity",
    "azure.storage.blob": "azure-storage-blob",
}
# What is done with blobs, by the letters of a SAS: read, write, delete.
_NEEDED: Final = {"r": "read", "w": "write", "d": "delete"}
_NEW_SAS: Final = (
    "Create a new SAS with the permissions read, write, create and delete, or use the connection"
    " string with the account key."
)


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend."""
    return tuple(_checks(subject))


def _checks(subject: Subject) -> Iterator[Check]:
    settings = subject.settings
    yield package_check(NAME, _PACKAGES)
    if _sends_flac(settings):
        packages = package_check("audio", {"av": "av"})
        yield attrs.evolve(packages, id="flac", title="Packages for FLAC")

    yield from resource_checks(BatchOptions, NAME, settings)
    yield Check("storage", "Storage account", lambda: _storage(settings))
    yield from contact_checks(_contact(settings), signs=True, version=_version(settings))
    yield Check("storage_access", "Storage access", lambda: _access(settings), online=True)
    if subject.audio is not None:
        audio = subject.audio
        yield Check(AUDIO, "Audio file", lambda: _audio(audio, settings))


def _sends_flac(settings: Settings) -> bool:
    try:
        return _table(settings).flac
    except ConfigurationError:  # the check of the endpoint reports it
        return False


def _version(settings: Settings) -> str:
    try:
        return _table(settings).api_version
    except ConfigurationError:  # the check of the endpoint reports it
        return ""


def _table(settings: Settings) -> BatchOptions:
    return parse_options(BatchOptions, NAME, settings.backends.get(NAME, {}))


def _contact(settings: Settings) -> Contact:
    async def send() -> Reply:
        options = batch_options(settings)
        api = Api(options.api_version)
        # The list of jobs, of which one is enough: it costs nothing and changes nothing.
        return await request_once(
            address(options),
            api.collection,
            {**api.params, "top": "1"},
            lambda: choose_credentials(NAME, options, settings.service),
        )

    return Contact(lambda: address(batch_options(settings)), send)


async def _storage(settings: Settings) -> Finding:
    options = _table(settings)
    need_storage(options)
    check_storage_credential(options, settings.service)
    secret = options.storage_connection_string.get_secret_value()
    query = urlsplit(options.storage_account_url).query
    if secret:
        parts = dict(part.split("=", 1) for part in secret.split(";") if "=" in part)
        if "AccountKey" in parts:
            return _key_finding(parts["AccountKey"], options)
        query = parts.get("SharedAccessSignature", "")
    if "sig=" in query:
        return signature_finding(query.removeprefix("?"), options)
    if secret:
        return failed(
            "The connection string has neither AccountKey nor SharedAccessSignature.",
            "Copy the connection string again from the access keys of the storage account.",
        )
    return ok(f"{urlsplit(options.storage_account_url).hostname} with an identity")


def _key_finding(key: str, options: BatchOptions) -> Finding:
    try:
        valid = bool(base64.b64decode(key, validate=True))
    except ValueError:
        valid = False
    if not valid:
        return failed(
            "The AccountKey of the connection string is no key: it is cut short or damaged.",
            "Copy the connection string again from the access keys of the storage account.",
        )
    return ok(
        "connection string with the account key; audio can be read for"
        f" {options.sas_hours} h by signed addresses (SAS)"
    )


def signature_finding(query: str, options: BatchOptions, now: datetime | None = None) -> Finding:
    """Return whether a shared access signature (SAS) of the settings can be used.

    Args:
        query: the signature, as the query of an address.
        options: the options of the backend.
        now: the present time, for tests.
    """
    now = now or datetime.now(UTC)
    fields = {name: values[-1] for name, values in parse_qs(query).items()}
    begin, end = _time(fields.get("st", "")), _time(fields.get("se", ""))
    # Without permissions in the signature, a policy of the container has them.
    allowed = fields.get("sp", "rwd" if "si" in fields else "")
    missing = [word for letter, word in _NEEDED.items() if letter not in allowed]
    if end is not None and end <= now:
        return failed(
            f"The SAS of the storage account expired on {end:%Y-%m-%d %H:%M} UTC.", _NEW_SAS
        )
    if begin is not None and begin > now:
        return failed(
            f"The SAS of the storage account is valid only from {begin:%Y-%m-%d %H:%M} UTC.",
            "Check the clock of this machine, or create a SAS that begins earlier.",
        )
    if missing:
        return failed(
            f"The SAS of the storage account does not permit to {', '.join(missing)}.", _NEW_SAS
        )
    if options.audio_access == "sas":
        return failed(
            "The storage account is named with a SAS, which cannot sign the addresses at which"
            " the service reads the audio.",
            "Use a connection string with the account key, or an identity"
            ' (backends.batch.credential = "default"), or set backends.batch.audio_access to'
            ' "plain" if the Speech resource itself may read the container.',
        )
    left = None if end is None else end - now
    if left is not None and left < timedelta(hours=options.deadline_hours):
        return warning(
            f"The SAS of the storage account expires in {left / timedelta(hours=1):.0f} h: audio"
            " of a meeting that is transcribed later could not be deleted.",
            f"Create a SAS that is valid for {options.deadline_hours:g} h or more.",
        )
    until = "" if end is None else f", valid until {end:%Y-%m-%d %H:%M} UTC"
    return ok(f"SAS with the permissions {allowed}{until}")


async def _access(settings: Settings) -> Finding:
    # Imported only here: it imports the packages of the extra.
    from speech_adapters.backends.batch.storage import Storage

    options = batch_options(settings)
    need_storage(options)
    storage = Storage(options, storage_credential(options, settings.service))
    try:
        await storage.try_out(f"speech-compat-doctor-{secrets.token_hex(8)}")
    finally:
        await storage.aclose()
    read = " at its signed address" if options.audio_access == "sas" else ""
    return ok(
        f"a small blob was written to the container {options.storage_container!r}, read{read},"
        " and deleted"
    )


async def _audio(audio: AudioFile, settings: Settings) -> Finding:
    options = _table(settings)
    split = audio.pcm.channels > 1 and options.channels != "mix"
    longest = LARGEST_BYTES / (2 * audio.pcm.sample_rate)
    if not (split and options.channels == "speakers"):
        longest = min(longest, LONGEST_SECONDS)
    parts = max(math.ceil(audio.seconds / longest), 1)
    how = f"{audio.pcm.channels} channels are sent separately" if split else "sent as mono"
    if parts > 1:
        return warning(
            f"It is cut into {parts} parts, each with speakers of its own, because the service"
            f" accepts {longest / 60:.0f} minutes of this format in one file.",
            "Record or cut long meetings in parts where the speakers change, or expect new"
            " speaker numbers in each part.",
        )
    return ok(how)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
