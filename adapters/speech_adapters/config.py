"""Settings from the program, the environment and a file, in this order of precedence.

1. properties of the program's configuration whose names begin with
   ``speech-compat.``; the facade passes them without that prefix;
2. environment variables: ``SPEECH_COMPAT_BACKEND``, and with two underscores for
   a dot ``SPEECH_COMPAT_BACKENDS__LOCAL__MODEL_PATH``;
3. ``speech-compat.toml``, or the table ``[tool.speech-compat]`` of
   ``pyproject.toml``, in the working directory or the nearest folder above it;
4. the defaults below.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from speech_adapters.errors import ConfigurationError
from speech_adapters.masking import mask

__all__ = [
    "Options",
    "Service",
    "Settings",
    "load_settings",
    "missing_option",
    "parse_options",
]

_FILE: Final = "speech-compat.toml"


def _state_dir() -> Path:
    return platformdirs.user_state_path("speech-compat", appauthor=False)


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


class Settings(_Masked, BaseSettings):
    """All settings, validated.

    Attributes:
        backend: name of the backend that serves meetings.
        state_dir: the folder of the meeting store and its audio spool.
        strict: refuse a meeting if any requested feature would be lost.
        downmix: the mix of several channels to one: ``auto``, ``average``, ``sum``,
            ``first`` or ``channel:N`` (see :func:`speech_adapters.audio.mix_down`).
        corrections: whether an utterance is sent again when its speaker turns out to be
            another one, as the retired service did.
        keep_audio: whether the audio of stored meetings stays until they are deleted.
        take_over_seconds: how long a stored meeting stays open after its program died, so
            that another one can take it over; afterwards a sweep ends it.
        service: the resource named in the program's configuration.
        backends: options of each backend by its name; each backend validates its own.
        gateway: options of the gateway, which validates them itself.
    """

    model_config = SettingsConfigDict(
        env_prefix="SPEECH_COMPAT_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    backend: str = "local"
    state_dir: Path = Field(default_factory=_state_dir)
    strict: bool = False
    downmix: str = "auto"
    corrections: bool = True
    keep_audio: bool = False
    take_over_seconds: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order of precedence; ``.env`` and secret files are not read."""
        # Both files are looked up here, at every load: the working directory may change.
        file = _find_upward(_FILE)
        project = _find_upward("pyproject.toml")
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if file is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, file))
        if project is not None:
            sources.append(InitSettingsSource(settings_cls, _project_table(project)))
        return tuple(sources)


class Options(_Masked):
    """Base of a backend's own options; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_settings(properties: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from all sources.

    Args:
        properties: settings of the program by dotted name, as in
            ``{"backend": "local", "backends.local.model_path": "/models/x"}``.

    Raises:
        ConfigurationError: a file cannot be read or is not TOML, a name is unknown, or
            a value is invalid.
    """
    try:
        return Settings(**_nested(properties or {}))
    except ValidationError as error:
        # The original error holds the values, among them keys.
        raise ConfigurationError(_explain("setting", error)) from None
    except (SettingsError, ValueError, OSError) as error:
        raise ConfigurationError(f"The settings cannot be read: {error}.") from error


OptionsT = TypeVar("OptionsT", bound=Options)


def parse_options(
    model: type[OptionsT],
    backend: str,
    options: Mapping[str, Any],
    kind: str = "option of backend",
) -> OptionsT:
    """Validate a backend's own options, or those of another table of the settings.

    Args:
        model: the class of the options.
        backend: the name of the backend or table, for messages.
        options: the options by name, as in :attr:`Settings.backends`.
        kind: what precedes the name in messages.

    Raises:
        ConfigurationError: a name is unknown or a value is invalid.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        raise ConfigurationError(_explain(f"{kind} {backend!r}", error)) from None


def missing_option(backend: str, names: str, what: str) -> ConfigurationError:
    """Return the error for an option of a backend that is needed and not set."""
    return ConfigurationError(
        f"The {backend} backend needs backends.{backend}.{names} {what}: see docs/configuration.md."
    )


def _nested(properties: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in properties.items():
        *parents, leaf = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ValueError(f"{name!r} is set both as a value and as a table")
        node[leaf] = value
    return tree


def _project_table(path: Path) -> dict[str, Any]:
    tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    table: dict[str, Any] = tools.get("speech-compat", {})
    return table


def _find_upward(name: str) -> Path | None:
    here = Path.cwd()
    return next((f / name for f in (here, *here.parents) if (f / name).is_file()), None)


def _explain(what: str, error: ValidationError) -> str:
    lines = []
    # Without the input: it may be a key.
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        unknown = problem["type"] == "extra_forbidden"
        # pydantic's prefix of a message that one of our checks raised
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: " + ("there is no such name" if unknown else message))
    return f"Wrong {what}: " + "; ".join(lines) + ". See docs/configuration.md for the names."
