"""Settings from the program, the environment and a file, in this order of precedence.

1. properties of the program's configuration whose names begin with
   ``speech-compat.``; the facade passes them without that prefix;
2. environment variables: ``SPEECH_COMPAT_BACKEND``, and with two underscores for
   a dot ``SPEECH_COMPAT_BACKENDS__LOCAL__MODEL_PATH``;
3. the selected profile, a table ``[profiles.NAME]`` of a file;
4. ``speech-compat.toml``, then the table ``[tool.speech-compat]`` of ``pyproject.toml``, each in
   the working directory or the nearest folder above it; or only the file that
   ``SPEECH_COMPAT_CONFIG`` names;
5. the defaults below.

:mod:`speech_adapters.settings_sources` reads them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from speech_adapters.errors import ConfigurationError
from speech_adapters.installed import entry_points
from speech_adapters.masking import mask
from speech_adapters.plain_settings import default_state_dir, shipped_backends
from speech_adapters.setting_names import closest, environment_name
from speech_adapters.settings_errors import (
    describe_problems,
    origin_of,
    set_in,
    wrong_settings,
)
from speech_adapters.settings_sources import merge, read_layers

__all__ = [
    "GROUP",
    "DaskOptions",
    "Options",
    "Service",
    "Settings",
    "StoreOptions",
    "UserPath",
    "load_settings",
    "load_settings_with_origins",
    "missing_option",
    "parse_options",
    "store_options_from_environment",
]

# Entry points of backends; see :mod:`speech_adapters.registry`.
GROUP: Final = "speech_adapters.backends"


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:  # the user after the tilde has no home folder
        raise ValueError(str(error)) from None


# A path whose "~" is replaced by the home folder of the user.
UserPath = Annotated[Path, AfterValidator(_expanded)]


class _Masked(BaseModel):
    """A model whose ``repr`` shows no secrets, for logs and tracebacks with local variables."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Return the fields as ``repr`` and ``str`` show them."""
        for name, value in super().__repr_args__():
            # An endpoint or an account's address may contain a signature.
            yield name, mask(value) if isinstance(value, str) else value


