"""The services that the kit tests, and the settings of the backends for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from live.checks import Check
from speech_adapters.config import Settings, load_settings
from speech_adapters.errors import ConfigurationError

__all__ = ["VARIABLES", "Target", "target_of"]

# The environment variables, with what they hold.
VARIABLES: Final = {
    "SPEECH_KEY": "the key of the Speech resource",
    "SPEECH_REGION": "its region, such as westeurope",
    "STORAGE_CONNECTION_STRING": "the storage account where batch reads the audio",
    "SPEECH_ENDPOINT": "optional: its custom domain, https://NAME.cognitiveservices.azure.com",
    "SPEECH_WEBSOCKET": "optional: address of the real-time service, wss://HOST/PATH",
}
_STORAGE: Final = "STORAGE_CONNECTION_STRING"
# docs/protocol/legacy-interface.md, 5.1
_WEBSOCKET: Final = "wss://{}.stt.speech.microsoft.com/stt/speech/universal/v2"
_PATH: Final = "/stt/speech/universal/v2"
_AZURE: Final = (".microsoft.com", ".azure.com", ".microsoft.us", ".azure.us", ".azure.cn")
# The shortest time, so that the service removes by itself what the kit cannot delete.
_TTL_HOURS: Final = 6


@attrs.frozen(kw_only=True)
class Target:
    """Addresses and credentials of the services.

    Attributes:
        key: key of the Speech resource.
        region: its region.
        endpoint: its REST address, or empty for that of the region.
        websocket: address of the real-time service, or empty for that of the region.
        storage: connection string of the storage account, or empty.
        container: the container for audio, which is the run's own.
        poll_seconds: time between two queries of a job.
    """

    key: str = attrs.field(repr=False)
    region: str
    endpoint: str = ""
    websocket: str = ""
    storage: str = attrs.field(default="", repr=False)
    container: str = ""
    poll_seconds: float = 15.0

    @property
    def websocket_address(self) -> str:
        """The address of the real-time service."""
        if self.websocket:
            return self.websocket
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            scheme = "wss" if parts.scheme == "https" else "ws"
            return parts._replace(scheme=scheme, path=_PATH).geturl()
        return _WEBSOCKET.format(self.region)

    def service(self, check: Check) -> str:
        """Return the service of a check, for the first line of its cassette."""
        address = self.websocket_address if check.backend == "realtime" else self.endpoint
        host = urlsplit(address).hostname or "azure.com"
        # A bare host would do, but "recorded from" must never claim an Azure that it was not.
        is_azure = f".{host}".endswith(_AZURE)
        return f"Azure {check.service}" if is_azure else f"{check.service} at {host} (not Azure)"

    def settings(self, check: Check, state_dir: Path) -> Settings:
        """Return the settings of a meeting of a check."""
        if check.backend == "realtime":
            address = {"endpoint": self.websocket_address}
            # A stored meeting uses the region, as most programs do; a live one is recorded.
            if check.stored and not (self.websocket or self.endpoint):
                address = {"region": self.region}
            tables = {"realtime": {"key": self.key, **address}}
        else:
            tables = self._rest_tables(check)
        options = {
            f"backends.{backend}.{name}": value
            for backend, table in tables.items()
            for name, value in table.items()
        }
        return load_settings({"backend": check.backend, "state_dir": str(state_dir), **options})

    def _rest_tables(self, check: Check) -> dict[str, dict[str, str]]:
        address = {"endpoint": self.endpoint} if self.endpoint else {"region": self.region}
        version = {"api_version": check.version} if check.version else {}
        fast = {"key": self.key, **address, **version}
        if not check.needs_storage:
            return {"fast": fast}
        storage = {
            "storage_connection_string": self.storage,
            "storage_container": self.container,
            "poll_seconds": str(self.poll_seconds),
            "ttl_hours": str(_TTL_HOURS),
        }
        tables = {"batch": {**fast, **storage}}
        return tables | ({"fast": fast} if check.backend == "auto" else {})


def target_of(environment: Mapping[str, str], checks: tuple[Check, ...]) -> Target:
    """Return the target that the environment names.

    Raises:
        ConfigurationError: a variable that the checks need is missing.
    """
    needed = ["SPEECH_KEY", "SPEECH_REGION"]
    needed += [_STORAGE] if any(check.needs_storage for check in checks) else []
    missing = [f"{name} ({VARIABLES[name]})" for name in needed if not environment.get(name)]
    if missing:
        raise ConfigurationError(
            f'Missing in the environment: {", ".join(missing)}; see CONTRIBUTING.md, "Against'
            ' real Azure".'
        )
    return Target(
        key=environment["SPEECH_KEY"],
        region=environment["SPEECH_REGION"],
        endpoint=environment.get("SPEECH_ENDPOINT", "").rstrip("/"),
        websocket=environment.get("SPEECH_WEBSOCKET", ""),
        storage=environment.get(_STORAGE, ""),
    )