class Service(_Masked):
    """The resource named in the program's configuration; a backend's own options override it.

    The precedence of the credentials is described in :mod:`speech_adapters.azure.credentials`.

    Attributes:
        key: subscription key of the Speech resource.
        region: its region.
        endpoint: its address, HTTP or websocket.
        credential: an azure-identity credential; can only come from a program.
        token: a function that returns the token valid at the time of the call, called
            for every request; can only come from a program.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    key: SecretStr = SecretStr("")
    region: str = ""
    endpoint: str = ""
    # Any: azure-identity is an optional package, and these must not appear in logs.
    credential: Any = Field(default=None, repr=False)
    token: Any = Field(default=None, repr=False)


class StoreOptions(_Masked):
    """The database of the meeting store; by default an SQLite file in the state folder.

    Attributes:
        url: the address of a PostgreSQL database, with user and password as far as it needs
            them; empty for SQLite.
        audio_dir: the folder of the audio, which all processes of the database share; ``None``
            for a folder in the state folder.  Only for PostgreSQL.
        lease_seconds: how long a lock outlives a process that was killed, and how long the
            server may be unreachable before another process can take a lock.
        connections: how many connections a process has at most, besides one for its locks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr = SecretStr("")
    audio_dir: Annotated[
        UserPath | None,
        BeforeValidator(lambda value: value or None),
        # The program may change its working directory, and children may have another.
        AfterValidator(lambda path: path and path.absolute()),
    ] = None
    lease_seconds: float = Field(default=15.0, ge=1.0, le=3600.0)
    connections: int = Field(default=4, ge=1, le=100)

    @field_validator("url")
    @classmethod
    def _of_postgres(cls, url: SecretStr) -> SecretStr:
        address = url.get_secret_value()
        if address and not address.startswith(("postgresql://", "postgres://")):
            raise ValueError("it must begin with postgresql://, or be empty for SQLite")
        return url

    @property
    def plain(self) -> dict[str, str]:
        """The options as texts, the secret ones too, for a child process."""
        return {
            "url": self.url.get_secret_value(),
            "audio_dir": str(self.audio_dir or ""),
            "lease_seconds": str(self.lease_seconds),
            "connections": str(self.connections),
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which a child process opens the same store."""
        return {environment_name(f"store.{name}"): text for name, text in self.plain.items()}


class DaskOptions(_Masked):
    """The Dask cluster that processes stored meetings, if the setting ``executor`` is ``dask``.

    Attributes:
        scheduler: the address of its scheduler, ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
        connect_seconds: how long a connection to the scheduler may take.
        resources: the resources that a worker needs for the recordings of a backend, such as
            ``{"local": {"GPU": 1}}``.
        tls_ca_file: the certificate of the authority, for an address with ``tls``; by default
            Dask's own configuration names this and the next two.
        tls_cert: the certificate of this program.
        tls_key: its private key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheduler: str = ""
    connect_seconds: float = Field(default=5.0, gt=0.0, le=600.0)
    resources: dict[str, dict[str, Annotated[float, Field(gt=0.0)]]] = Field(default_factory=dict)
    tls_ca_file: UserPath | None = None
    tls_cert: UserPath | None = None
    tls_key: UserPath | None = None

    @field_validator("scheduler")
    @classmethod
    def _of_scheduler(cls, address: str) -> str:
        parts = urlsplit(address)
        # Reading the port raises ValueError for one that is no number.
        if address and not (parts.scheme in ("tcp", "tls") and parts.hostname and parts.port):
            raise ValueError("it must be an address like tcp://HOST:8786 or tls://HOST:8786")
        return address


class Settings(_Masked):
    """All settings, validated.

    Attributes:
        backend: name of the backend that serves meetings.
        profile: name of the profile whose settings are used; empty for none.
        state_dir: the folder of the meeting store and its audio spool.
        strict: refuse a meeting if any requested feature would be lost.
        downmix: the mix of several channels to one: ``auto``, ``average``, ``sum``,
            ``first`` or ``channel:N`` (see :func:`speech_adapters.audio.mix_down`).
        corrections: whether an utterance is sent again when its speaker turns out to be
            another one, as the retired service did.
        keep_audio: whether the audio of stored meetings stays until they are deleted.
        take_over_seconds: how long a stored meeting stays open after its program died, so
            that another one can take it over; afterwards a sweep ends it.
        executor: where stored meetings are processed: ``processes`` of this machine, or the
            cluster ``dask``.
        store: the database of the meeting store.
        dask: the cluster.
        service: the resource named in the program's configuration.
        backends: options of each backend by its name; each backend validates its own.
        gateway: options of the gateway, which validates them itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: str = "local"
    profile: str = ""
    state_dir: UserPath = Field(default_factory=default_state_dir)
    strict: bool = False
    downmix: str = "auto"
    corrections: bool = True
    keep_audio: bool = False
    take_over_seconds: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    executor: Literal["processes", "dask"] = "processes"
    store: StoreOptions = StoreOptions()
    dask: DaskOptions = DaskOptions()
    service: Service = Service()
    backends: dict[str, dict[str, Any]] = Field(default_factory=dict)
    gateway: dict[str, Any] = Field(default_factory=dict, repr=False)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Return the fields for ``repr``; of the backends' options only the names.

        Which of them are secret is known to each backend only.
        """
        for name, value in super().__repr_args__():
            if name == "backends":
                yield name, {backend: sorted(options) for backend, options in value.items()}
            else:
                yield name, value


class Options(_Masked):
    """Base of a backend's own options; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_settings(properties: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from all sources.

    Args:
        properties: settings of the program by dotted name, as in
            ``{"backend": "local", "backends.local.model_path": "/models/x"}``.

    Raises:
        ConfigurationError: a file cannot be read or is not TOML, a name or the selected profile
            is unknown, or a value is invalid.
    """
    return load_settings_with_origins(properties)[0]


def load_settings_with_origins(
    properties: Mapping[str, Any] | None = None,
) -> tuple[Settings, dict[str, str]]:
    """Read the settings, and the origin of each by its dotted name; defaults have none.

    An origin is the path of a file, with the profile if it is from one, the name of an
    environment variable, or ``the program``.

    Raises:
        ConfigurationError: as :func:`load_settings`.
    """
    layers = read_layers(properties or {})
    # Those that are not selected too: a misspelled name would be found only when it is too late.
    for _, profile in layers.profiles:
        _validated(*merge([profile]))
    values, origins = merge(layers.used)
    return _validated(values, origins), origins


def store_options_from_environment() -> StoreOptions:
    """Return the options of the store by the environment alone, as a child process has them.

    Raises:
        ConfigurationError: a value is invalid.
    """
    variables = {name: environment_name(f"store.{name}") for name in StoreOptions.model_fields}
    found = {name: os.environ[v] for name, v in variables.items() if v in os.environ}
    origins = {f"store.{name}": variables[name] for name in found}
    return _validated({"store": found}, origins).store


OptionsT = TypeVar("OptionsT", bound=Options)


def parse_options(
    model: type[OptionsT],
    backend: str,
    options: Mapping[str, Any],
    kind: str = "option of backend",
    table: str = "",
) -> OptionsT:
    """Validate a backend's own options, or those of another table of the settings.

    Args:
        model: the class of the options.
        backend: the name of the backend or table, for messages.
        options: the options by name, as in :attr:`Settings.backends`.
        kind: what precedes the name in messages.
        table: the dotted name of the table; by default that of the backend.

    Raises:
        ConfigurationError: a name is unknown or a value is invalid.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        problems = describe_problems(error, model, f"{table or f'backends.{backend}'}.", {})
        raise wrong_settings(f"{kind} {backend!r}", problems) from None


def missing_option(backend: str, names: str, what: str) -> ConfigurationError:
    """Return the error for an option of a backend that is needed and not set."""
    return ConfigurationError(
        f"The {backend} backend needs backends.{backend}.{names} {what}: see docs/configuration.md."
    )


def _validated(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        # The original error holds the values, among them keys.
        raise wrong_settings("setting", describe_problems(error, Settings, "", origins)) from None
    tables = [f"backends.{name}" for name in settings.backends]
    tables += [f"dask.resources.{name}" for name in settings.dask.resources]
    unknown = [table for table in tables if not _is_backend(table.rpartition(".")[2])]
    if unknown:
        raise wrong_settings("setting", [_unknown_backend(table, origins) for table in unknown])
    return settings


def _is_backend(name: str) -> bool:
    # The scan of all installed packages costs more than the rest of a load.
    return name in shipped_backends() or name in _installed_backends()


def _installed_backends() -> frozenset[str]:
    return frozenset(point.name for point in entry_points(group=GROUP))


def _unknown_backend(table: str, origins: Mapping[str, str]) -> str:
    known = shipped_backends() | _installed_backends()
    hint = closest(table.rpartition(".")[2], known) or f"; there are {', '.join(sorted(known))}"
    return f"{table}: there is no such backend{hint}{set_in(origin_of(table, origins))}"
